"""Jobs over REST: submit, ask, steer, follow."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ConfigDict

from services.client.errors import NotSettledError, ProblemError, UnreachableError
from services.client.transport import BUSY, Transport, checked, shaped
from services.insights.models import RunReport, Samples
from services.jobs.job import Event, Job, JobFilter, LogLine, Mode, Submission
from services.jobs.states import FINAL, State

RESTING = FINAL | {State.HELD, State.PAUSED}
"""Where a job stays until somebody does something."""

SILENCE_S = 60.0
"""A stream that is silent for this long is broken: the service sends something sooner."""
GIVE_UP_S = 120.0
"""How long a stream is sought again before it is given up."""
POLL_S = 1.0
"""How often new log lines are asked for."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Range(_Model):
    """Likely at least, likely at most."""

    low: float
    high: float


class SourceInput(_Model):
    """What one source names."""

    source: str
    files: int
    bytes: int


class Compared(_Model):
    """How many input files there are, against those that the newest version knows."""

    unchanged: int
    new: int
    changed: int
    vanished: int


class Estimate(_Model):
    """What a submission means, and what it may cost."""

    mode: Mode
    recipe: dict[str, Any]
    """What would be run: placeholders filled in, addresses absolute."""
    recipe_name: str
    corpus_url: str
    newest_version: int
    """Of the corpus; 0 where there is none."""
    is_nothing_new: bool
    """Whether the job would publish nothing."""
    compared: Compared | None = None
    """Of a refresh that does not read everything."""
    shards: int
    files: int
    input_bytes: int
    sources: tuple[SourceInput, ...]
    documents: Range | None = None
    """None where nobody knows."""
    cpu_s: Range
    elapsed_s: Range | None = None
    output_bytes: Range
    basis_detail: str
    """What it is estimated from."""


class Jobs:
    """The jobs of one project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # ------------------------------------------------------------------------ submit

    def submit(self, submission: Submission, *, idempotency_key: str | None = None) -> Job:
        """Queue a job. It is safe to repeat: an idempotency key is made where none is given, so that a lost answer does
        not make a second job."""
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        body = submission.model_dump(mode="json", exclude_defaults=True)
        response = self._transport.send("POST", "/v1/jobs", body=body, headers=headers, may_repeat=True)
        return shaped(Job, response)

    def estimate(self, submission: Submission) -> Estimate:
        """What it would read, and roughly what it would take. Nothing is queued."""
        body = submission.model_dump(mode="json", exclude_defaults=True)
        response = self._transport.send("POST", "/v1/jobs/estimate", body=body, may_repeat=True)
        return shaped(Estimate, response)

    # --------------------------------------------------------------------------- ask

    def list(self, which: JobFilter | None = None, *, page_size: int | None = None) -> Iterator[Job]:
        """The jobs, newest first, page by page as they are asked for."""
        return self._transport.pages("/v1/jobs", Job, **_filters(which or JobFilter()), page_size=page_size)

    def get(self, job_id: str) -> Job:
        """One job, with its attempts."""
        return self._transport.get(_job(job_id), Job)

    def recipe(self, job_id: str) -> dict[str, Any]:
        """The recipe as it is run: placeholders filled in, addresses absolute."""
        return self._transport.mapping(f"{_job(job_id)}/recipe")

    def report(self, job_id: str) -> RunReport:
        """What a job that succeeded did, or what a held one would publish."""
        return self._transport.get(f"{_job(job_id)}/report", RunReport)

    def samples(self, job_id: str, reason: str, *, limit: int | None = None) -> Samples:
        """Some of what it dropped for a reason, chosen uniformly; as `report`, also while it is held."""
        path = f"{_job(job_id)}/report/reasons/{quote(reason, safe='')}/samples"
        return self._transport.get(path, Samples, limit=limit)

    def logs(self, job_id: str, *, after: int = 0, level: str | None = None) -> Iterator[LogLine]:
        """What its drivers have written so far behind the line `after`, oldest first."""
        return self._transport.pages(f"{_job(job_id)}/logs", LogLine, after=after, level=level)

    # ------------------------------------------------------------------------- steer

    def cancel(self, job_id: str, *, force: bool = False) -> Job:
        """Ask it to stop: cooperatively, or with `force` at once."""
        return self._verb(job_id, "cancel", {"force": force})

    def pause(self, job_id: str) -> Job:
        """Free its workers and keep its records."""
        return self._verb(job_id, "pause")

    def resume(self, job_id: str) -> Job:
        """Go on from its records."""
        return self._verb(job_id, "resume")

    def retry(self, job_id: str, *, start: Literal["records", "beginning"] = "records") -> Job:
        """Queue a job again that did not succeed: on from its last record, or from the beginning."""
        return self._verb(job_id, "retry", {"start": start})

    def approve(self, job_id: str) -> Job:
        """Let a held job publish."""
        return self._verb(job_id, "approve")

    def discard(self, job_id: str) -> Job:
        """End a held job without publishing."""
        return self._verb(job_id, "discard")

    def delete(self, job_id: str) -> None:
        """Forget a final job. What it published stays."""
        self._transport.send("DELETE", _job(job_id))

    def _verb(self, job_id: str, verb: str, body: Mapping[str, object] | None = None) -> Job:
        return self._transport.post(f"{_job(job_id)}/{verb}", Job, body)

    # ------------------------------------------------------------------------ follow

    def events(self, job_id: str, *, after: int = 0, give_up_s: float = GIVE_UP_S) -> Iterator[Event]:
        """What happens to it behind the event `after`, as it happens, until it is final. A stream that breaks is taken
        up where it was; UnreachableError when that does not go for `give_up_s`."""
        last, lost_since = after, None
        while True:
            try:
                with self._transport.stream(
                    f"{_job(job_id)}/events", {"Last-Event-ID": str(last)}, SILENCE_S
                ) as source:
                    for message in source:
                        lost_since = None
                        if not message.data:
                            continue
                        event = checked(Event, message.json())
                        last = event.sequence
                        yield event
                if self.get(job_id).state in FINAL:
                    return
            except httpx2.TransportError as error:
                complaint: Exception = error
            except ProblemError as error:
                if error.status not in BUSY:
                    raise
                complaint = error
            else:
                complaint = UnreachableError("the stream ended")
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > give_up_s:
                raise UnreachableError(f"{self._transport.url}: events of {job_id} stopped ({complaint})") from None
            time.sleep(min(POLL_S, give_up_s / 10))

    def watch(self, job_id: str, *, give_up_s: float = GIVE_UP_S) -> Iterator[Job]:
        """The job as it is now, and again after whatever happens to it, until it rests: final, HELD or PAUSED."""
        job = self.get(job_id)
        yield job
        if job.state in RESTING:
            return
        for event in self.events(job_id, give_up_s=give_up_s):
            if event.at < job.updated:
                continue  # the job that was shown has seen it
            job = self.get(job_id)
            yield job
            if job.state in RESTING:
                return

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> Job:
        """The job once it rests: final, HELD or PAUSED. Raises NotSettledError after `timeout_s`."""
        give_up = None if timeout_s is None else time.monotonic() + timeout_s
        while (job := self.get(job_id)).state not in RESTING:
            if give_up is not None and time.monotonic() > give_up:
                raise NotSettledError(f"{job_id} is still {job.state} after {timeout_s:g} s")
            time.sleep(POLL_S / 2)
        return job

    def follow_logs(self, job_id: str, *, after: int = 0, level: str | None = None) -> Iterator[LogLine]:
        """Its log lines as they are written, until it rests."""
        last = after
        while True:
            is_resting = self.get(job_id).state in RESTING
            for line in self.logs(job_id, after=last, level=level):
                last = line.sequence
                yield line
            if is_resting:
                return
            time.sleep(POLL_S)


def _job(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"


def _filters(which: JobFilter) -> dict[str, Any]:
    """A filter as query parameters."""
    return {
        "state": [state.value for state in which.states],
        "mode": which.mode and which.mode.value,
        "recipe": which.recipe,
        "corpus": which.corpus,
        "label": [f"{key}={value}" for key, value in which.labels.items()],
        "created_after": which.created_after,
        "created_before": which.created_before,
        "finished_after": which.finished_after,
        "finished_before": which.finished_before,
        "schedule_id": which.schedule_id,
    }
