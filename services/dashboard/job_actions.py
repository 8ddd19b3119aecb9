"""What can be done with a job from its page: in which states, by whom, and what is asked before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.identity.principal import Permission, Principal
from services.jobs.job import Job, Mode
from services.jobs.states import FINAL, State

S = State


@dataclass(frozen=True)
class Action:
    """A button. `path` is the API's below the job; without one the job itself is deleted."""

    name: str
    label: str
    said: str
    """What the page says once it is done."""
    states: frozenset[State]
    needs: Permission
    path: str = ""
    body: Mapping[str, object] = field(default_factory=dict)
    kind: str = "quiet"
    """How the button looks."""
    confirm: str = ""
    """What is asked before what cannot be undone."""


_WORKING = frozenset({S.QUEUED, S.STARTING, S.RUNNING})
_ENDED_BADLY = FINAL - {S.SUCCEEDED}

ACTIONS: Mapping[str, Action] = {
    action.name: action
    for action in (
        Action(
            "approve", "Approve and publish", "The job goes on to publish.", frozenset({S.HELD}),
            Permission.JOBS_OPERATE, "approve", kind="",
        ),
        Action(
            "discard", "Discard", "The job is discarded; nothing is published.", frozenset({S.HELD}),
            Permission.JOBS_OPERATE, "discard", kind="danger",
            confirm="Discard what this job has made? Nothing of it is published.",
        ),
        Action(
            "resume", "Resume", "The job is in the queue again.", frozenset({S.PAUSED}),
            Permission.JOBS_WRITE, "resume", kind="",
        ),
        Action(
            "pause", "Pause", "The job pauses; its records are kept.", _WORKING,
            Permission.JOBS_WRITE, "pause",
        ),
        Action(
            "cancel", "Cancel", "The job was asked to stop.", _WORKING | {S.PAUSING, S.PAUSED},
            Permission.JOBS_WRITE, "cancel", kind="danger",
        ),
        Action(
            "force", "Kill", "The job is killed.", frozenset({S.CANCELLING}),
            Permission.JOBS_OPERATE, "cancel", {"force": True}, kind="danger",
            confirm="Kill it now? What it has not yet recorded is done anew by a retry.",
        ),
        Action(
            "retry", "Retry from its records", "The job is in the queue again.", _ENDED_BADLY,
            Permission.JOBS_WRITE, "retry", {"start": "records"}, kind="",
        ),
        Action(
            "again", "Retry from the beginning", "The job is in the queue again, as a new run.", _ENDED_BADLY,
            Permission.JOBS_WRITE, "retry", {"start": "beginning"},
            confirm="Begin anew? What this job has done so far is done again.",
        ),
        Action(
            "delete", "Delete", "The job is deleted.", FINAL,
            Permission.JOBS_OPERATE, kind="danger",
            confirm="Delete this job with its log and its history? What it published stays.",
        ),
    )
}  # fmt: skip


def offered(job: Job, who: Principal) -> Sequence[Action]:
    """The buttons that this job's page has for somebody."""
    return [action for action in ACTIONS.values() if job.state in action.states and _may(who, action, job)]


def _may(who: Principal, action: Action, job: Job) -> bool:
    is_asking = action.path == "retry" and job.mode is Mode.TAKEDOWN
    return who.may(action.needs) and (not is_asking or who.may(Permission.CORPORA_GOVERN))
