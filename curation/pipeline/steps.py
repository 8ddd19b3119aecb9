"""The steps of a run, each a map of tasks, with their progress: filter, survey, cut, deduplicate, finish."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from curation.dedup import DedupResult, deduplicate
from curation.dedup.known import Known
from curation.dedup.spans import find_repeats
from curation.pipeline.compiling import tell_compiling
from curation.pipeline.cut import cut_part
from curation.pipeline.filter import Filtered, Part, Run, filter_shard
from curation.pipeline.finish import Ending, Finished, finish_part
from curation.pipeline.indexing import shard_inputs
from curation.pipeline.inputs import Shard
from curation.pipeline.progress import CountedRunner, Progress, Watch
from curation.pipeline.survey import survey
from curation.report import Dedup
from curation.runner.runner import Runner
from curation.stage import Frozen


def filter_shards(run: Run, shards: Sequence[Shard], runner: Runner, watch: Watch) -> list[Part]:
    """What goes on of each shard, and the decisions on the rest."""
    done = documents = size = 0
    if shards:
        tell_compiling(run.recipe)
    watch(Progress(step="filter", done=0, total=len(shards)))

    def on_result(_: int, filtered: Filtered) -> None:
        nonlocal done, documents, size
        done += 1
        documents += sum(part.records for part in filtered.parts)
        size += sum(part.bytes for part in filtered.parts)
        watch(Progress(step="filter", done=done, total=len(shards), documents=documents, bytes=size))

    results = runner.map(partial(filter_shard, run), shards, on_result)
    return [part for filtered in results for part in filtered.parts]


def survey_parts(run: Run, parts: Sequence[Part], runner: Runner, watch: Watch) -> dict[str, Frozen]:
    """What all documents of the parts together settle, by stage; nothing where no stage asks for it."""
    if not run.recipe.surveyed:
        return {}
    counted = CountedRunner(runner, "survey", watch)
    settled = survey(run, parts, counted)
    counted.end()
    return settled


def cut_parts(run: Run, parts: Sequence[Part], runner: Runner, watch: Watch) -> list[Part]:
    """What goes on of each part once it is decided by what is settled; the parts themselves where nothing is."""
    if not run.recipe.surveyed:
        return list(parts)
    done = 0
    watch(Progress(step="cut", done=0, total=len(parts)))

    def on_result(_index: int, _part: Part) -> None:
        nonlocal done
        done += 1
        watch(Progress(step="cut", done=done, total=len(parts)))

    return runner.map(partial(cut_part, run), parts, on_result)


def deduplicate_parts(
    run: Run, parts: Sequence[Part], runner: Runner, watch: Watch, known: Known | None = None
) -> DedupResult | None:
    """Which documents of the parts are duplicates, of each other or of those that are known; None where the recipe does
    not deduplicate."""
    recipe = run.recipe
    if recipe.exact is None and recipe.minhash is None:
        return None
    counted = CountedRunner(runner, "deduplicate", watch)
    result = deduplicate(
        run.work.under("dedup"),
        shard_inputs(parts, known.pieces if known else 0),
        recipe.exact,
        recipe.minhash,
        counted,
        known=known,
        better_copies=recipe.refresh.better_copies,
    )
    counted.end()
    return result


def find_spans(
    run: Run, parts: Sequence[Part], verdicts: DedupResult | None, runner: Runner, watch: Watch
) -> Sequence[str | None]:
    """The key of each part's repeated stretches, None where there are none or no stage asks for them."""
    nothing: list[str | None] = [None] * len(parts)
    if not run.recipe.span_stages:
        return nothing
    counted = CountedRunner(runner, "spans", watch)
    losers = verdicts.losers if verdicts else nothing
    text_bytes = sum(part.bytes for part in parts)
    work = run.work.under("spans")
    found = find_repeats(work, counted, shard_inputs(parts, 0), losers, run.recipe.span_stages, text_bytes)
    counted.end()
    return found


def finish_parts(
    run: Run, parts: Sequence[Part], verdicts: DedupResult | None, version: int, runner: Runner, watch: Watch
) -> list[Finished]:
    """The files of each part that a version is made of."""
    spans = find_spans(run, parts, verdicts, runner, watch)
    done = 0
    watch(Progress(step="finish", done=0, total=len(parts)))

    def on_result(_index: int, _finished: Finished) -> None:
        nonlocal done
        done += 1
        watch(Progress(step="finish", done=done, total=len(parts)))

    endings = [
        Ending(
            part=part,
            losers=verdicts.losers[number] if verdicts else None,
            clusters=verdicts.clusters[number] if verdicts else None,
            spans=spans[number],
            version=version,
        )
        for number, part in enumerate(parts)
    ]
    return runner.map(partial(finish_part, run), endings, on_result)


def searched(verdicts: DedupResult | None) -> Dedup | None:
    """What a report says of the search for near-duplicates."""
    if verdicts is None:
        return None
    similarities = list(verdicts.similarities)
    return Dedup(candidates=verdicts.candidates, verified=verdicts.verified, similarities=similarities)
