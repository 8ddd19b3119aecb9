"""The dedup index alone: its segments merged, or made anew from the kept documents, and published as a version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from curation.change import Change
from curation.corpus import Corpus
from curation.dedup import Bounds
from curation.dedup.index import compact, rebuild, segments_of
from curation.errors import CorruptError, MissingError, Problem, RecipeError
from curation.manifest import Manifest, Part
from curation.pipeline.guard import Unguarded
from curation.pipeline.held import Drafts
from curation.pipeline.identity import RUNS, Identity, begin, sweep
from curation.pipeline.indexing import saying_how_to_mend
from curation.pipeline.progress import CountedRunner, Watch, unwatched
from curation.pipeline.publishing import Outcome, found_again, publish_once
from curation.recipe import Recipe, validate_recipe
from curation.runner.runner import Runner
from curation.work import Work

How = Literal["compact", "rebuild"]


def reindex(corpus: Corpus, runner: Runner, how: How, watch: Watch = unwatched) -> Outcome:
    """Publish the newest version again with its index merged into one segment, or made anew; nothing else changes.

    `compact` of one segment has nothing to do. Raises RecipeError where the recipe does not deduplicate, MissingError
    where there is no version, CorruptError where the index does not fit the version (then `rebuild`), ConflictError
    where somebody else publishes first.
    """
    parent = corpus.head()  # before the base is looked up: whoever publishes from here on is noticed by the commit
    base = _newest(corpus)
    if how == "compact" and len(segments_of(base.index)) < 2:
        sweep(corpus)
        return found_again(corpus, base)
    recipe = _recipe(base, how)
    run = begin(corpus, recipe, Identity.of(base.fingerprint, base.inputs, parent, f"index {how}"), None)
    counted = CountedRunner(runner, "index", watch)

    def work() -> Drafts:
        index = _made(run.work, counted, base, recipe, how, f"_index/{run.id}")
        counted.end()
        changes = {"version": parent + 1, "run": run.id, "parent": parent, "kind": "index", "restored": None}
        manifest = base.model_copy(update={**changes, "created": datetime.now(UTC), "index": index})
        return manifest, corpus.report(base.version), Change(base=base.version, kind="index")

    return publish_once(corpus, run, parent, work, Unguarded(), watch)


def check_index(corpus: Corpus, runner: Runner, watch: Watch = unwatched) -> int:
    """Compare the newest version's index, merged, with the one that its kept documents and decisions give; how many
    files each has. Nothing is published. Raises CorruptError for the first file that differs."""
    base = _newest(corpus)
    recipe, work = _recipe(base, "rebuild"), Work(corpus.url, f"{RUNS}/index-check-{corpus.head()}")
    counted = CountedRunner(runner, "index", watch)
    try:
        merged, anew = (_made(work, counted, base, recipe, how, work.key(how)) for how in _HOWS)
    finally:
        corpus.storage.delete_prefix(f"{work.prefix}/")
    counted.end()
    names = [[(part.path.split("/")[-1], part.sha256) for part in parts] for parts in (merged, anew)]
    if names[0] != names[1]:
        different = next((name for name, _ in names[1] if name not in dict(names[0])), names[1][-1][0])
        raise CorruptError(
            f"{corpus.url}: the index of version {base.version} is not what its kept documents and decisions give: "
            f"{different} differs; `curation index CORPUS --rebuild` makes it anew"
        )
    return len(anew)


_HOWS: tuple[How, ...] = ("compact", "rebuild")


@saying_how_to_mend()
def _made(work: Work, runner: Runner, base: Manifest, recipe: Recipe, how: How, folder: str) -> tuple[Part, ...]:
    bounds, stages = Bounds(), (recipe.exact, recipe.minhash)
    if how == "rebuild":
        return rebuild(work.under("rebuild"), runner, base, *stages, folder, bounds)
    count = len(segments_of(base.index))
    return compact(work.under("compact"), runner, base, count, *stages, folder, bounds)


def _newest(corpus: Corpus) -> Manifest:
    base = corpus.newest()
    if base is None:
        raise MissingError(f"{corpus.url}: no version has been published here")
    return base


def _recipe(base: Manifest, how: How) -> Recipe:
    recipe = validate_recipe(base.recipe)
    if recipe.exact is None and recipe.minhash is None:
        raise RecipeError([Problem("CORPUS", f"the recipe of version {base.version} does not deduplicate: no index")])
    if how == "rebuild" and recipe.span_stages:
        cut = f"{recipe.span_stages[0].name} has cut the kept texts since they were compared"
        raise RecipeError([Problem("--rebuild", f"{cut}: only a whole `curation run` makes the index anew")])
    return recipe
