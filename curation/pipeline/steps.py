"""The steps of a run, each a map of tasks, with their progress: filter, deduplicate, finish."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from curation.dedup import DedupResult, deduplicate
from curation.dedup.known import Known
from curation.pipeline.filter import Filtered, Part, Run, filter_shard
from curation.pipeline.finish import Ending, Finished, finish_part
from curation.pipeline.indexing import shard_inputs
from curation.pipeline.inputs import Shard
from curation.pipeline.progress import CountedRunner, Progress, Watch
from curation.report import Dedup
from curation.runner.runner import Runner


def filter_shards(run: Run, shards: Sequence[Shard], runner: Runner, watch: Watch) -> list[Part]:
    """What goes on of each shard, and the decisions on the rest."""
    done = documents = size = 0
    watch(Progress(step="filter", done=0, total=len(shards)))

    def on_result(_: int, filtered: Filtered) -> None:
        nonlocal done, documents, size
        done += 1
        documents += sum(part.records for part in filtered.parts)
        size += sum(part.bytes for part in filtered.parts)
        watch(Progress(step="filter", done=done, total=len(shards), documents=documents, bytes=size))

    results = runner.map(partial(filter_shard, run), shards, on_result)
    return [part for filtered in results for part in filtered.parts]


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


def finish_parts(
    run: Run, parts: Sequence[Part], verdicts: DedupResult | None, version: int, runner: Runner, watch: Watch
) -> list[Finished]:
    """The files of each part that a version is made of."""
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
