"""Corpora over REST: versions, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from services.client.transport import Transport
from services.insights.models import (
    Corpus,
    CorpusVersion,
    Explanation,
    Funnel,
    Histogram,
    Mixture,
    Reasons,
    Samples,
    Statistics,
    VersionChange,
    VersionSummary,
)

if TYPE_CHECKING:
    from curation.difference import Difference
    from curation.history import History
    from curation.whatif.model import Curve, Sweep, Thresholds, WhatIf

Called = int | str | None


class CorpusEntry(BaseModel):
    """A corpus that the project knows."""

    model_config = ConfigDict(frozen=True)

    name: str
    url: str
    created: datetime


class Corpora:
    """The corpora of one project. A version is called by its number or a tag; None is the newest."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[CorpusEntry]:
        """By name."""
        return self._transport.pages("/v1/corpora", CorpusEntry)

    def register(self, url: str, name: str | None = None) -> CorpusEntry:
        """Make a corpus known that is there already."""
        return self._transport.post("/v1/corpora", CorpusEntry, {"url": url, "name": name})

    def forget(self, name: str) -> None:
        """Take it out of the list. The corpus itself is not touched."""
        self._transport.send("DELETE", _corpus(name))

    def get(self, name: str) -> Corpus:
        """A corpus and its newest version."""
        return self._transport.get(_corpus(name), Corpus)

    def versions(self, name: str) -> Iterator[VersionSummary]:
        """What has been published, newest first."""
        return self._transport.pages(f"{_corpus(name)}/versions", VersionSummary)

    def version(self, name: str, version: Called = None) -> CorpusVersion:
        """One version, with what it was made from."""
        return self._transport.get(_version(name, version), CorpusVersion)

    def change(self, name: str, version: Called = None) -> VersionChange:
        """How a version came of the one before it."""
        return self._transport.get(f"{_version(name, version)}/change", VersionChange)

    def diff(
        self, name: str, a: Called = None, b: Called = None, *, samples: int | None = None, seed: int | None = None
    ) -> Difference:
        """What version `b` (default: the newest) has against `a` (default: the one before it)."""
        from curation.difference import Difference

        asked = {"from": a, "to": b, "samples": samples, "seed": seed}
        return self._transport.get(f"{_corpus(name)}/diff", Difference, **asked)

    def history(self, name: str, document_id: str) -> History:
        """Every version in which the decision about a document changed."""
        from curation.history import History

        return self._transport.get(f"{_corpus(name)}/history", History, id=document_id)

    def manifest(self, name: str, version: Called = None) -> Mapping[str, Any]:
        """What a version was made from and the files that it is, as trainers read it."""
        return self._transport.mapping(f"{_version(name, version)}/manifest")

    def statistics(self, name: str, version: Called = None) -> Statistics:
        """Documents by source, language, length and measured values."""
        return self._transport.get(f"{_version(name, version)}/statistics", Statistics)

    def funnel(self, name: str, version: Called = None) -> Funnel:
        """Where the documents went, stage by stage."""
        return self._transport.get(f"{_version(name, version)}/funnel", Funnel)

    def reasons(self, name: str, version: Called = None) -> Reasons:
        """Why documents were dropped, most first."""
        return self._transport.get(f"{_version(name, version)}/reasons", Reasons)

    def samples(self, name: str, reason: str, version: Called = None, *, limit: int | None = None) -> Samples:
        """Some of what was dropped for a reason, chosen uniformly."""
        path = f"{_version(name, version)}/reasons/{quote(reason, safe='')}/samples"
        return self._transport.get(path, Samples, limit=limit)

    def explain(self, name: str, document_id: str, version: Called = None, *, source: str | None = None) -> Explanation:
        """Why a document was kept or dropped."""
        path = f"{_corpus(name)}/explain"
        return self._transport.get(path, Explanation, id=document_id, version=version, source=source)

    def histogram(self, name: str, column: str, version: Called = None, *, bins: int | None = None) -> Histogram:
        """How a measured number is distributed among kept and dropped documents."""
        return self._transport.get(f"{_version(name, version)}/histogram", Histogram, column=column, bins=bins)

    def thresholds(self, name: str, version: Called = None) -> Thresholds:
        """What can be set to another value in a what-if."""
        from curation.whatif.model import Thresholds

        return self._transport.get(f"{_version(name, version)}/thresholds", Thresholds)

    def what_if(
        self, name: str, settings: Sequence[str], version: Called = None, *, examples: int | None = None
    ) -> WhatIf:
        """What a version would keep with other thresholds, each `path=value`."""
        from curation.whatif.model import WhatIf

        return self._transport.get(f"{_version(name, version)}/what-if", WhatIf, set=settings, examples=examples)

    def curve(self, name: str, of: str, settings: Sequence[str] = (), version: Called = None) -> Curve:
        """What it would keep as a function of the threshold at a path; of some values, as `path=first:last:step`."""
        from curation.whatif.model import Curve

        return self._transport.get(f"{_version(name, version)}/what-if/curve", Curve, of=of, set=settings)

    def sweep(
        self,
        name: str,
        of: str,
        settings: Sequence[str] = (),
        version: Called = None,
        *,
        examples: int | None = None,
    ) -> Sweep:
        """What it would keep for each of the values of `path=first:last:step`, with the documents at the edges."""
        from curation.whatif.model import Sweep

        asked = {"of": of, "set": settings, "examples": examples}
        return self._transport.get(f"{_version(name, version)}/what-if/sweep", Sweep, **asked)

    def mixture(self, name: str, version: Called = None) -> Mixture:
        """The sources' shares."""
        return self._transport.get(f"{_version(name, version)}/mixture", Mixture)


def _corpus(name: str) -> str:
    return f"/v1/corpora/{quote(name, safe='')}"


def _version(name: str, version: Called) -> str:
    return f"{_corpus(name)}/versions/{'newest' if version is None else version}"
