"""Which items of which benchmarks a version holds: a published corpus against a registry, or what its own run found."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal, NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation import decision
from curation.contamination import CANARY, Contamination, Found, listed
from curation.corpus import Corpus
from curation.document import ID, ROW, SHARD, SOURCE, TEXT, text_bytes
from curation.errors import MissingError
from curation.manifest import Manifest, Part
from curation.pipeline.progress import CountedRunner, Watch, unwatched
from curation.recipe import validate_recipe
from curation.runner.runner import Runner
from curation.storage import open_storage

WORST = 100
"""Documents, and chance hits, that a report lists."""


class BenchmarkFigures(BaseModel):
    """What a version holds of a benchmark. The first four are null where the registry was not asked."""

    model_config = ConfigDict(frozen=True)

    benchmark: str
    items: int | None = None
    findable: int | None = None
    too_short: int | None = None
    """Items of too few words to be told from chance."""
    too_common: int | None = None
    """Items whose every n-gram stands in too many others."""
    items_hit: int
    documents: int
    """Documents that hold an item."""
    documents_kept: int
    """Those among them that the version keeps: cut, only marked, or found by this search."""
    documents_with_canary: int
    """Those that hold its canary."""
    chance_items: int
    """Items of which documents hold something, but none enough."""
    chance_documents: int


class Hit(BaseModel):
    """An item in a document; `start` and `end` count code points of the document's text as it was compared."""

    model_config = ConfigDict(frozen=True)

    source: str
    shard: str
    row: int
    id: str | None
    outcome: str
    benchmark: str
    item: str
    score: float
    start: int
    end: int
    items: int
    """How many items this document holds."""


class ContaminationReport(BaseModel):
    """A corpus version against a set of benchmarks."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    version: int
    digest: str
    """Of the version's content."""
    stage: str | None
    """The recipe's stage that found this; null where the kept documents were searched."""
    action: Literal["drop", "cut", "tag"] | None
    """What that stage does with a contaminated document; null where there is none."""
    registry: str
    registry_sha256: str | None
    rule: str
    threshold: float
    documents: int
    """That were compared."""
    bytes: int
    contaminated: int
    """Documents that hold an item; of what a run found, dropped ones too."""
    contaminated_kept: int
    """Those among them that the version keeps as they were found."""
    contaminated_dropped: int
    """Those among them that the version does not keep at all, whichever stage has dropped them."""
    unlisted: int
    """Items in documents that hold more than the run has listed; they are missing from the figures by benchmark."""
    benchmarks: tuple[BenchmarkFigures, ...]
    worst: tuple[Hit, ...]
    """The documents that hold most: items, then score."""
    chance: tuple[Hit, ...]
    """What is nearest below the threshold: short or common matches, to be looked at."""


class Place(NamedTuple):
    """Where a document was read, and what became of it."""

    source: str
    shard: str
    row: int
    id: str | None
    outcome: str


class Finding(NamedTuple):
    """A document that holds something; `items` counts all, `found` lists them, the highest score first."""

    place: Place
    items: int
    found: Sequence[Found]


class Searched(NamedTuple):
    """What was found in one file."""

    documents: int
    bytes: int
    findings: list[Finding]


def check_contamination(
    corpus: Corpus, number: int | None, stage: Contamination, runner: Runner, watch: Watch = unwatched
) -> ContaminationReport:
    """Search the kept documents of a version for the items of the stage's registry; the file is read as the run wrote
    it, one task each. Raises ModelError as the stage, MissingError where the version's files are gone."""
    manifest = corpus.manifest_of(corpus.readable(number))
    index = stage.index()
    pinned = stage.model_copy(update={"registry_sha256": index.registry.sha256})
    counted = CountedRunner(runner, "look", watch)
    searched = counted.map(partial(search_part, corpus.url, pinned), manifest.shards)
    counted.end()
    report = _report(corpus, manifest, pinned, None, searched)
    named: dict[str, Counter[str]] = defaultdict(Counter)
    for what, items in (
        ("items", index.registry.items),
        ("too_short", index.short),
        ("too_common", index.common),
        ("findable", [item for own in index.items for item in own]),
    ):
        for item in items:
            if item.question.strip():
                named[item.benchmark][what] += 1
    by_name = {each.benchmark: each for each in report.benchmarks}
    benchmarks = []
    for name in sorted({*named, *by_name}):
        counts = {what: named[name][what] for what in ("items", "findable", "too_short", "too_common")}
        counts["findable"] -= counts["too_common"]
        figures = by_name.get(name) or _figures(name, [], stage.bar)
        benchmarks.append(figures.model_copy(update=counts))
    return report.model_copy(update={"benchmarks": tuple(benchmarks)})


def search_part(url: str, stage: Contamination, part: Part) -> Searched:
    """What the documents of one file hold."""
    documents, size, findings = 0, 0, list[Finding]()
    with open_storage(url).open_seekable(part.path) as file, pq.ParquetFile(file) as kept:
        for group in range(kept.num_row_groups):
            table = kept.read_row_group(group, [ID, SHARD, ROW, TEXT], use_threads=False).combine_chunks()
            for batch in table.to_batches():
                documents += batch.num_rows
                size += int(pc.sum(text_bytes(batch)).as_py() or 0)
                for row, found in enumerate(stage.find(batch[TEXT])):
                    if found:
                        shard, number, id_ = (batch[name][row].as_py() for name in (SHARD, ROW, ID))
                        place = Place(part.source, shard, number, id_, decision.KEPT)
                        findings.append(Finding(place, len(found), found))
    return Searched(documents, size, findings)


def found_by_run(corpus: Corpus, number: int | None = None) -> list[ContaminationReport]:
    """What each contamination stage of a version's recipe found, in the documents that reached it, from the decisions
    alone. Raises MissingError where the recipe has none, RecipeError where it is not valid any more."""
    manifest = corpus.manifest_of(corpus.readable(number))
    stages = [stage for stage in validate_recipe(manifest.recipe).row_stages if isinstance(stage, Contamination)]
    if not stages:
        raise MissingError(
            f"{corpus.url}: the recipe of version {manifest.version} has no contamination stage; "
            "name a registry (--registry) to search its kept documents"
        )
    return [_report(corpus, manifest, stage, stage.name, [_decided(corpus, manifest, stage)]) for stage in stages]


def _decided(corpus: Corpus, manifest: Manifest, stage: Contamination) -> Searched:
    score, items, found = map(stage.column, ("score", "items", "found"))
    decisions = corpus.decisions(manifest.version)
    reached = pc.field(score).is_valid()
    sizes = decisions.to_table(columns=["bytes"], filter=reached)["bytes"]
    columns = [SOURCE, SHARD, ROW, ID, "outcome", items, found]
    table = decisions.to_table(columns=columns, filter=pc.field(found).is_valid())
    findings = [
        Finding(Place(*(row[name] for name in columns[:5])), row[items], listed(row[found]))
        for row in table.to_pylist()
    ]
    return Searched(len(sizes), int(pc.sum(sizes).as_py() or 0), findings)


def _report(
    corpus: Corpus, manifest: Manifest, stage: Contamination, name: str | None, searched: Iterable[Searched]
) -> ContaminationReport:
    parts = [*searched]
    findings = [finding for part in parts for finding in part.findings]
    hits = [finding for finding in findings if finding.found[0].score >= stage.bar]
    chances = [finding for finding in findings if finding.found[0].score < stage.bar]
    worst = sorted(hits, key=lambda each: (-_held(each, stage.bar), -each.found[0].score, each.place[:3]))
    nearest = sorted(chances, key=lambda each: (-each.found[0].score, each.place[:3]))
    return ContaminationReport(
        corpus=corpus.url,
        version=manifest.version,
        digest=manifest.digest,
        stage=name,
        action=None if name is None else stage.action,
        registry=stage.registry,
        registry_sha256=stage.registry_sha256,
        rule=stage.rule,
        threshold=stage.bar,
        documents=sum(part.documents for part in parts),
        bytes=sum(part.bytes for part in parts),
        contaminated=len(hits),
        contaminated_kept=sum(each.place.outcome == decision.KEPT for each in hits) if stage.action != "cut" else 0,
        contaminated_dropped=sum(each.place.outcome != decision.KEPT for each in hits),
        unlisted=sum(each.items - len(each.found) for each in findings),
        benchmarks=tuple(_by_benchmark(findings, stage.bar)),
        worst=tuple(_hit(each, _held(each, stage.bar)) for each in worst[:WORST]),
        chance=tuple(_hit(each, each.items) for each in nearest[:WORST]),
    )


def _held(finding: Finding, bar: float) -> int:
    """How many items a document holds enough of."""
    return sum(found.score >= bar for found in finding.found)


def _hit(finding: Finding, items: int) -> Hit:
    return Hit(**finding.place._asdict(), **finding.found[0]._asdict(), items=items)


def _by_benchmark(findings: Sequence[Finding], bar: float) -> Iterable[BenchmarkFigures]:
    by_name: dict[str, list[tuple[Place, Found]]] = defaultdict(list)
    for finding in findings:
        for found in finding.found:
            by_name[found.benchmark].append((finding.place, found))
    return [_figures(name, by_name[name], bar) for name in sorted(by_name)]


def _figures(name: str, found: Sequence[tuple[Place, Found]], bar: float) -> BenchmarkFigures:
    """Of one benchmark, from all that was found of its items."""
    hits = [(place, item) for place, item in found if item.score >= bar]
    chances = [(place, item) for place, item in found if item.score < bar]
    items, documents = {item.item for _, item in hits}, {place[:3] for place, _ in hits}
    return BenchmarkFigures(
        benchmark=name,
        items_hit=len(items),
        documents=len(documents),
        documents_kept=len({place[:3] for place, _ in hits if place.outcome == decision.KEPT}),
        documents_with_canary=len({place[:3] for place, item in hits if item.item == CANARY}),
        chance_items=len({item.item for _, item in chances} - items),
        chance_documents=len({place[:3] for place, _ in chances} - documents),
    )
