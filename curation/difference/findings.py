"""What matching has found, in sums by source, language and cause, and a uniform choice of documents to show."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from curation import document
from curation.difference.matching import INPUT_ABSENT, INPUT_CHANGED, PROMOTED, UNACCOUNTED
from curation.difference.model import (
    Amount,
    Cause,
    Changed,
    ChangedDocuments,
    ChangedExcerpt,
    Documents,
    Excerpt,
    Group,
    Samples,
    Why,
)
from curation.difference.records import RECORD, A, B, Names, Reader
from curation.difference.spill import Records
from curation.report import EXCERPT

Place = tuple[int, int, int]
"""Numbers of a source, of a language, and of a cause."""
Sums = dict[Place, tuple[int, int, int]]
"""Documents, their bytes, and, of those that have changed, their bytes before."""

_SHOWN = [document.ID, document.TEXT, document.SHARD, document.ROW]


class Findings:
    """Takes what `match` finds; its answers are of all that it was told."""

    def __init__(self, names: Names, samples: int) -> None:
        self._names, self._samples = names, samples
        self._single: tuple[Sums, Sums] = ({}, {})
        self._changed: Sums = {}
        nothing = np.zeros(0, RECORD)
        self._shown = [nothing, nothing]
        self._shown_changed = [nothing, nothing]

    def single(self, records: Records) -> None:
        """Documents that only their side keeps."""
        for side in (A, B):
            own = records[records["side"] == side]
            _add(self._single[side], own, own)
            self._shown[side] = self._first(np.concatenate([self._shown[side], own]))

    def changed(self, before: Records, after: Records) -> None:
        """Documents whose text has changed."""
        _add(self._changed, after, before)
        for side, own in ((A, before), (B, after)):
            self._shown_changed[side] = self._first(np.concatenate([self._shown_changed[side], own]))

    def _first(self, records: Records) -> Records:
        """Those that are shown, of all that were met so far: the ones with the smallest keys."""
        return np.asarray(records[np.argsort(records["key"], kind="stable")[: self._samples]])

    # ---------------------------------------------------------------------- sums

    def added(self) -> Documents:
        return self._documents(self._single[B], "input_new")

    def removed(self) -> Documents:
        return self._documents(self._single[A], "input_left")

    def changes(self) -> ChangedDocuments:
        return ChangedDocuments(
            total=_change("", self._changed),
            sources=tuple(_change(name, own) for name, own in self._parted(self._changed, 0)),
            languages=tuple(_change(name, own) for name, own in self._parted(self._changed, 1)),
        )

    def _documents(self, sums: Sums, absent: Why) -> Documents:
        documents, size, _ = _total(sums)
        causes = [self._cause(number, _sums(sums, 2, number), absent) for number in {place[2] for place in sums}]
        return Documents(
            total=Amount(documents=documents, bytes=size),
            sources=tuple(_group(name, own) for name, own in self._parted(sums, 0)),
            languages=tuple(_group(name, own) for name, own in self._parted(sums, 1)),
            causes=tuple(sorted(causes, key=lambda cause: (-cause.documents, cause.why, cause.reason))),
        )

    def _cause(self, number: int, sums: Sums, absent: Why) -> Cause:
        plain: dict[int, Why] = {INPUT_ABSENT: absent, INPUT_CHANGED: "input_changed", UNACCOUNTED: "unaccounted"}
        why: Why = plain.get(number, "promoted" if number & PROMOTED else "dropped")
        documents, size, _ = _total(sums)
        reason = "" if number in plain else self._names[number & ~PROMOTED]
        return Cause(why=why, reason=reason, documents=documents, bytes=size)

    def _parted(self, sums: Sums, axis: int) -> Iterable[tuple[str, Sums]]:
        """The sums of each source (0) or language (1), by name."""
        numbers = sorted({place[axis] for place in sums}, key=self._names.__getitem__)
        return [(self._names[number], _sums(sums, axis, number)) for number in numbers]

    # ------------------------------------------------------------------- samples

    def samples(self, reader: Reader, seed: int) -> Samples:
        """The documents to show, with the beginnings of their texts. Raises CorruptError for one that is not there."""
        before, after = (self._excerpts(reader, records) for records in self._shown_changed)
        return Samples(
            seed=seed,
            added=tuple(self._excerpts(reader, self._shown[B])),
            removed=tuple(self._excerpts(reader, self._shown[A])),
            changed=tuple(ChangedExcerpt(before=b, after=a) for b, a in zip(before, after, strict=True)),
        )

    def _excerpts(self, reader: Reader, records: Records) -> list[Excerpt]:
        return [self._excerpt(reader, record) for record in records]

    def _excerpt(self, reader: Reader, record: Records) -> Excerpt:
        (row,) = (table.to_pylist()[0] for _, table in reader.documents(record[None], _SHOWN))
        return Excerpt(
            id=row[document.ID],
            source=self._names[int(record["source"])],
            shard=row[document.SHARD],
            row=row[document.ROW],
            language=self._names[int(record["language"])] or None,
            bytes=int(record["bytes"]),
            excerpt=row[document.TEXT][:EXCERPT],
        )


def _add(sums: Sums, records: Records, before: Records) -> None:
    """Add the records to the sums of their places."""
    columns = {name: pa.array(records[name]) for name in ("source", "language", "cause", "bytes")}
    columns["before"] = pa.array(before["bytes"])
    places = ["source", "language", "cause"]
    grouped = pa.table(columns).group_by(places, use_threads=False)
    for row in grouped.aggregate([([], "count_all"), ("bytes", "sum"), ("before", "sum")]).to_pylist():
        place = (row["source"], row["language"], row["cause"])
        known = sums.get(place, (0, 0, 0))
        sums[place] = (known[0] + row["count_all"], known[1] + row["bytes_sum"], known[2] + row["before_sum"])


def _sums(sums: Sums, axis: int, number: int) -> Sums:
    """Those of one source, language or cause."""
    return {place: own for place, own in sums.items() if place[axis] == number}


def _total(sums: Sums) -> tuple[int, int, int]:
    documents, size, before = (sum(own[index] for own in sums.values()) for index in range(3))
    return documents, size, before


def _group(name: str, sums: Sums) -> Group:
    documents, size, _ = _total(sums)
    return Group(name=name, documents=documents, bytes=size)


def _change(name: str, sums: Sums) -> Changed:
    documents, size, before = _total(sums)
    return Changed(
        name=name,
        documents=documents,
        before=Amount(documents=documents, bytes=before),
        after=Amount(documents=documents, bytes=size),
    )
