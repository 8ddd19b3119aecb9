"""The straight line from a recipe to a published version."""

from __future__ import annotations

from collections.abc import Sequence

from curation.change import Change, Looked
from curation.corpus import Corpus
from curation.errors import InputError
from curation.manifest import InputShard, Part
from curation.pipeline.accounts import account, check_failures
from curation.pipeline.filter import Run
from curation.pipeline.gates import check_gates
from curation.pipeline.guard import Guard, Unguarded
from curation.pipeline.held import Drafts
from curation.pipeline.identity import Identity, begin, begun, sweep
from curation.pipeline.indexing import indexed
from curation.pipeline.inputs import Shard, list_shards, refuse_shared
from curation.pipeline.progress import CountedRunner, Watch, unwatched
from curation.pipeline.publishing import Outcome, found_again, manifest_of, publish_once
from curation.pipeline.steps import cut_parts, deduplicate_parts, filter_shards, finish_parts, searched, survey_parts
from curation.recipe import Recipe
from curation.runner.runner import Runner

UNGUARDED = Unguarded()


def curate(
    recipe: Recipe,
    runner: Runner,
    run_id: str | None = None,
    watch: Watch = unwatched,
    guard: Guard = UNGUARDED,
) -> Outcome:
    """Run a recipe over all its input and publish a version of its corpus.

    Again is the same as once: a run that died goes on from its records, one that was published is not done again, and
    where neither the recipe nor the input has changed since the newest version, there is nothing to do.

    Raises RecipeError, InputError (nothing to read, too much unreadable, nothing kept), StorageError, ModelError,
    ConflictError, HeldError where a gate does not let it pass, and what the guard raises; nothing is published then.
    """
    recipe = recipe.pinned()
    corpus = Corpus(recipe.output)
    shards = list_shards(recipe)
    inputs = tuple(file for shard in shards for file in shard.inputs())
    refuse_shared(recipe, inputs)
    guard.inputs(inputs)
    fingerprint = recipe.fingerprint()
    if (done := begun(corpus, fingerprint, inputs, run_id)) is not None:
        sweep(corpus)
        return found_again(corpus, done)

    corpus.create()
    identity = Identity.of(fingerprint, inputs, parent=corpus.head())
    run = begin(corpus, recipe, identity, run_id)
    return publish_once(
        corpus, run, identity.parent, lambda: _work(corpus, run, identity, shards, inputs, runner, watch), guard, watch
    )


def _work(
    corpus: Corpus,
    run: Run,
    identity: Identity,
    shards: Sequence[Shard],
    inputs: tuple[InputShard, ...],
    runner: Runner,
    watch: Watch,
) -> Drafts:
    """Everything but publishing. Raises InputError where too much failed or nothing is kept."""
    parts = filter_shards(run, shards, runner, watch)
    check_failures(run.recipe, inputs, parts)
    settled = survey_parts(run, parts, runner, watch)
    parts = cut_parts(run, parts, runner, watch)
    verdicts = deduplicate_parts(run, parts, runner, watch)
    finished = finish_parts(run, parts, verdicts, identity.parent + 1, runner, watch)
    report = account(run, parts, finished, runner).model_copy(update={"dedup": searched(verdicts)})
    if not report.documents("kept"):
        raise InputError(f"of {report.documents()} records none is kept; nothing is published")
    change = Change(base=identity.parent, looked=Looked(new=inputs), read=report)
    change = change.model_copy(update={"breaches": check_gates(run.recipe, corpus, identity.parent, report, change)})
    index: tuple[Part, ...] = ()
    if verdicts:
        counted = CountedRunner(runner, "index", watch)
        index = indexed(run, parts, verdicts, counted)
        counted.end()
    manifest = manifest_of(
        run,
        identity,
        [each.files for each in finished],
        report,
        meaning=run.recipe.meaning(),
        inputs=inputs,
        index=index,
        tombstones=run.tombstones,
        settled=settled,
    )
    return manifest, report, change
