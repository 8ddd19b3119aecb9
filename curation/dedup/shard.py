"""How the input is divided: shards of documents, groups of shards, and the address of a document among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from curation.dedup.bounds import Bounds
from curation.dedup.fingerprint import read_fingerprints
from curation.dedup.shuffle import Partitions
from curation.dedup.stage import Uint64s
from curation.storage import Storage

Rows = np.ndarray[Any, np.dtype[np.int64]]

_ROW_BITS = np.uint64(32)
_ROW_MASK = np.uint64((1 << 32) - 1)


class ShardInput(BaseModel):
    """A shard to deduplicate. `number` is its place in the sources' order; keys are those of the run's storage."""

    model_config = ConfigDict(frozen=True)

    number: int
    name: str
    """The piece that it is, which the index knows it by."""
    source: str
    fingerprints: str
    """Key of what `write_fingerprints` wrote."""
    texts: str
    """Key of a Parquet object with a column `text`, the same documents in the same order."""
    documents: int


class Group(BaseModel):
    """Consecutive shards that one task goes through; `number` counts groups from 0."""

    model_config = ConfigDict(frozen=True)

    number: int
    shards: tuple[ShardInput, ...]


@dataclass(frozen=True)
class Addresses:
    """Where documents are. An address is the shard's number in the upper 32 bits and the document's place in it below.

    `firsts` has the number of the first shard of each group, so an address tells its group. The groups of known pieces,
    `known` with their first pieces, are numbered behind those of new shards, though their addresses are the smaller.
    """

    firsts: tuple[int, ...]
    known: tuple[int, ...] = ()

    @property
    def groups(self) -> int:
        return len(self.firsts) + len(self.known)

    @property
    def known_groups(self) -> range:
        """The numbers of the groups of known pieces."""
        return range(len(self.firsts), self.groups)

    def group(self, docs: Uint64s) -> Partitions:
        """The number of each document's group, (documents,)."""
        firsts = np.array([*self.known, *self.firsts], np.uint64)
        place = np.searchsorted(firsts, docs >> _ROW_BITS, side="right").astype(np.int64) - 1
        return (place - len(self.known)) % max(1, self.groups)


def divide(shards: Sequence[ShardInput], bounds: Bounds) -> list[Group]:
    """The groups, which depend on the input and the bounds alone, each of at least one shard.

    Raises ValueError unless the shards' numbers ascend from 0 or more.
    """
    numbers = [shard.number for shard in shards]
    if numbers != sorted(set(numbers)) or (numbers and not 0 <= numbers[0] <= numbers[-1] < 1 << 32):
        raise ValueError(f"shards must be numbered in ascending order, each once: {numbers[:10]}")
    enough = bounds.documents(sum(shard.documents for shard in shards))
    groups: list[Group] = []
    held: list[ShardInput] = []
    for shard in shards:
        held.append(shard)
        if sum(each.documents for each in held) >= enough:
            groups.append(Group(number=len(groups), shards=tuple(held)))
            held = []
    if held:
        groups.append(Group(number=len(groups), shards=tuple(held)))
    return groups


def addresses_of(groups: Sequence[Group]) -> Addresses:
    """Where the documents of these groups are."""
    return Addresses(tuple(group.shards[0].number for group in groups))


def addresses(number: int, rows: Rows) -> Uint64s:
    """The addresses of the documents at these places in shard `number`, (documents,)."""
    return (np.uint64(number) << _ROW_BITS) | rows.astype(np.uint64)


def shard_numbers(docs: Uint64s) -> Uint64s:
    """The number of each document's shard, (documents,)."""
    return docs >> _ROW_BITS


def places(docs: Uint64s) -> Rows:
    """The place of each document in its shard, from 0, (documents,)."""
    return (docs & _ROW_MASK).astype(np.int64)


def read_shard(
    storage: Storage, shard: ShardInput, columns: Sequence[str], without: Uint64s
) -> Iterator[tuple[Uint64s, pa.RecordBatch]]:
    """(addresses, fingerprints' columns) of a shard, a batch at a time, but for the documents in `without`, sorted.

    Raises ValueError where the shard has not as many fingerprints as documents.
    """
    begin = 0
    for batch in read_fingerprints(storage, shard.fingerprints, columns):
        docs = addresses(shard.number, np.arange(begin, begin + batch.num_rows))
        begin += batch.num_rows
        stays = ~contained(docs, without)
        yield (docs, batch) if stays.all() else (docs[stays], batch.filter(pa.array(stays)))
    if begin != shard.documents:
        raise ValueError(f"{shard.fingerprints}: {begin} fingerprints, expected {shard.documents}")


def contained(docs: Uint64s, among: Uint64s) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each document is among those, which are sorted; (documents,)."""
    if not among.size:
        return np.zeros(docs.size, np.bool_)
    place = np.minimum(np.searchsorted(among, docs), among.size - 1)
    return np.asarray(among[place] == docs)
