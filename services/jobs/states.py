"""The states of a job, and the one table of what may follow what."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a job is. The state drives the logic; `reason` and `conditions` say why it is there."""

    QUEUED = "QUEUED"
    """Waits for a runner."""
    STARTING = "STARTING"
    """A runner has claimed it and starts its driver."""
    RUNNING = "RUNNING"
    """Its driver works."""
    PUBLISHING = "PUBLISHING"
    """It has the permit to publish: it can no longer be stopped, and goes on until the corpus says how it ended."""
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"
    """Its workers are free, its records are kept; resume goes on from them."""
    CANCELLING = "CANCELLING"
    HELD = "HELD"
    """A gate holds it before publishing: approve or discard."""
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    """Its recipe, its input, its store or its model is wrong: the reason says which."""
    CRASHED = "CRASHED"
    """Its workers died more often than they are started again."""
    CANCELLED = "CANCELLED"


S = State

TRANSITIONS: dict[State, frozenset[State]] = {
    S.QUEUED: frozenset({S.STARTING, S.PAUSED, S.CANCELLED, S.FAILED}),
    S.STARTING: frozenset({S.RUNNING, S.QUEUED, S.PAUSING, S.CANCELLING, S.FAILED, S.CRASHED, S.SUCCEEDED}),
    S.RUNNING: frozenset({S.PUBLISHING, S.QUEUED, S.PAUSING, S.CANCELLING, S.HELD, S.SUCCEEDED, S.FAILED, S.CRASHED}),
    S.PUBLISHING: frozenset({S.SUCCEEDED, S.FAILED, S.CRASHED, S.QUEUED}),
    S.PAUSING: frozenset({S.PAUSED, S.CANCELLING, S.SUCCEEDED, S.FAILED}),
    S.PAUSED: frozenset({S.QUEUED, S.CANCELLED}),
    S.CANCELLING: frozenset({S.CANCELLED, S.SUCCEEDED}),
    S.HELD: frozenset({S.QUEUED, S.CANCELLED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset({S.QUEUED}),
    S.CRASHED: frozenset({S.QUEUED}),
    S.CANCELLED: frozenset({S.QUEUED}),
}
"""From CANCELLING and PAUSING a job may still succeed: it was done before it was asked. FAILED, CRASHED and CANCELLED
go back to QUEUED by a retry; QUEUED after work is a runner that was lost or drained."""

FINAL = frozenset({S.SUCCEEDED, S.FAILED, S.CRASHED, S.CANCELLED})
"""Where a job stays unless somebody retries it."""

LEASED = frozenset({S.STARTING, S.RUNNING, S.PUBLISHING, S.PAUSING, S.CANCELLING})
"""Where a worker holds a lease; at most one job of a corpus is in one of these."""


def may(current: State, wanted: State) -> bool:
    """Whether a job may go from one state to another."""
    return wanted in TRANSITIONS[current]
