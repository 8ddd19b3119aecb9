"""A version from the one before it: some files are read, some documents go, and everything else stays as it lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from curation.change import Change, Looked
from curation.corpus import Corpus
from curation.dedup import DedupResult, read_replaced
from curation.dedup.stage import WHY_REPLACED
from curation.document import ROW, SHARD
from curation.errors import AccountingError, InputError
from curation.manifest import InputShard, Kind, Manifest, Part, PieceFiles
from curation.pipeline.accounts import account, check_failures
from curation.pipeline.addresses import ADDRESSES, read_table, write_table
from curation.pipeline.compare import meaning_after
from curation.pipeline.filter import Run
from curation.pipeline.finish import Finished
from curation.pipeline.gates import check_gates
from curation.pipeline.held import Drafts
from curation.pipeline.identity import Identity
from curation.pipeline.indexing import Memory, compacted, saying_how_to_mend
from curation.pipeline.inputs import Files, Shard
from curation.pipeline.progress import CountedRunner, Watch
from curation.pipeline.publishing import manifest_of
from curation.pipeline.removal import Removal, removal
from curation.pipeline.rewrite import DROPS, Revision, Rewriting, Rewritten, rewrite_piece
from curation.pipeline.steps import cut_parts, deduplicate_parts, filter_shards, finish_parts, searched
from curation.pipeline.survey import take_over
from curation.report import Cell, Cuts, Report, total
from curation.runner.runner import Runner
from curation.storage import Entry, object_url, open_storage

FILES_A_SHARD = 256
"""So many input files at most are read again together, for the duplicates in them."""


@dataclass(frozen=True)
class Amendment:
    """What is to become of a version."""

    kind: Kind
    base: Manifest
    files: Sequence[Files]
    """The input files as they are now: where duplicates that are decided anew are read."""
    inputs: tuple[InputShard, ...]
    """The input files of the new version."""
    looked: Looked = field(default_factory=Looked)
    shards: Sequence[Shard] = ()
    """What is read, new to the base."""
    revisions: Sequence[Revision] = ()
    """What leaves the base's pieces, or is dropped in them; one at most of each piece."""
    tombstones: tuple[Part, ...] = ()
    """Those of the new version."""


@dataclass(frozen=True)
class _Strays:
    """Duplicates that are decided anew: what to read, and what leaves which pieces."""

    shards: Sequence[Shard] = ()
    revisions: Sequence[Revision] = ()
    stranded: int = 0


@saying_how_to_mend()
def amend(corpus: Corpus, run: Run, identity: Identity, plan: Amendment, runner: Runner, watch: Watch) -> Drafts:
    """Everything but publishing. Raises as `curate`."""
    base = plan.base
    found = removal(run, base, plan.revisions, runner)
    strays = _strays(run, plan, found)
    parts = filter_shards(run, [*strays.shards, *plan.shards], runner, watch)
    check_failures(run.recipe, [*plan.looked.new, *plan.looked.changed], parts)
    take_over(run, base)
    parts = cut_parts(run, parts, runner, watch)

    memory = Memory(run, base, found) if run.recipe.exact or run.recipe.minhash else None
    verdicts = deduplicate_parts(run, parts, runner, watch, memory.known if memory else None)
    finished = finish_parts(run, parts, verdicts, identity.parent + 1, runner, watch)
    replaced = _replacements(run, base, verdicts)
    revisions = _merged([*plan.revisions, *strays.revisions, *replaced])
    before = corpus.report(base.version)
    rewritten = _rewrite(run, base, revisions, before, identity.parent + 1, runner)

    read = account(run, parts, finished, runner)
    moves = memory.moves(verdicts) if memory and verdicts else {}
    report = _report(run.steps, before, rewritten, read, verdicts, moves)
    manifest = manifest_of(
        run,
        identity,
        _pieces(base, revisions, rewritten, finished),
        report,
        kind=plan.kind,
        meaning=meaning_after(run.recipe, base, plan.inputs) if plan.kind == "refresh" else base.meaning,
        inputs=plan.inputs,
        tombstones=plan.tombstones,
        settled=base.settled,
    )
    _check(manifest, report)
    if plan.kind == "refresh" and not report.documents("kept"):
        raise InputError(f"of {report.documents()} records none would be kept any more; nothing is published")
    if memory and verdicts:
        counted = CountedRunner(runner, "index", watch)
        index = memory.write(parts, verdicts, counted)
        manifest = compacted(run, manifest.model_copy(update={"index": index}), counted)
        counted.end()
    change = Change(
        base=base.version,
        kind=plan.kind,
        looked=plan.looked,
        read=read,
        removed=_summed(cell for each in rewritten for cell in each.removed),
        promoted=sum(end.kept_documents for end in finished if end.piece.mixed),
        stranded=strays.stranded,
    )
    breaches = check_gates(run.recipe, corpus, identity.parent, report, change)
    return manifest, report, change.model_copy(update={"breaches": breaches})


def _strays(run: Run, plan: Amendment, found: Removal) -> _Strays:
    """The duplicates of what is removed, by the input files that hold them. Those of a file that is not there any more,
    or is another by now, are stranded, and so are all where the recipe does not promote."""
    now = dict(_unchanged(plan)) if run.recipe.refresh.promote else {}
    storage, stranded = run.work.storage, 0
    tables: dict[str, list[pa.Table]] = {}
    revisions: list[Revision] = []
    for each in found.widowed:
        if each.orphans is None:
            continue
        name = plan.base.pieces[each.piece].source
        orphans = read_table(storage, [each.orphans], ADDRESSES)
        there = [uri for uri in each.files if (name, uri) in now]
        is_readable = pc.is_in(orphans[SHARD], pa.array(there, pa.string()))
        readable, rest = orphans.filter(is_readable), orphans.filter(pc.invert(is_readable))
        if readable.num_rows:
            key = write_table(storage, run.work.key(f"strays/{each.piece:06d}.parquet"), readable)
            revisions.append(Revision(piece=each.piece, leaving=(key,)))
            tables.setdefault(name, []).append(readable)
        if rest.num_rows:
            key = write_table(storage, run.work.key(f"strays/{each.piece:06d}.stranded.parquet"), rest)
            revisions.append(Revision(piece=each.piece, stranded=(key,)))
            stranded += rest.num_rows
    shards: list[Shard] = []
    for source in [files.source for files in plan.files if files.source.name in tables]:
        wanted = pa.concat_tables(tables[source.name]).sort_by([(SHARD, "ascending"), (ROW, "ascending")])
        uris = sorted(pc.unique(wanted[SHARD]).to_pylist())
        for start in range(0, len(uris), FILES_A_SHARD):
            some = uris[start : start + FILES_A_SHARD]
            name = f"{source.name}/again-{run.id}-{len(shards):04d}"
            rows = wanted.filter(pc.is_in(wanted[SHARD], pa.array(some)))
            key = write_table(storage, run.work.key(f"strays/{name}.parquet"), rows)
            places = [now[source.name, uri] for uri in some]
            entries = tuple(entry for _, entry in places)
            shards.append(Shard(name=name, source=source, storage=places[0][0], entries=entries, only=key))
    return _Strays(shards, revisions, stranded)


def _unchanged(plan: Amendment) -> Iterator[tuple[tuple[str, str], tuple[str, Entry]]]:
    """The base's input files that are what they were: (source, uri), and where to read them."""
    known = {(file.source, file.uri): file for file in plan.base.inputs}
    for files in plan.files:
        storage = open_storage(files.storage)
        for entry in files.entries:
            place = (files.source.name, object_url(storage, entry.key))
            file = known.get(place)
            if file is not None and (file.size, file.etag) == (entry.size, entry.etag):
                yield place, (files.storage, entry)


def _replacements(run: Run, base: Manifest, verdicts: DedupResult | None) -> list[Revision]:
    """The kept documents that a better copy takes the place of, by piece."""
    if verdicts is None or verdicts.replaced is None:
        return []

    storage, minhash = run.work.storage, run.recipe.minhash
    kept = [number for number, piece in enumerate(base.pieces) if piece.kept]
    every = read_replaced(storage, verdicts.replaced)
    revisions = []
    for place in sorted(pc.unique(every["piece"]).to_pylist()):
        lost = every.filter(pc.equal(every["piece"], place))
        is_near = pc.equal(lost["stage"], minhash.name if minhash else None)
        columns = {
            **{name: lost[name] for name in DROPS.names if name in lost.schema.names},
            "reason": pc.binary_join_element_wise(lost["stage"], pa.scalar(WHY_REPLACED), "."),
            "value": lost["similarity"],
            "threshold": pc.if_else(is_near, minhash.min_similarity if minhash else 0.0, pa.scalar(None, pa.float64())),
            "detail": pa.nulls(lost.num_rows, pa.string()),
        }
        table = pa.table([columns[name] for name in DROPS.names], schema=DROPS)
        key = write_table(storage, run.work.key(f"replaced/{place:06d}.parquet"), table)
        revisions.append(Revision(piece=kept[place], drops=(key,)))
    return revisions


def _merged(revisions: Iterable[Revision]) -> list[Revision]:
    """One revision a piece, in their order."""
    merged: dict[int, Revision] = {}
    for revision in revisions:
        before = merged.get(revision.piece, Revision(piece=revision.piece))
        merged[revision.piece] = Revision(
            piece=revision.piece,
            files=before.files | revision.files,
            leaving=before.leaving + revision.leaving,
            drops=before.drops + revision.drops,
            stranded=before.stranded + revision.stranded,
        )
    return [merged[piece] for piece in sorted(merged)]


def _rewrite(
    run: Run, base: Manifest, revisions: Sequence[Revision], report: Report, version: int, runner: Runner
) -> list[Rewritten]:
    """The pieces that are touched, as they are now."""
    pieces = list(base.files())
    examples: dict[str, list[tuple[str, int]]] = {}
    for example in report.examples:
        examples.setdefault(example.source, []).append((example.shard, example.row))
    items = [
        Rewriting(
            revision=revision,
            files=pieces[revision.piece],
            version=version,
            examples=tuple(examples.get(base.pieces[revision.piece].source, ())),
        )
        for revision in revisions
    ]
    return runner.map(partial(rewrite_piece, run), items)


def _pieces(
    base: Manifest, revisions: Sequence[Revision], rewritten: Sequence[Rewritten], finished: Sequence[Finished]
) -> list[PieceFiles]:
    """The pieces of the new version: those of the base, as they are or rewritten, then what was read."""
    news = {revision.piece: each.files for revision, each in zip(revisions, rewritten, strict=True)}
    old = [news.get(number, files) for number, files in enumerate(base.files())]
    read = [end.files for end in finished]
    pieces = [files for files in old if files is not None] + read
    if len({files.piece.name for files in pieces}) < len(pieces):
        raise AccountingError("two pieces have the same name")
    return pieces


def _report(
    steps: tuple[str, ...],
    before: Report,
    rewritten: Sequence[Rewritten],
    read: Report,
    verdicts: DedupResult | None,
    moves: Mapping[int, int],
) -> Report:
    """The base's report without what the touched pieces were, with what they are and what was read."""
    places = {cell.place: cell for cell in before.cells}
    for gone in _summed(cell for each in rewritten for cell in each.before):
        cell = places.get(gone.place, gone.model_copy(update={"documents": 0, "bytes": 0}))
        left = _without(cell, gone)
        if left.documents < 0 or left.bytes < 0:
            raise AccountingError(f"the base's report does not have {gone.documents} documents at {gone.place}")
        places[gone.place] = left
    outdated = {address for each in rewritten for address in each.outdated}
    unchanged = Report(
        stages=steps,
        cells=tuple(cell for cell in places.values() if cell.documents),
        examples=tuple(e for e in before.examples if (e.shard, e.row) not in outdated),
        dedup=before.dedup,
        cuts=_uncut(before, rewritten),
    )
    rest = Report(cells=_summed(cell for each in rewritten for cell in each.after))
    clusters = Counter(before.clusters)
    clusters.update(read.clusters)
    clusters.update(moves)
    if any(count < 0 for count in clusters.values()):
        raise AccountingError(f"the sizes of clusters do not add up: {dict(moves)}")
    read = read.model_copy(update={"clusters": {}, "dedup": searched(verdicts)})
    report = total([read, unchanged, rest])
    return report.model_copy(update={"clusters": {size: clusters[size] for size in sorted(clusters) if clusters[size]}})


def _uncut(before: Report, rewritten: Sequence[Rewritten]) -> dict[str, Cuts]:
    """What the base's stages have cut out of the documents that stay."""
    gone = total(Report(cuts=each.cuts) for each in rewritten).cuts
    return {stage: cuts - gone.get(stage, Cuts()) for stage, cuts in before.cuts.items()}


def _without(cell: Cell, gone: Cell) -> Cell:
    """What a cell is without some of its documents."""
    tokens = None if cell.tokens is None or gone.tokens is None else cell.tokens - gone.tokens
    sums = {"documents": cell.documents - gone.documents, "bytes": cell.bytes - gone.bytes, "tokens": tokens}
    return cell.model_copy(update=sums)


def _summed(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    return total(Report(cells=(cell,)) for cell in cells).cells


def _check(manifest: Manifest, report: Report) -> None:
    """Raises AccountingError unless in = kept + dropped + failed, for the whole and each source."""
    records: Counter[str] = Counter()
    for piece in manifest.pieces:
        records[piece.source] += piece.records
    accounted = {source: sum(counts.values()) for source, counts in report.by("source").items()}
    if dict(records) != accounted:
        raise AccountingError(f"records by source {dict(records)}, accounted for {accounted}")
    if (rows := sum(part.rows for part in manifest.shards)) != report.documents("kept"):
        raise AccountingError(f"{rows} documents are kept, {report.documents('kept')} accounted for")
    if (out := report.funnel()[-1].documents_out) != report.documents("kept"):
        raise AccountingError(f"the funnel ends with {out} documents, {report.documents('kept')} are kept")
