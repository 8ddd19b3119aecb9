"""What is compared: the decisions of the pieces that two versions do not share, as records of fixed width."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import decision
from curation.corpus import Corpus
from curation.difference.spill import Records, Uint64s
from curation.document import ID, ROW, SHARD
from curation.errors import CorruptError
from curation.manifest import InputShard, Manifest, Part, PieceFiles
from curation.storage import Storage

A, B = 0, 1
SAME, CHANGED, ABSENT = 0, 1, 2
"""How the input file of a record stands in the other version."""
UNCOUNTED = -1
KEPT = 0
"""The `reason` of a kept document."""

RECORD = np.dtype(
    [
        ("key", "<u8"),  # hash of seed, source and id
        ("token", "<u8"),  # of one key, equal in both versions: the same document, or the same decision against it
        ("address", "<u8"),  # hash of shard and row
        ("survivor", "<u8"),  # the survivor's address, 0 where there is none
        ("bytes", "<i8"),
        ("tokens", "<i8"),  # UNCOUNTED where nothing counted them
        ("piece", "<u4"),  # place among the side's pieces
        ("source", "<u4"),
        ("language", "<u4"),
        ("reason", "<u4"),
        ("cause", "<u4"),  # what the other version says; filled by `matching`
        ("side", "u1"),
        ("input", "u1"),
    ]
)
_COLUMNS = [SHARD, ROW, ID, "outcome", "reason", "survivor_shard", "survivor_row", "language", "bytes"]
_BATCH = 1 << 14
_SIDE_SALT = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)


class Names:
    """Numbers for names, in the order in which they are met; 0 stands for the empty one."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}
        self._names = [""]

    def number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
        return self._numbers[name]

    def numbers(self, column: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Of each value, (rows,); a null is the empty name."""
        encoded = column.fill_null("").dictionary_encode()
        known = np.array([self.number(name) for name in encoded.dictionary.to_pylist()], np.int64)
        return np.asarray(known[encoded.indices.to_numpy()])

    def __getitem__(self, number: int) -> str:
        return self._names[number]


@dataclass(frozen=True)
class Side:
    """A version of the two: the pieces that it does not share with the other, and its input files."""

    number: int
    manifest: Manifest
    pieces: Sequence[PieceFiles]
    inputs: dict[tuple[str, str], InputShard]
    tokens: str
    """The column that counts tokens; empty without one."""


def sides(a: Manifest, b: Manifest) -> tuple[Side, Side]:
    """Both versions. A piece is shared where its decisions and its kept documents are the same bytes in both."""
    content = [{_content(files) for files in manifest.files()} for manifest in (a, b)]
    return (_side(A, a, content[B]), _side(B, b, content[A]))


def _side(number: int, manifest: Manifest, others: set[tuple[str, str, str]]) -> Side:
    pieces = [files for files in manifest.files() if _content(files) not in others]
    stages: Any = manifest.recipe.get("stages", ())
    counts = [f"{stage['name']}.count" for stage in stages if stage.get("kind") == "tokens"]
    inputs = {(file.source, file.uri): file for file in manifest.inputs}
    return Side(number, manifest, pieces, inputs, counts[-1] if counts else "")


def _content(files: PieceFiles) -> tuple[str, str, str]:
    return files.piece.source, files.decisions.sha256, files.kept.sha256 if files.kept else ""


class Reader:
    """Makes records; what numbers and hashes mean is the same for all that one reader has made."""

    def __init__(self, corpus: Corpus, a: Manifest, b: Manifest, seed: int) -> None:
        self.storage = corpus.storage
        self.sides = sides(a, b)
        self.names = Names()
        self._seed = seed.to_bytes(8, "little")

    def rows(self) -> int:
        """How many decisions there are to compare."""
        return sum(files.decisions.rows for side in self.sides for files in side.pieces)

    def records(self, side: Side, piece: int) -> Iterator[Records]:
        """Of one piece, a bounded number at a time; records without an id, which are failed ones, are left out."""
        files = side.pieces[piece]
        with self.storage.open_seekable(files.decisions.path) as file, pq.ParquetFile(file) as decisions:
            counts = [side.tokens] * (side.tokens in decisions.schema_arrow.names)
            for batch in decisions.iter_batches(_BATCH, columns=[*_COLUMNS, *counts], use_threads=False):
                yield self._made(side, piece, batch.filter(batch[ID].is_valid()))

    def documents(self, records: Records, columns: Sequence[str]) -> Iterator[tuple[Uint64s, pa.Table]]:
        """The kept documents of some records of one piece: tables of the columns, with the documents' addresses.

        Only row groups that hold any are read. Raises CorruptError where one is not there.
        """
        side = self.sides[records["side"][0]]
        files = side.pieces[records["piece"][0]]
        if files.kept is None:
            raise CorruptError(f"{self.storage.url}: {files.piece.name} keeps documents, but has no file of them")
        return _documents_at(self.storage, files.kept, records["address"], columns)

    def _made(self, side: Side, piece: int, batch: pa.RecordBatch) -> Records:
        source = side.pieces[piece].piece.source
        made = np.zeros(batch.num_rows, RECORD)
        is_lost = pc.not_equal(batch["outcome"], decision.KEPT)
        made["key"] = self._keys(source, batch[ID])
        made["address"] = addresses(batch[SHARD], batch[ROW])
        made["survivor"] = addresses(batch["survivor_shard"], batch["survivor_row"])
        made["bytes"] = batch["bytes"].fill_null(0).to_numpy()
        counted = side.tokens in batch.schema.names
        made["tokens"] = batch[side.tokens].fill_null(UNCOUNTED).to_numpy() if counted else UNCOUNTED
        made["piece"], made["side"] = piece, side.number
        made["source"] = self.names.number(source)
        made["language"] = self.names.numbers(batch["language"])
        made["reason"] = self.names.numbers(pc.if_else(is_lost, pc.fill_null(batch["reason"], "?"), ""))
        made["input"], is_same_text = self._inputs(side, source, batch[SHARD])
        unlike = np.where(is_same_text, np.uint64(0), _SIDE_SALT[side.number])
        made["token"] = np.where(
            made["reason"] == KEPT, made["address"] ^ unlike, mixed(made["address"], made["reason"])
        )
        return made

    def _keys(self, source: str, ids: pa.Array) -> Uint64s:
        begun = hashlib.blake2b(f"{source}\0".encode(), digest_size=8, key=self._seed)
        digests = []
        for document_id in ids.to_pylist():
            digest = begun.copy()
            digest.update(document_id.encode("utf-8", "surrogatepass"))
            digests.append(digest.digest())
        return np.frombuffer(b"".join(digests), "<u8")

    def _inputs(self, side: Side, source: str, shards: pa.Array) -> tuple[Any, Any]:
        """How each record's input file stands in the other version, and whether the text of a document at the same
        address must be the same there: the file is, and it was read and rewritten by the same rules; (rows,)."""
        other = self.sides[1 - side.number]
        encoded = shards.dictionary_encode()
        states = [_state(side, other, (source, uri)) for uri in encoded.dictionary.to_pylist()]
        states = np.array(states, np.uint8)[encoded.indices.to_numpy()]
        return states, (states == SAME) & _reads_alike(side.manifest, other.manifest, source)


def _state(side: Side, other: Side, place: tuple[str, str]) -> int:
    if place not in other.inputs:
        return ABSENT
    return SAME if place in side.inputs and side.inputs[place].file == other.inputs[place].file else CHANGED


def _reads_alike(a: Manifest, b: Manifest, source: str) -> bool:
    """Whether both versions' recipes make the same texts of the same files of a source."""
    parts = {name for name in a.meaning.keys() | b.meaning.keys() if not name.startswith("sources.")}
    return all(a.meaning.get(name) == b.meaning.get(name) for name in parts | {f"sources.{source}"})


def addresses(shards: pa.Array, rows: pa.Array) -> Uint64s:
    """A hash of each address, (rows,); 0 where there is none."""
    encoded = shards.fill_null("").dictionary_encode()
    begun = text_hashes(encoded.dictionary)[encoded.indices.to_numpy()]
    made = mixed(begun, rows.fill_null(0).to_numpy())
    return np.where(shards.is_valid().to_numpy(zero_copy_only=False), made, np.uint64(0))


def text_hashes(texts: pa.Array | pa.ChunkedArray) -> Uint64s:
    """64 bits of BLAKE2b of each text, (texts,)."""
    digests = [hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in texts.to_pylist()]
    return np.frombuffer(b"".join(digests), "<u8")


def mixed(hashes: Uint64s, numbers: np.ndarray[Any, Any]) -> Uint64s:
    """A hash of each pair, (pairs,): the finalizer of splitmix64."""
    z = hashes ^ (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def _documents_at(
    storage: Storage, kept: Part, wanted: Uint64s, columns: Sequence[str]
) -> Iterator[tuple[Uint64s, pa.Table]]:
    found = 0
    with storage.open_seekable(kept.path) as file, pq.ParquetFile(file) as documents:
        for group in range(documents.num_row_groups):
            places = documents.read_row_group(group, [SHARD, ROW], use_threads=False).combine_chunks()
            hashes = addresses(places[SHARD].combine_chunks(), places[ROW].combine_chunks())
            is_wanted = np.isin(hashes, wanted)
            if is_wanted.any():
                found += int(is_wanted.sum())
                table = documents.read_row_group(group, list(columns), use_threads=False)
                yield hashes[is_wanted], table.filter(pa.array(is_wanted))
    if found < len(np.unique(wanted)):
        raise CorruptError(f"{storage.url}/{kept.path}: it does not hold every document that its decisions keep")
