"""A corpus that is deduplicated night by night, each night against what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from curation.dedup import (
    Bounds,
    DedupResult,
    ExactDedup,
    MinHashDedup,
    deduplicate,
    read_grown,
    read_replaced,
)
from curation.dedup.meeting import BetterCopies
from curation.document import ADDED, ROW, SHARD, SOURCE, TEXT
from curation.runner.local import LocalRunner
from curation.runner.runner import Runner
from curation.work import Work
from tests.dedup.corpus import read, shard_batch, write_batches
from tests.dedup.reference import Document, Fates, Place
from tests.dedup.remembered import Remembered

Shard = tuple[str, list[tuple[str, int]]]
"""A source and its documents' texts and days."""


@dataclass(frozen=True)
class Night:
    """What a night found: the fates of new documents and of known ones that were replaced."""

    result: DedupResult
    new: Fates
    replaced: Fates
    known: Remembered


@dataclass
class Corpus:
    """What is kept after the nights so far, for how many documents each stands, and the others' fates."""

    exact: ExactDedup | None
    minhash: MinHashDedup | None
    better_copies: BetterCopies = "stay"
    bounds: Bounds = field(default_factory=Bounds)
    copies: dict[Place, int] = field(default_factory=dict)
    files: list[pa.RecordBatch] = field(default_factory=list)
    nights: int = 0
    fates: Fates = field(default_factory=dict)

    def refresh(self, folder: Path, shards: Sequence[Shard], runner: Runner | None = None) -> Night:
        """Deduplicate files of one night, and take over what comes of it."""
        known, first = self.known(), len(self.files)
        work = Work(str(folder), f"night-{self.nights}")
        self.nights += 1
        for source, documents in shards:
            texts, days = [text for text, _ in documents], [day for _, day in documents]
            self.files.append(shard_batch(len(self.files), source, texts, days))
        inputs = write_batches(work, self.files[first:], self.exact, self.minhash, 3, known.pieces)
        result = deduplicate(
            work.under("dedup"),
            inputs,
            self.exact,
            self.minhash,
            runner or LocalRunner(),
            bounds=self.bounds,
            known=known,
            better_copies=self.better_copies,
        )
        found = read(work, result, first)
        replaced = _replaced(work, result, known)
        self.fates = {**self.fates, **found.fates, **replaced}
        for number, batch in enumerate(self.files[first:], first):
            new = {(number, place) for place in range(batch.num_rows)} - found.fates.keys()
            self.copies |= {place: found.clusters.get(place, 1) for place in new}
        for row in read_grown(work.storage, result.grown).to_pylist() if result.grown else []:
            self.copies[_place(known, row["doc"])] += row["copies"]
        for place in replaced:
            del self.copies[place]
        return Night(result, found.fates, replaced, known)

    def known(self) -> Remembered:
        """What is kept, the files of which anything is."""
        kept = [sorted(place for file, place in self.copies if file == number) for number in range(len(self.files))]
        return Remembered(
            [self.files[number].take(pa.array(rows)) for number, rows in enumerate(kept) if rows],
            [[self.copies[number, row] for row in rows] for number, rows in enumerate(kept) if rows],
            self.exact,
            self.minhash,
        )

    def documents(self, first: int = 0) -> list[Document]:
        """All documents, as the reference takes them, from this file on."""
        stage = self.exact or self.minhash
        assert stage
        return [
            Document((number, row[ROW]), row[SOURCE], row[TEXT], _rank(stage.keep, row))
            for number, batch in enumerate(self.files[first:], first)
            for row in batch.to_pylist()
        ]


def _rank(keep: str, row: dict[str, object]) -> float:
    if keep == "longest":
        return len(str(row[TEXT]))
    day = row[ADDED].timestamp()  # type: ignore[attr-defined]
    return float(day if keep == "newest" else -day)


def _place(known: Remembered, doc: int) -> Place:
    """The file and the row of a known document."""
    name = known.names(pa.array([doc], pa.uint64()).to_numpy()).to_pylist()[0]
    return int(name[SHARD].removesuffix(".jsonl")), name[ROW]


def _replaced(work: Work, result: DedupResult, known: Remembered) -> Fates:
    fates: Fates = {}
    for row in read_replaced(work.storage, result.replaced).to_pylist() if result.replaced else []:
        place = (int(row["shard"].removesuffix(".jsonl")), row["row"])
        assert _place(known, row["piece"] << 32 | row["ordinal"]) == place
        survivor = (int(row["survivor_shard"].removesuffix(".jsonl")), row["survivor_row"])
        assert row["survivor"] == f"{survivor[0]}/{survivor[1]}"
        fates[place] = (row["stage"], survivor, row["similarity"])
    return fates
