"""The manifest of a version: what it was made from, and the files that it is, each with its size and SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from curation.errors import CorruptError


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class InputShard(Frozen):
    """An input file that the version's records were read from; `etag` changes when the file does."""

    source: str
    uri: str
    size: int
    etag: str
    shard: str
    """The unit of work that read it: a piece that holds records of the file is named `<shard>-<number>`."""

    @property
    def file(self) -> tuple[str, str, int, str]:
        """What tells whether it is the same file with the same content."""
        return (self.source, self.uri, self.size, self.etag)


class Part(Frozen):
    """One file of the corpus, its key below the corpus's URL. `source` is empty for files that mix sources."""

    path: str
    source: str = ""
    rows: int
    bytes: int
    sha256: str


class Piece(Frozen):
    """Some records of one source that were read together, from one file or a few hundred small ones; what became of
    them lies in files of their own, so a version shares with the one before it all that did not change."""

    name: str
    """Tells it from every other piece of the version; begins with the source and a `/`."""
    source: str
    records: int
    """What it accounts for: kept, dropped and failed."""
    kept: bool
    """Whether any document of it is kept, so that it has a file among the manifest's `shards`."""
    mixed: bool = False
    """Whether its records were taken out of other pieces, to be decided anew: its input files are those of several."""

    @property
    def shard(self) -> str:
        """The unit of work that it is of: the `shard` of its input files."""
        return self.name.rpartition("-")[0]


def same_files(one: Iterable[InputShard], other: Iterable[InputShard]) -> bool:
    """Whether two versions were made from the same files, however these were dealt into shards."""
    return sorted(file.file for file in one) == sorted(file.file for file in other)


class PieceFiles(NamedTuple):
    """A piece with its files; `kept` is None where nothing of it is kept."""

    piece: Piece
    kept: Part | None
    decisions: Part
    ids: Part


Kind = Literal["run", "refresh", "takedown", "restore", "index"]


class Manifest(Frozen):
    """One published state of a corpus.

    `shards`, `decisions` and `ids` are in the order of `pieces`; a piece of which nothing is kept has no shard.
    """

    version: int
    run: str
    parent: int
    """The version that this one replaced; 0 before the first."""
    kind: Kind = "run"
    """What made it: a whole run, or a change of the version before it."""
    restored: int | None = None
    """The version that this one has brought back."""
    created: datetime
    recipe: dict[str, object]
    fingerprint: str
    """The recipe's fingerprint: fields, stage versions, model digests."""
    meaning: dict[str, str]
    """The same in parts: see `Recipe.meaning`."""
    inputs: tuple[InputShard, ...]
    """The input files that its records come from, vanished ones that were kept included."""
    pieces: tuple[Piece, ...]
    shards: tuple[Part, ...]
    decisions: tuple[Part, ...]
    ids: tuple[Part, ...]
    """The indexes of the decisions' ids."""
    index: tuple[Part, ...] = ()
    """The files of the dedup index, segment by segment, oldest first; each segment's `index.json` last."""
    tombstones: tuple[Part, ...] = ()
    """What was taken down, and must not come back."""
    settled: dict[str, Any] = {}
    """What a survey of the corpus has settled, by stage, as plain JSON: see `SurveyStage`. Later versions that are made
    from this one decide by it."""
    documents: int
    bytes: int
    tokens: int | None = None
    """Of the documents; None where the recipe does not count them."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every file that it is."""
        return (*self.shards, *self.decisions, *self.index, *self.ids, *self.tombstones)

    def files(self) -> Iterator[PieceFiles]:
        """Each piece with its files. Raises CorruptError where the lists do not fit together."""
        if len(self.pieces) != len(self.decisions) or len(self.pieces) != len(self.ids):
            raise CorruptError(
                f"manifest of version {self.version}: {len(self.pieces)} pieces, {len(self.decisions)} files of "
                f"decisions, {len(self.ids)} indexes of ids"
            )
        if sum(piece.kept for piece in self.pieces) != len(self.shards):
            found = f"its pieces do not fit its {len(self.shards)} shards"
            raise CorruptError(f"manifest of version {self.version}: {found}")
        shards = iter(self.shards)
        for piece, decisions, ids in zip(self.pieces, self.decisions, self.ids, strict=True):
            yield PieceFiles(piece, next(shards) if piece.kept else None, decisions, ids)

    @property
    def digest(self) -> str:
        """SHA-256 over the content of the version: equal for the same recipe and input, whenever, to whatever
        output and on however many workers. Documents and decisions name their input files, so input that lies elsewhere
        gives another digest."""
        content = [
            sorted([part.path.split("/")[-1], part.rows, part.bytes, part.sha256] for part in parts)
            for parts in (self.shards, self.decisions, self.index, self.ids, self.tombstones)
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def part(path: str, data: bytes, rows: int, source: str = "") -> Part:
    """The entry of a file with this content."""
    return Part(path=path, source=source, rows=rows, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
