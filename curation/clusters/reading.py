"""The texts of documents that a version has not kept, read again from its input files while these are unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.document import ADDED, ID, ROW, SHARD, TEXT
from curation.errors import CorruptError, MissingError, ModelError, RecipeError
from curation.manifest import InputShard, Manifest, Part
from curation.recipe import Recipe
from curation.sources import Source, read_shard
from curation.storage import Storage, open_storage
from curation.tombstones import Tombstones
from curation.whatif.decided import GoOn, always
from curation.whatif.trial import as_compared

READ_BYTES = 256 << 20
"""How much one question reads at most, of the input files as they are stored."""


class Record(NamedTuple):
    """Where a document was read, and its id."""

    source: str
    shard: str
    row: int
    id: str


@dataclass(frozen=True)
class Text:
    """A document as it was compared: with what the stages had rewritten by then."""

    text: str
    added: datetime | None
    """As its record says."""


@dataclass(frozen=True)
class Unreadable:
    """Why a text cannot be had, in a sentence."""

    why: str


def _everything(_: str) -> bool:
    return True


class Reading:
    """Reads records again. Nothing is read but what `may_read` lets through and nobody has taken down since."""

    def __init__(
        self,
        storage: Storage,
        manifest: Manifest,
        recipe: Recipe,
        tombstones: Sequence[Part],
        may_read: Callable[[str], bool] = _everything,
        go_on: GoOn = always,
        read_bytes: int = READ_BYTES,
    ) -> None:
        """`tombstones` are those of the corpus's newest version; `may_read` says of a file by its URI whether it
        may be read; `go_on` is called before each part of a file."""
        self._recipe = recipe
        self._sources = {source.name: source for source in recipe.sources}
        self._files = {(file.source, file.uri): file for file in manifest.inputs}
        self._tombstones = Tombstones.load(storage, tombstones)
        self._may_read = may_read
        self._go_on = go_on
        self._left = read_bytes

    def texts(self, records: Iterable[Record]) -> dict[Record, Text | Unreadable]:
        """What stands in these records, each file read once; files are read in the order of their first record."""
        by_file: dict[tuple[str, str], list[Record]] = {}
        for record in records:
            by_file.setdefault((record.source, record.shard), []).append(record)
        found: dict[Record, Text | Unreadable] = {}
        for key, wanted in by_file.items():
            found |= self._of_file(key, wanted)
        return found

    def shown(self, text: str) -> str:
        """A text without what the recipe's stages of privacy find in it."""
        column = pa.array([text], pa.large_string())
        for stage in self._recipe.redactions:
            column = stage.redacted(column)
        return str(column[0])

    def _of_file(self, key: tuple[str, str], wanted: Sequence[Record]) -> dict[Record, Text | Unreadable]:
        try:
            return self._read(self._files.get(key), self._sources.get(key[0]), wanted)
        except MissingError:
            why = "its input file is not there any more"
        except CorruptError:
            why = "its input file has other content by now"
        except (ModelError, RecipeError):
            why = "a model of the recipe is gone, so nobody can say how the text stood when it was compared"
        return dict.fromkeys(wanted, Unreadable(why))

    def _read(
        self, file: InputShard | None, source: Source | None, wanted: Sequence[Record]
    ) -> dict[Record, Text | Unreadable]:
        if file is None or source is None:
            raise MissingError("the version has no such input file")
        if not self._may_read(file.uri):
            return dict.fromkeys(wanted, Unreadable("its input file is outside of what this project may read"))
        if file.size > self._left:
            limit = f"more than is read for one answer ({self._left:,} bytes are left of it)"
            return dict.fromkeys(wanted, Unreadable(f"its input file has {file.size:,} bytes, {limit}"))
        self._left -= file.size
        rows = self._rows(file, source, {record.row for record in wanted})
        return {record: self._text(rows, record) for record in wanted}

    def _rows(self, file: InputShard, source: Source, wanted: set[int]) -> dict[int, tuple[str, Text | Unreadable]]:
        """(id, text) of the wanted rows that are there."""
        folder, _, key = file.uri.rpartition("/")
        storage = open_storage(folder or "/")
        entry = storage.head(key)
        if (entry.size, entry.etag) != (file.size, file.etag):
            raise CorruptError(f"{file.uri} has other content by now")
        numbers, last = pa.array(sorted(wanted), pa.int64()), max(wanted)
        found: dict[int, tuple[str, Text | Unreadable]] = {}
        for chunk in read_shard(storage, entry, source, self._recipe.limits):
            self._go_on()
            batch = chunk.batch.filter(pc.is_in(chunk.batch[ROW], numbers))
            if batch.num_rows:
                found |= self._compared(batch)
            if chunk.batch.num_rows and chunk.batch[ROW][-1].as_py() >= last:
                break
        if storage.head(key) != entry:
            raise CorruptError(f"{file.uri} was changed while it was read")
        return found

    def _compared(self, batch: pa.RecordBatch) -> dict[int, tuple[str, Text | Unreadable]]:
        refused = [self._tombstones.refused(batch), self._tombstones.refused_texts(batch)]
        compared = as_compared(self._recipe, batch)
        refused.append(self._tombstones.refused_texts(compared))
        is_down = [any(reasons[n].is_valid for reasons in refused) for n in range(batch.num_rows)]
        columns = zip(*(compared[name].to_pylist() for name in (ROW, ID, TEXT, ADDED)), is_down, strict=True)
        return {
            row: (id_, Unreadable("it was taken down since") if down else Text(text, added))
            for row, id_, text, added, down in columns
        }

    @staticmethod
    def _text(rows: Mapping[int, tuple[str, Text | Unreadable]], record: Record) -> Text | Unreadable:
        id_, text = rows.get(record.row, (None, Unreadable("")))
        return text if id_ == record.id else Unreadable("its input file has another document in this place")


def kept_texts(storage: Storage, manifest: Manifest, records: Iterable[Record]) -> dict[Record, Text]:
    """The documents among these records that the version keeps, as it keeps them; of each file of kept documents the
    row groups are read that may hold one."""
    units = {(file.source, file.uri): file.shard for file in manifest.inputs}
    wanted: dict[str, list[Record]] = {}
    for record in dict.fromkeys(records):
        wanted.setdefault(units.get((record.source, record.shard), ""), []).append(record)
    found: dict[Record, Text] = {}
    every = [record for of_unit in wanted.values() for record in of_unit]
    for files in manifest.files():
        if files.kept is None:
            continue
        mine = every if files.piece.mixed else wanted.get(files.piece.shard, [])
        mine = [record for record in mine if record.source == files.piece.source and record not in found]
        if mine:
            with storage.open_seekable(files.kept.path) as file, pq.ParquetFile(file) as documents:
                for group in range(documents.num_row_groups):
                    found |= _kept(documents, group, mine)
    return found


def _kept(documents: pq.ParquetFile, group: int, records: Sequence[Record]) -> dict[Record, Text]:
    column = documents.schema_arrow.get_field_index(ROW)
    statistics = documents.metadata.row_group(group).column(column).statistics
    if statistics is not None and statistics.has_min_max:
        records = [record for record in records if statistics.min <= record.row <= statistics.max]
    if not records:
        return {}
    wanted = {(record.shard, record.row, record.id): record for record in records}
    table = documents.read_row_group(group, [SHARD, ROW, ID], use_threads=False)
    rows = [n for n, row in enumerate(pc.is_in(table[ROW], pa.array([p.row for p in records])).to_pylist()) if row]
    hits = {n: (row[SHARD], row[ROW], row[ID]) for n, row in zip(rows, table.take(rows).to_pylist(), strict=True)}
    hits = {n: at for n, at in hits.items() if at in wanted}
    if not hits:
        return {}
    texts = documents.read_row_group(group, [TEXT, ADDED], use_threads=False).take(list(hits)).to_pylist()
    return {wanted[at]: Text(row[TEXT], row[ADDED]) for at, row in zip(hits.values(), texts, strict=True)}
