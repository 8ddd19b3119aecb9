"""What the stages of privacy found in the documents of a version: of what type, how often, in which sources; never what
stood there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from heapq import nsmallest
from itertools import count
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import JsonValue

from curation import decision
from curation.difference.records import addresses
from curation.document import ID, ROW, SHARD, TEXT
from curation.errors import MissingError
from curation.explanation import Found, kept_document
from curation.manifest import Manifest, PieceFiles
from curation.privacy import Redaction
from curation.report import Report
from curation.storage import Storage
from services.jobs.job import Shown

THREADS = 4
"""How many files are read at once; each holds the columns of one row group."""
CANDIDATES = 12
"""Of how many documents of each stage, type and source the places are remembered, to show some of them."""
SAMPLES = 6
AROUND = 160
"""Characters that are shown on each side of what was found."""
ALL = ""
"""Stands for all types together."""

_COUNTED = ("documents", "spans", "documents_kept", "spans_kept")

Int64s = np.ndarray[Any, np.dtype[np.int64]]


class PrivacyFigures(Shown):
    """What a stage found in the documents of one source."""

    source: str
    type: str
    """Empty for all types together."""
    documents: int
    """In which it was found."""
    spans: int
    """How often."""
    documents_kept: int
    """Those that the version keeps."""
    spans_kept: int
    """How often in these: redacted where the stage redacts, else still in the text."""


class PrivacyDrops(Shown):
    """Documents of one source that a stage dropped."""

    source: str
    type: str
    """Of which there was too much; empty for all types together."""
    reason: str
    documents: int


class PrivacyStage(Shown):
    """One stage: what it is set to, and what it found."""

    stage: str
    kind: str
    action: Literal["redact", "drop", "tag"]
    placeholders: dict[str, str]
    """What replaces each type that is looked for."""
    max_count: int | None
    """A document with more finds is dropped."""
    max_counts: dict[str, int]
    """The same by type."""
    options: dict[str, JsonValue]
    """All that it is set to."""
    reached: dict[str, int]
    """How many documents of each source came to it."""
    found: tuple[PrivacyFigures, ...]
    """By source and type."""
    dropped: tuple[PrivacyDrops, ...]


class Privacy(Shown):
    """What the stages of privacy of a version's recipe found; none without such stages."""

    version: int
    run: str
    stages: tuple[PrivacyStage, ...]


class PrivacySample(Shown):
    """A part of a kept document around a placeholder: everything that the recipe's stages of privacy find is replaced
    in it, whatever these do with the documents themselves."""

    id: str | None
    source: str
    shard: str
    row: int
    begins: int
    """How many characters of the redacted text stand before."""
    before: str
    placeholder: str
    after: str


class KeptPlace(NamedTuple):
    """A kept document in which something was found."""

    order: int
    """By which some are chosen: a hash of the address."""
    piece: int
    shard: str
    row: int


@dataclass(frozen=True)
class Screened:
    """The answer, and by stage, source and type the places of some documents."""

    privacy: Privacy
    places: Mapping[tuple[str, str, str], Sequence[KeptPlace]]


@dataclass
class _Tally:
    """What one stage found in the documents of one source."""

    reached: int
    counts: Int64s
    """(types and all together, 4): documents, spans, documents kept, spans kept."""
    places: list[list[KeptPlace]] = field(default_factory=list)
    """Of each type and of all together."""

    def add(self, other: _Tally) -> None:
        self.reached += other.reached
        self.counts += other.counts
        both = zip(self.places, other.places, strict=True)
        self.places = [nsmallest(CANDIDATES, [*mine, *theirs]) for mine, theirs in both]


def screen(storage: Storage, manifest: Manifest, report: Report, stages: Sequence[Redaction]) -> Screened:
    """One pass over the columns of the decisions that these stages of the version's recipe have written. Row groups in
    which a stage found nothing are told by their statistics."""
    tallies: dict[tuple[str, str], _Tally] = {}
    with ThreadPoolExecutor(THREADS) as threads:
        for found in threads.map(partial(_of_piece, storage, stages), count(), manifest.files()):
            for key, tally in found:
                tallies.setdefault(key, _nothing(tally.counts.shape[0])).add(tally)
    privacy = Privacy(
        version=manifest.version,
        run=manifest.run,
        stages=tuple(_stage(stage, tallies, report) for stage in stages),
    )
    places = {
        (stage.name, source, name): tally.places[number]
        for stage in stages
        for (of, source), tally in tallies.items()
        if of == stage.name
        for number, name in enumerate([*_types(stage), ALL])
    }
    return Screened(privacy, places)


def samples(
    storage: Storage,
    manifest: Manifest,
    screened: Screened,
    redactions: Sequence[Redaction],
    stage: Redaction,
    source: str | None = None,
    type_: str = ALL,
) -> tuple[PrivacySample, ...]:
    """Some kept documents in which the stage found something, of one source or of all, of one type or of any: those
    with the smallest hashes of their addresses. `redactions` are all of the recipe's."""
    known = [
        place
        for (name, of, what), places in screened.places.items()
        if (name, what) == (stage.name, type_) and source in {None, of}
        for place in places
    ]
    wanted = [type_] if type_ else list(_types(stage))
    pattern = re.compile("|".join(_pattern(stage, name) for name in wanted))
    files = list(manifest.files())
    found: list[PrivacySample] = []
    for place in nsmallest(CANDIDATES, known):
        sample = _sample(storage, manifest, files[place.piece], place, redactions, pattern)
        if sample is not None and len(found) < SAMPLES:
            found.append(sample)
    return tuple(found)


def placeholders(stage: Redaction) -> dict[str, str]:
    """What replaces each type that is looked for."""
    return {name: stage.placeholders.get(name, f"<{name.upper()}>") for name in _types(stage)}


def _types(stage: Redaction) -> list[str]:
    return [name for name in stage.TYPES if name in stage.sought]


def _stage(stage: Redaction, tallies: Mapping[tuple[str, str], _Tally], report: Report) -> PrivacyStage:
    own = {source: tally for (name, source), tally in sorted(tallies.items()) if name == stage.name}
    names = [*_types(stage), ALL]
    found = [
        PrivacyFigures(source=source, type=name, **dict(zip(_COUNTED, counts, strict=True)))
        for source, tally in own.items()
        for name, counts in zip(names, tally.counts.tolist(), strict=True)
    ]
    types = {stage.column(f"too_many_{name}"): name for name in names if name} | {stage.column("too_many"): ALL}
    sums: dict[tuple[str, str], int] = {}
    for cell in report.cells:
        if cell.reason in types:
            sums[cell.source, cell.reason] = sums.get((cell.source, cell.reason), 0) + cell.documents
    return PrivacyStage(
        stage=stage.name,
        kind=stage.kind,
        action=stage.action,
        placeholders=placeholders(stage),
        max_count=stage.max_count,
        max_counts=dict(stage.max_counts),
        options=stage.model_dump(mode="json", exclude={"kind", "name"}),
        reached={source: tally.reached for source, tally in own.items()},
        found=tuple(found),
        dropped=tuple(
            PrivacyDrops(source=source, type=types[reason], reason=reason, documents=documents)
            for (source, reason), documents in sorted(sums.items())
        ),
    )


def _of_piece(
    storage: Storage, stages: Sequence[Redaction], piece: int, files: PieceFiles
) -> list[tuple[tuple[str, str], _Tally]]:
    """What each stage found in each row group of a piece, by stage and source."""
    found: list[tuple[tuple[str, str], _Tally]] = []
    with storage.open_seekable(files.decisions.path) as file, pq.ParquetFile(file) as decisions:
        for stage in stages:
            names = [stage.column(name) for name in (*_types(stage), "total")]
            if missing := [name for name in names if name not in decisions.schema_arrow.names]:
                what = f"its decisions do not hold {', '.join(missing)}, which {stage.name} counts; run the recipe"
                raise MissingError(f"{storage.url}/{files.decisions.path}: {what}")
            found += [
                ((stage.name, files.piece.source), _of_group(decisions, group, piece, names))
                for group in range(decisions.num_row_groups)
            ]
    return found


def _of_group(decisions: pq.ParquetFile, group: int, piece: int, names: Sequence[str]) -> _Tally:
    """`names` are the columns of the types, and that of all together."""
    total = decisions.schema_arrow.get_field_index(names[-1])
    chunk = decisions.metadata.row_group(group).column(total)
    known = chunk.statistics
    tally = _nothing(len(names))
    if known is not None and known.has_null_count and (known.null_count == chunk.num_values or _is_zero(known)):
        tally.reached = chunk.num_values - known.null_count
        return tally
    table = decisions.read_row_group(group, [SHARD, ROW, "outcome", *names], use_threads=False).combine_chunks()
    tally.reached = table.num_rows - table[names[-1]].null_count
    table = table.filter(pc.fill_null(pc.greater(table[names[-1]], 0), False))
    if table.num_rows:
        is_kept = pc.equal(table["outcome"], decision.KEPT).to_numpy()
        order = addresses(table[SHARD].combine_chunks(), table[ROW].combine_chunks())
        for number, name in enumerate(names):
            spans: Int64s = table[name].to_numpy()
            kept = spans[is_kept]
            tally.counts[number] = (spans > 0).sum(), spans.sum(), (kept > 0).sum(), kept.sum()
            there = np.flatnonzero(is_kept & (spans > 0))
            first = there[np.argsort(order[there], kind="stable")[:CANDIDATES]].tolist()
            tally.places[number] = [
                KeptPlace(int(order[row]), piece, table[SHARD][row].as_py(), table[ROW][row].as_py()) for row in first
            ]
    return tally


def _is_zero(statistics: pq.Statistics) -> bool:
    return bool(statistics.has_min_max and statistics.max == 0)


def _nothing(rows: int) -> _Tally:
    return _Tally(0, np.zeros((rows, 4), np.int64), [[] for _ in range(rows)])


def _sample(
    storage: Storage,
    manifest: Manifest,
    files: PieceFiles,
    place: KeptPlace,
    redactions: Sequence[Redaction],
    pattern: re.Pattern[str],
) -> PrivacySample | None:
    """None where a later stage has cut out what was found."""
    address = {"outcome": decision.KEPT, ID: None, SHARD: place.shard, ROW: place.row}
    kept = kept_document(storage, manifest, Found(address, files))
    if kept is None:
        return None
    shown = pa.array([kept[TEXT]], pa.large_string())
    for stage in redactions:
        shown = stage.redacted(shown)
    text = str(shown[0].as_py())
    match = pattern.search(text)
    if match is None:
        return None
    begins = max(0, match.start() - AROUND)
    return PrivacySample(
        id=kept[ID],
        source=files.piece.source,
        shard=place.shard,
        row=place.row,
        begins=begins,
        before=text[begins : match.start()],
        placeholder=match[0],
        after=text[match.end() : match.end() + AROUND],
    )


def _pattern(stage: Redaction, name: str) -> str:
    """What finds the placeholder of a type, with its number where the stage gives one."""
    whole = placeholders(stage)[name]
    body = whole.rstrip(">]}|")
    number = r"_\d+" if stage.numbered else ""
    return re.escape(body) + number + re.escape(whole[len(body) :])
