"""What matching has found, in sums by source, language and cause, and a uniform choice of documents to show."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from itertools import takewhile
from typing import Any, NamedTuple

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
from curation.difference.records import RECORD, UNCOUNTED, A, B, Names, Reader
from curation.difference.spill import Records
from curation.report import EXCERPT, LEAD

Place = tuple[int, int, int]
"""Numbers of a source, of a language, and of a cause."""


class Sum(NamedTuple):
    """Of some documents; `before` is of the texts that those that have changed had."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0
    uncounted: int = 0
    """How many of the documents have no count of tokens."""
    bytes_before: int = 0
    tokens_before: int = 0
    uncounted_before: int = 0

    def plus(self, other: Sum) -> Sum:
        return Sum(*map(sum, zip(self, other, strict=True)))

    @property
    def amount(self) -> dict[str, int | None]:
        """The fields of Amount."""
        return {
            "documents": self.documents,
            "bytes": self.bytes,
            "tokens": None if self.uncounted else self.tokens,
        }

    @property
    def amount_before(self) -> dict[str, int | None]:
        tokens = None if self.uncounted_before else self.tokens_before
        return {"documents": self.documents, "bytes": self.bytes_before, "tokens": tokens}


Sums = dict[Place, Sum]

Shown = tuple[Any, dict[str, Any]]
"""A record, and what is shown of its document."""
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
        causes = [self._cause(number, _sums(sums, 2, number), absent) for number in {place[2] for place in sums}]
        return Documents(
            total=Amount.model_validate(_total(sums).amount),
            sources=tuple(_group(name, own) for name, own in self._parted(sums, 0)),
            languages=tuple(_group(name, own) for name, own in self._parted(sums, 1)),
            causes=tuple(sorted(causes, key=lambda cause: (-cause.documents, cause.why, cause.reason))),
        )

    def _cause(self, number: int, sums: Sums, absent: Why) -> Cause:
        plain: dict[int, Why] = {INPUT_ABSENT: absent, INPUT_CHANGED: "input_changed", UNACCOUNTED: "unaccounted"}
        why: Why = plain.get(number, "promoted" if number & PROMOTED else "dropped")
        reason = "" if number in plain else self._names[number & ~PROMOTED]
        return Cause.model_validate({"why": why, "reason": reason, **_total(sums).amount})

    def _parted(self, sums: Sums, axis: int) -> Iterable[tuple[str, Sums]]:
        """The sums of each source (0) or language (1), by name."""
        numbers = sorted({place[axis] for place in sums}, key=self._names.__getitem__)
        return [(self._names[number], _sums(sums, axis, number)) for number in numbers]

    # ------------------------------------------------------------------- samples

    def samples(self, reader: Reader, seed: int) -> Samples:
        """The documents to show, with the beginnings of their texts. Raises CorruptError for one that is not there."""
        before, after = (self._shown_texts(reader, records) for records in self._shown_changed)
        return Samples(
            seed=seed,
            added=tuple(self._excerpt(*shown) for shown in self._shown_texts(reader, self._shown[B])),
            removed=tuple(self._excerpt(*shown) for shown in self._shown_texts(reader, self._shown[A])),
            changed=tuple(self._changed_excerpt(*pair) for pair in zip(before, after, strict=True)),
        )

    def _shown_texts(self, reader: Reader, records: Records) -> list[Shown]:
        return [(record, _row(reader, record[None])) for record in records]

    def _changed_excerpt(self, before: Shown, after: Shown) -> ChangedExcerpt:
        """Both texts around their first difference."""
        pairs = zip(before[1][document.TEXT], after[1][document.TEXT], strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        begins = 0 if same + LEAD <= EXCERPT else same - LEAD
        return ChangedExcerpt(before=self._excerpt(*before, begins), after=self._excerpt(*after, begins))

    def _excerpt(self, record: Records, row: dict[str, Any], begins: int = 0) -> Excerpt:
        return Excerpt(
            id=row[document.ID],
            source=self._names[int(record["source"])],
            shard=row[document.SHARD],
            row=row[document.ROW],
            language=self._names[int(record["language"])] or None,
            bytes=int(record["bytes"]),
            excerpt=row[document.TEXT][begins : begins + EXCERPT],
            begins=begins,
        )


def _row(reader: Reader, records: Records) -> dict[str, Any]:
    """Of one record, the document's columns that are shown."""
    rows: list[dict[str, Any]] = [row for _, table in reader.documents(records, _SHOWN) for row in table.to_pylist()]
    return rows[0]


def _add(sums: Sums, records: Records, before: Records) -> None:
    """Add the records to the sums of their places."""
    columns = {name: pa.array(records[name]) for name in ("source", "language", "cause")}
    for of, ending in ((records, ""), (before, "_before")):
        columns[f"bytes{ending}"] = pa.array(of["bytes"])
        columns[f"tokens{ending}"] = pa.array(np.maximum(of["tokens"], 0))
        columns[f"uncounted{ending}"] = pa.array((of["tokens"] == UNCOUNTED).astype(np.int64))
    grouped = pa.table(columns).group_by(["source", "language", "cause"], use_threads=False)
    numbers = Sum._fields[1:]
    for row in grouped.aggregate([([], "count_all"), *((name, "sum") for name in numbers)]).to_pylist():
        place = (row["source"], row["language"], row["cause"])
        found = Sum(row["count_all"], *(row[f"{name}_sum"] for name in numbers))
        sums[place] = sums.get(place, Sum()).plus(found)


def _sums(sums: Sums, axis: int, number: int) -> Sums:
    """Those of one source, language or cause."""
    return {place: own for place, own in sums.items() if place[axis] == number}


def _total(sums: Sums) -> Sum:
    return reduce(Sum.plus, sums.values(), Sum())


def _group(name: str, sums: Sums) -> Group:
    return Group.model_validate({"name": name, **_total(sums).amount})


def _change(name: str, sums: Sums) -> Changed:
    total = _total(sums)
    return Changed(
        name=name,
        documents=total.documents,
        before=Amount.model_validate(total.amount_before),
        after=Amount.model_validate(total.amount),
    )
