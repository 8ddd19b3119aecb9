"""The straight line from a recipe to a published version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from pydantic import BaseModel, ConfigDict

from curation import decision
from curation.corpus import Corpus
from curation.dedup import DedupResult, ShardInput, deduplicate
from curation.errors import ConflictError, InputError, StorageError
from curation.manifest import InputShard, Manifest
from curation.pipeline.accounts import account, check_failures
from curation.pipeline.filter import Filtered, Part, Run, filter_shard
from curation.pipeline.finish import Ending, Finished, finish_part
from curation.pipeline.guard import Guard, Unguarded
from curation.pipeline.held import draft, drafted
from curation.pipeline.identity import Identity, begin, begun, sweep
from curation.pipeline.inputs import Shard, list_shards
from curation.pipeline.progress import CountedRunner, Progress, Watch, unwatched
from curation.recipe import Recipe
from curation.report import Dedup, Report
from curation.runner.runner import Runner

UNGUARDED = Unguarded()


class Outcome(BaseModel):
    """How a run ended. `published` is false where the version was there before: nothing was new, or it was done."""

    model_config = ConfigDict(frozen=True)

    run: str
    version: int
    published: bool
    report: Report


def curate(
    recipe: Recipe,
    runner: Runner,
    run_id: str | None = None,
    watch: Watch = unwatched,
    guard: Guard = UNGUARDED,
) -> Outcome:
    """Run a recipe and publish a version of its corpus.

    Again is the same as once: a run that died goes on from its records, one that was published is not done again, and
    where neither the recipe nor the input has changed since the newest version, there is nothing to do.

    Raises RecipeError, InputError (nothing to read, too much unreadable, nothing kept), StorageError, ModelError,
    ConflictError, and what the guard raises; nothing is published then.
    """
    recipe = recipe.pinned()
    corpus = Corpus(recipe.output)
    shards = list_shards(recipe)
    inputs = tuple(file for shard in shards for file in shard.inputs())
    guard.inputs(inputs)
    fingerprint = recipe.fingerprint()
    if (done := begun(corpus, fingerprint, inputs, run_id)) is not None:
        sweep(corpus)
        return _found(corpus, done)

    corpus.create()
    identity = Identity.of(fingerprint, inputs, parent=corpus.head())
    run = begin(corpus, recipe, identity, run_id)
    try:
        drafts = drafted(corpus, run.id) or draft(run.work, *_work(run, identity, shards, inputs, runner, watch))
        manifest, report = drafts
        guard.publish(manifest, report)
        watch(Progress(step="publish", done=0, total=1))
        corpus.publish(manifest, report, decision.decision_schema(run.values))
    except StorageError as error:
        # The same run, or another, may have published meanwhile and swept this one's work away.
        if (version := corpus.published(run.id)) is not None:
            return _found(corpus, corpus.manifest(version))
        if corpus.head() != identity.parent:
            raise ConflictError(f"{corpus.url}: somebody else published while run {run.id} worked") from error
        raise
    watch(Progress(step="publish", done=1, total=1))
    sweep(corpus)
    return Outcome(run=run.id, version=manifest.version, published=True, report=report)


def _found(corpus: Corpus, manifest: Manifest) -> Outcome:
    report = corpus.report(manifest.version)
    return Outcome(run=manifest.run, version=manifest.version, published=False, report=report)


def _work(
    run: Run,
    identity: Identity,
    shards: Sequence[Shard],
    inputs: tuple[InputShard, ...],
    runner: Runner,
    watch: Watch,
) -> tuple[Manifest, Report]:
    """Everything but publishing. Raises InputError where too much failed or nothing is kept."""
    parts = _filter(run, shards, runner, watch)
    check_failures(run.recipe, inputs, parts)
    verdicts = _deduplicate(run, parts, runner, watch)
    finished = _finish(run, parts, verdicts, identity.parent + 1, runner, watch)
    report = account(run, parts, finished, runner)
    if not report.documents("kept"):
        raise InputError(f"of {report.documents()} records none is kept; nothing is published")
    if verdicts is not None:
        similarities = list(verdicts.similarities)
        dedup = Dedup(candidates=verdicts.candidates, verified=verdicts.verified, similarities=similarities)
        report = report.model_copy(update={"dedup": dedup})
    return _manifest(run, identity, inputs, finished, verdicts, report), report


def _filter(run: Run, shards: Sequence[Shard], runner: Runner, watch: Watch) -> list[Part]:
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


def _deduplicate(run: Run, parts: Sequence[Part], runner: Runner, watch: Watch) -> DedupResult | None:
    if run.recipe.exact is None and run.recipe.minhash is None:
        return None
    inputs = [
        ShardInput(
            number=number,
            source=part.source,
            fingerprints=part.fingerprints,
            texts=part.texts,
            documents=part.documents,
        )
        for number, part in enumerate(parts)
    ]
    folder = f"_index/{run.id}"
    counted = CountedRunner(runner, "deduplicate", watch)
    result = deduplicate(run.work.under("dedup"), inputs, run.recipe.exact, run.recipe.minhash, counted, folder)
    counted.end()
    return result


def _finish(
    run: Run, parts: Sequence[Part], verdicts: DedupResult | None, version: int, runner: Runner, watch: Watch
) -> list[Finished]:
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


def _manifest(
    run: Run,
    identity: Identity,
    inputs: tuple[InputShard, ...],
    finished: Sequence[Finished],
    verdicts: DedupResult | None,
    report: Report,
) -> Manifest:
    return Manifest(
        version=identity.parent + 1,
        run=run.id,
        parent=identity.parent,
        created=datetime.now(UTC),
        recipe=run.recipe.model_dump(mode="json"),
        fingerprint=identity.fingerprint,
        inputs=inputs,
        shards=tuple(end.kept for end in finished if end.kept),
        decisions=tuple(end.decisions for end in finished),
        index=verdicts.index if verdicts else (),
        ids=tuple(end.ids for end in finished),
        documents=report.documents("kept"),
        bytes=report.bytes("kept"),
    )
