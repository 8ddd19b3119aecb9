"""The upkeep of corpora over REST: tags, legal holds, restoring, vacuuming, takedowns."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from services.client.errors import ProblemError
from services.client.transport import Transport, shaped
from services.jobs.job import Job, NewTakedown, Takedown
from services.upkeep.models import (
    CorpusTag,
    LegalHold,
    NewHold,
    NewTag,
    Restored,
    RestoreRequest,
    TagHistory,
    VacuumOptions,
    VacuumReport,
)

if TYPE_CHECKING:
    from curation.pipeline.certificate import Certificate

NEEDS_IF_MATCH = 428


class Upkeep:
    """What is done to the versions of one project's corpora."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def tags(self, corpus: str) -> Iterator[CorpusTag]:
        """By name."""
        return self._transport.pages(f"{_corpus(corpus)}/tags", CorpusTag)

    def tag(self, corpus: str, tag: str) -> TagHistory:
        """A tag, and what happened to it."""
        return self._transport.get(_tag(corpus, tag), TagHistory)

    def put_tag(self, corpus: str, tag: str, version: int) -> CorpusTag:
        """Give a version a tag, whoever has it."""
        body = NewTag(version=version).model_dump()
        try:
            return shaped(CorpusTag, self._transport.send("PUT", _tag(corpus, tag), body=body))
        except ProblemError as error:
            if error.status != NEEDS_IF_MATCH:
                raise
        whoever = {"If-Match": "*"}
        return shaped(CorpusTag, self._transport.send("PUT", _tag(corpus, tag), body=body, headers=whoever))

    def delete_tag(self, corpus: str, tag: str) -> None:
        """Take it away."""
        self._transport.send("DELETE", _tag(corpus, tag), headers={"If-Match": "*"})

    def holds(self, corpus: str) -> Iterator[LegalHold]:
        """The versions under a legal hold, by number."""
        return self._transport.pages(f"{_corpus(corpus)}/holds", LegalHold)

    def put_hold(self, corpus: str, version: int, reason: str) -> LegalHold:
        """Let neither a vacuum nor an erasure touch a version."""
        body = NewHold(reason=reason).model_dump()
        return shaped(LegalHold, self._transport.send("PUT", f"{_corpus(corpus)}/holds/{version}", body=body))

    def release_hold(self, corpus: str, version: int) -> None:
        """End its legal hold."""
        self._transport.send("DELETE", f"{_corpus(corpus)}/holds/{version}")

    def restore(self, corpus: str, version: int) -> Restored:
        """Publish a version again as the newest."""
        asked = RestoreRequest(version=version)
        return self._transport.post(f"{_corpus(corpus)}/restore", Restored, asked.model_dump())

    def vacuum(self, corpus: str, options: VacuumOptions | None = None) -> VacuumReport:
        """Remove the files that no version needs which stays; without options only say which."""
        body = (options or VacuumOptions()).model_dump(mode="json")
        return self._transport.post(f"{_corpus(corpus)}/vacuum", VacuumReport, body)

    def take_down(self, corpus: str, new: NewTakedown, *, idempotency_key: str | None = None) -> Job:
        """Queue a takedown. As `Jobs.submit`."""
        headers = {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}
        body = new.model_dump(mode="json", exclude_defaults=True)
        path = f"{_corpus(corpus)}/takedowns"
        return shaped(Job, self._transport.send("POST", path, body=body, headers=headers, may_repeat=True))

    def takedown(self, job_id: str) -> Takedown:
        """What a takedown's job removes."""
        return self._transport.get(f"/v1/jobs/{quote(job_id, safe='')}/takedown", Takedown)

    def certificates(self, corpus: str) -> Iterator[Certificate]:
        """What takedowns have certified, oldest first."""
        from curation.pipeline.certificate import Certificate

        return self._transport.pages(f"{_corpus(corpus)}/certificates", Certificate)

    def certificate(self, corpus: str, number: int) -> Certificate:
        """One certificate, which the service has checked with all before it."""
        from curation.pipeline.certificate import Certificate

        return self._transport.get(f"{_corpus(corpus)}/certificates/{number}", Certificate)


def _corpus(name: str) -> str:
    return f"/v1/corpora/{quote(name, safe='')}"


def _tag(corpus: str, tag: str) -> str:
    return f"{_corpus(corpus)}/tags/{quote(tag, safe='')}"
