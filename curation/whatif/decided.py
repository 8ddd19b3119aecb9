"""The decisions of a version as a replay reads them: a row group at a time, as arrays of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import decision
from curation.dedup.stage import WHY_REPLACED
from curation.difference.records import addresses
from curation.document import ID, ROW, SHARD, SOURCE
from curation.errors import CorruptError, MissingError
from curation.manifest import Manifest, PieceFiles
from curation.recipe import Recipe
from curation.report import Report
from curation.stage import RowStage
from curation.storage import Storage

KEPT, FAILED = 0, 1
"""The codes of kept documents and of unreadable records; the reasons' follow."""
FIXED = -1
"""The place of a record that no stage has decided on: unreadable, taken down, gone with its file."""

Int64s = np.ndarray[Any, np.dtype[np.int64]]
Uint64s = np.ndarray[Any, np.dtype[np.uint64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

_ALWAYS = [SHARD, ROW, "outcome", "reason", "language", "bytes"]
_OF_COPIES = ["survivor_shard", "survivor_row"]
_CODED = ["outcome", "reason", "language", SHARD]


class Names:
    """Codes for the reasons and languages of a version, and for the reasons that other thresholds may give."""

    def __init__(self, report: Report, recipes: Sequence[Recipe]) -> None:
        self.stages = [stage.name for stage in recipes[0].row_stages]
        self.surveyed = len(self.stages) - len(recipes[0].surveyed)
        """The place of the first stage that decides by a survey: such stages come last."""
        self.dedup = [stage.name for stage in recipes[0].stages if stage.name not in self.stages]
        seen = {cell.reason for cell in report.cells if cell.outcome == decision.DROPPED}
        given = {reason for recipe in recipes for stage in recipe.stages for reason in stage.reasons()}
        self.reasons = ["", "", *sorted(seen | given)]
        self.languages = ["", *sorted({cell.language for cell in report.cells} - {""})]
        self.places: Int64s = np.array([self._place(reason) for reason in self.reasons], np.int64)
        """The place among the row stages of the one that gives each reason; `beyond` for what comes after them."""
        self.is_replaced: Bools = np.array([reason.endswith(f".{WHY_REPLACED}") for reason in self.reasons])
        self._codes = {reason: code for code, reason in enumerate(self.reasons)}

    @property
    def beyond(self) -> int:
        """The place of what passes all row stages: kept documents, and duplicates."""
        return len(self.stages)

    def codes(self, reasons: pa.Array) -> Int64s:
        """The codes of reasons that a stage has given, (rows,); 0 where it gave none."""
        encoded = reasons.dictionary_encode()
        table = np.array([*(self._codes[reason] for reason in encoded.dictionary.to_pylist()), KEPT], np.int64)
        return np.asarray(table[encoded.indices.fill_null(-1).to_numpy()])

    def _place(self, reason: str) -> int:
        stage = reason.partition(".")[0]
        if stage in self.stages:
            return self.stages.index(stage)
        return self.beyond if not reason or stage in self.dedup else FIXED


@dataclass(frozen=True)
class Rows:
    """The decisions of a row group; arrays are (rows,)."""

    piece: int
    """Its place among the version's."""
    group: int
    source: str
    batch: pa.RecordBatch
    """What stages see of the documents: their columns of decisions, without what was decided."""
    old: Int64s
    """The code of the version's decision."""
    place: Int64s
    """Of the stage that decided."""
    reach: Int64s
    """The last stage that has measured the document. Stages that survey measure all before one of them decides."""
    language: Int64s
    bytes: Int64s
    tokens: Int64s
    """-1 where they were not counted."""
    address: Uint64s
    """A hash of each; the survivor's is `survivor`, 0 where there is none."""
    survivor: Uint64s


GoOn = Callable[[], None]
"""Called before each row group is read; what it raises ends the replay."""


def always() -> None:
    """Go on, however long it takes."""


class Decided:
    """The decisions of a version, as far as it takes to ask some stages again."""

    def __init__(
        self, storage: Storage, manifest: Manifest, recipe: Recipe, names: Names, go_on: GoOn = always
    ) -> None:
        self.storage = storage
        self.manifest = manifest
        self.names = names
        self._go_on = go_on
        self.pieces: list[PieceFiles] = list(manifest.files())
        self.tokens = recipe.tokens_column
        """The column with the number of tokens; None where the recipe does not count them."""

    def rows(self, piece: int, asked: Sequence[RowStage]) -> Iterator[Rows]:
        """The decisions of one piece, with the columns that these stages need.

        Raises MissingError where one is not there, CorruptError for decisions that the report does not know.
        """
        path = self.pieces[piece].decisions.path
        with (
            self.storage.open_seekable(path) as file,
            pq.ParquetFile(file, read_dictionary=_CODED) as decisions,
        ):
            columns = self._columns(decisions.schema_arrow.names, asked)
            for group in range(decisions.num_row_groups):
                self._go_on()
                table = decisions.read_row_group(group, columns, use_threads=False).combine_chunks()
                if table.num_rows:
                    yield self._rows(piece, group, table.to_batches()[0])

    def _columns(self, there: Sequence[str], asked: Sequence[RowStage]) -> list[str]:
        wanted = dict.fromkeys(_ALWAYS)
        if self.names.dedup:
            wanted |= dict.fromkeys(_OF_COPIES)
        if self.tokens is not None and self.tokens in there:
            wanted[self.tokens] = None
        for stage in asked:
            needed = list(stage.columns().names)
            if (language := getattr(stage, "language_column", None)) in there:
                needed.append(language)
            if stage.is_surveyed:
                wanted |= dict.fromkeys([ID, *(name for name in there if "." in name)])
            if missing := [name for name in needed if name not in there]:
                raise MissingError(
                    f"{self.storage.url}: version {self.manifest.version} has not recorded {', '.join(missing)}, by "
                    f"which {stage.name} decides; what another threshold would do cannot be told: run the recipe"
                )
            wanted |= dict.fromkeys(needed)
        return list(wanted)

    def _rows(self, piece: int, group: int, batch: pa.RecordBatch) -> Rows:
        source = self.pieces[piece].piece.source
        old = self._reasons(batch)
        place = np.where(old == FAILED, FIXED, self.names.places[old])
        count = batch.num_rows
        no_tokens = pa.repeat(-1, count)
        tokens = batch[self.tokens] if self.tokens in batch.schema.names else no_tokens
        survivor = np.zeros(count, np.uint64)
        shards = batch[SHARD].cast(pa.string())
        if self.names.dedup:
            survivor = addresses(batch["survivor_shard"], batch["survivor_row"])
        return Rows(
            piece=piece,
            group=group,
            source=source,
            batch=_seen(batch, source, shards),
            old=old,
            place=place,
            reach=np.where(place >= self.names.surveyed, self.names.beyond, place),
            language=self._languages(batch["language"]),
            bytes=batch["bytes"].fill_null(0).to_numpy(),
            tokens=tokens.cast(pa.int64()).fill_null(-1).to_numpy(),
            address=addresses(shards, batch[ROW]),
            survivor=survivor,
        )

    def _reasons(self, batch: pa.RecordBatch) -> Int64s:
        outcome = _plain(batch["outcome"])
        failed = pc.equal(outcome, decision.FAILED).to_numpy(zero_copy_only=False)
        try:
            codes = self.names.codes(pc.if_else(pc.equal(outcome, decision.DROPPED), _plain(batch["reason"]), None))
        except KeyError as error:
            raise self._unknown("reason", str(error.args[0])) from None
        return np.where(failed, FAILED, codes)

    def _languages(self, column: pa.DictionaryArray) -> Int64s:
        known = {name: code for code, name in enumerate(self.names.languages)}
        try:
            table = np.array([*(known[name] for name in column.dictionary.to_pylist()), 0], np.int64)
        except KeyError as error:
            raise self._unknown("language", str(error.args[0])) from None
        return np.asarray(table[column.indices.fill_null(-1).to_numpy()])

    def _unknown(self, what: str, name: str) -> CorruptError:
        return CorruptError(
            f"{self.storage.url}: a decision of version {self.manifest.version} has the {what} {name!r}, which its "
            "report does not know"
        )


def _plain(column: pa.Array) -> pa.Array:
    return column.cast(pa.string())


def _seen(batch: pa.RecordBatch, source: str, shards: pa.StringArray) -> pa.RecordBatch:
    columns = {SOURCE: pa.repeat(source, batch.num_rows), SHARD: shards, ROW: batch[ROW]}
    columns |= {name: batch[name] for name in batch.schema.names if name == ID or "." in name}
    columns |= {"language": _plain(batch["language"]), "bytes": batch["bytes"]}
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
