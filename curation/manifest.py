"""The manifest of a version: what it was made from, and the files that it is, each with its size and SHA-256."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputShard(Frozen):
    """An input file that the run read; `etag` changes when the file does."""

    source: str
    uri: str
    size: int
    etag: str


class Part(Frozen):
    """One file of the corpus, its key below the corpus's URL. `source` is empty for files that mix sources."""

    path: str
    source: str = ""
    rows: int
    bytes: int
    sha256: str


class Manifest(Frozen):
    """One published state of a corpus."""

    version: int
    run: str
    parent: int
    """The version that this one replaced; 0 before the first."""
    created: datetime
    recipe: dict[str, object]
    fingerprint: str
    """The recipe's fingerprint: fields, stage versions, model digests."""
    inputs: tuple[InputShard, ...]
    shards: tuple[Part, ...]
    decisions: tuple[Part, ...]
    index: tuple[Part, ...] = ()
    ids: tuple[Part, ...] = ()
    """The indexes of the decisions' ids, one a file of decisions and in their order; none in old versions."""
    documents: int
    bytes: int

    @property
    def digest(self) -> str:
        """SHA-256 over the content of the version: equal for the same recipe and input, whenever, to whatever
        output and on however many workers. Documents and decisions name their input files, so input that lies elsewhere
        gives another digest."""
        content = [
            sorted([part.path.split("/")[-1], part.rows, part.bytes, part.sha256] for part in parts)
            for parts in (self.shards, self.decisions, self.index, self.ids)
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def part(path: str, data: bytes, rows: int, source: str = "") -> Part:
    """The entry of a file with this content."""
    return Part(path=path, source=source, rows=rows, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
