"""Refresh: the next version from the newest one and what is new since, in proportion to what is new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from curation.change import Change, Looked, compare_inputs
from curation.corpus import Corpus
from curation.errors import RedoError
from curation.manifest import Manifest
from curation.pipeline.amend import Amendment, amend
from curation.pipeline.compare import check_meaning
from curation.pipeline.curate import UNGUARDED, curate
from curation.pipeline.guard import Guard
from curation.pipeline.identity import Identity, begin, published_by, sweep
from curation.pipeline.inputs import Files, Shard, deal, list_files, refuse_shared
from curation.pipeline.progress import Watch, unwatched
from curation.pipeline.publishing import Outcome, found_again, publish_once
from curation.pipeline.rewrite import CHANGED, RETIRED, Revision
from curation.recipe import Recipe
from curation.runner.runner import Runner
from curation.storage import object_url, open_storage


def refresh(
    recipe: Recipe,
    runner: Runner,
    run_id: str | None = None,
    watch: Watch = unwatched,
    guard: Guard = UNGUARDED,
    *,
    redo: bool = False,
) -> Outcome:
    """Read the input files that are new or changed since the newest version, and publish the next one.

    Where there is no version yet, everything is curated as by `curate`; so it is where the recipe means something else
    by now and `redo` allows it. Where nothing is new there is no version, and the outcome's change says what was looked
    at. Raises RedoError where `redo` is needed and not allowed, and what `curate` raises.
    """
    recipe = recipe.pinned()
    corpus = Corpus(recipe.output)
    parent = corpus.head()  # before the base is looked up: whoever publishes from here on is noticed by the commit
    base = corpus.newest()
    if base is None:
        return curate(recipe, runner, run_id, watch, guard)
    fingerprint = recipe.fingerprint()
    if run_id is not None and (own := published_by(corpus, run_id, fingerprint)) is not None:
        sweep(corpus)
        return found_again(corpus, own)
    try:
        check_meaning(recipe, base)
    except RedoError:
        if redo:
            return curate(recipe, runner, run_id, watch, guard)
        raise

    files = list_files(recipe)
    found = [file for shard in deal(files) for file in shard.inputs()]
    guard.inputs(found)  # what is unchanged may be read again, for the duplicates of what goes
    looked = compare_inputs(found, base)
    retires = recipe.refresh.vanished == "retire"
    if not looked.is_new and not (looked.vanished and retires):
        return found_again(corpus, base, Change(base=base.version, kind="refresh", looked=looked))

    shards = _shards(files, looked)
    leaving = _leaving(looked, retires=retires)
    read = [file for shard in shards for file in shard.inputs()]
    stays = [file for file in base.inputs if (file.source, file.uri) not in leaving]
    plan = Amendment(
        kind="refresh",
        base=base,
        files=files,
        shards=shards,
        inputs=(*stays, *read),
        looked=looked,
        revisions=tuple(_revisions(base, leaving)),
        tombstones=base.tombstones,
    )
    refuse_shared(recipe, plan.inputs)
    # What has vanished cannot be read again, so it is part of what determines the result, whether it stays or not.
    determined_by = (*plan.inputs, *looked.vanished)
    identity = Identity.of(fingerprint, determined_by, parent, f"refresh {recipe.refresh.model_dump_json()}")
    run = begin(corpus, recipe, identity, run_id)
    return publish_once(
        corpus, run, identity.parent, lambda: amend(corpus, run, identity, plan, runner, watch), guard, watch
    )


def _shards(files: Sequence[Files], looked: Looked) -> list[Shard]:
    """The new and the changed files, as they are read."""
    wanted = {(file.source, file.uri) for file in (*looked.new, *looked.changed)}
    some = []
    for source, url, entries in files:
        storage = open_storage(url)
        read = tuple(entry for entry in entries if (source.name, object_url(storage, entry.key)) in wanted)
        some.append(Files(source, url, read))
    return deal(some)


def _leaving(looked: Looked, *, retires: bool) -> dict[tuple[str, str], str]:
    """(source, URI) of the files whose old records go → why."""
    gone = {(file.source, file.uri): CHANGED for file in looked.changed}
    if retires:
        gone |= {(file.source, file.uri): RETIRED for file in looked.vanished}
    return gone


def _revisions(base: Manifest, leaving: dict[tuple[str, str], str]) -> Iterator[Revision]:
    """What leaves which pieces: those of the files' shards, and those whose records came of several."""
    by_shard: dict[str, dict[str, str]] = {}
    by_source: dict[str, dict[str, str]] = {}
    for file in base.inputs:
        reason = leaving.get((file.source, file.uri))
        if reason is not None:
            by_shard.setdefault(file.shard, {})[file.uri] = reason
            by_source.setdefault(file.source, {})[file.uri] = reason
    for number, piece in enumerate(base.pieces):
        gone = by_source.get(piece.source) if piece.mixed else by_shard.get(piece.shard)
        if gone:
            yield Revision(piece=number, files=gone)
