"""Takedown: a version without some documents, and tombstones that keep them from coming back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from curation.corpus import Corpus
from curation.document import ROW, SHARD, SOURCE
from curation.errors import AccountingError, ConflictError, MissingError, OtherRunError, Problem
from curation.manifest import InputShard, Manifest, Part, part
from curation.pipeline.addresses import write_table
from curation.pipeline.amend import Amendment, amend
from curation.pipeline.certificate import Asked, Certificate, Erasure, Findings, Holder, certificates, findings, holders
from curation.pipeline.compare import means_the_same
from curation.pipeline.erasure import check_erasable, erase, forget
from curation.pipeline.filter import Run
from curation.pipeline.guard import Guard, Unguarded
from curation.pipeline.identity import Identity, begin, check_id
from curation.pipeline.inputs import Files, deal
from curation.pipeline.matches import Matches, find_matches
from curation.pipeline.progress import CountedRunner, Watch, unwatched
from curation.pipeline.publishing import publish_once
from curation.pipeline.rewrite import DROPS, Revision
from curation.recipe import Recipe
from curation.runner.runner import Runner
from curation.storage import Storage, find
from curation.tombstones import TAKEDOWN, Criteria, Tombstone, Tombstones, tombstone

TOMBSTONES = "_tombstones"
UNGUARDED = Unguarded()


class Look(BaseModel):
    """What a takedown would remove."""

    model_config = ConfigDict(frozen=True)

    documents: int
    """Kept documents of the newest version that match."""
    bytes: int
    reasons: dict[str, int]
    sources: dict[str, int]
    versions: tuple[Holder, ...]
    """The versions that hold any of the documents."""
    unknown_versions: tuple[int, ...]


class TakenDown(BaseModel):
    """How a takedown ended. `published` is false where the version was there before."""

    model_config = ConfigDict(frozen=True)

    published: bool
    certificate: Certificate


@dataclass(frozen=True)
class _Request:
    """What is asked of which corpus."""

    corpus: Corpus
    criteria: Criteria
    reason: str | None
    erase: bool
    who: str


def look(url: str, criteria: Criteria, runner: Runner, *, erase: bool = False, watch: Watch = unwatched) -> Look:
    """What `takedown` would remove; nothing is written. Raises as it, for what can be known before."""
    request = _Request(Corpus(url), criteria, None, erase, "")
    newest = request.corpus.manifest()
    _, found = _found(request, newest, "look", runner, watch)
    own = [found.by_file[each.path] for each in newest.shards if each.path in found.by_file]
    table = pa.concat_tables(own) if own else found.documents.slice(0, 0)
    _check(request, found)
    return Look(
        documents=table.num_rows,
        bytes=sum(table["bytes"].to_pylist()),
        reasons=_counts(table, "reason"),
        sources=_counts(table, SOURCE),
        versions=holders(request.corpus, found),
        unknown_versions=found.gone,
    )


def takedown(
    url: str,
    criteria: Criteria,
    runner: Runner,
    *,
    reason: str | None = None,
    erase: bool = False,
    who: str = "",
    run_id: str | None = None,
    watch: Watch = unwatched,
    guard: Guard = UNGUARDED,
) -> TakenDown:
    """Publish a version without the documents that match, and write a certificate; with `erase`, remove their texts
    from every version, and prove it. Again is the same as once: what was cut off is finished.

    Raises MissingError where nothing matches, StorageError and ConflictError where it cannot be erased, HeldError where
    a gate or the guard holds the new version: nothing is published then.
    """
    request = _Request(Corpus(url), criteria, reason, erase, who)
    corpus = request.corpus
    if erase:
        check_erasable(corpus)
    stone = Tombstones.load(corpus.storage, corpus.manifest().tombstones).of(criteria)
    published = stone is None
    if stone is None:
        stone = _publish(request, run_id, runner, watch, guard)
    certificate = _certified(request, stone)
    if certificate is None:
        certificate = _certify(request, stone, runner, watch)
    if erase:
        forget(corpus, stone.run)
    return TakenDown(published=published, certificate=certificate)


# ------------------------------------------------------------------------- publishing


def _publish(request: _Request, run_id: str | None, runner: Runner, watch: Watch, guard: Guard) -> Tombstone:
    """Publish the version without the documents; its tombstone."""
    corpus = request.corpus
    parent = corpus.head()  # before the base is looked up: whoever publishes from here on is noticed by the commit
    base = corpus.manifest()
    recipe = Recipe.model_validate(base.recipe)
    files = tuple(_files(recipe)) if _may_promote(recipe, base) else ()
    found_inputs = [file for shard in deal(files) for file in shard.inputs()]
    identity = _identity(request, base, parent, found_inputs)
    name = run_id or identity.run_id
    check_id(name)
    if corpus.published(name) is not None:
        raise OtherRunError([Problem("--run-id", f"run {name} has published something else; give another id")])
    stone, found = _found(request, base, name, runner, watch)
    _check(request, found)
    guard.inputs(found_inputs)
    run = begin(corpus, recipe, identity, name)
    stone, own = _set(corpus.storage, stone)
    run = replace(run, tombstones=(*base.tombstones, own))
    plan = Amendment(
        kind="takedown",
        base=base,
        files=files,
        inputs=base.inputs,
        revisions=tuple(_revisions(run, base, found, request.reason)),
        tombstones=run.tombstones,
    )
    publish_once(corpus, run, identity.parent, lambda: amend(corpus, run, identity, plan, runner, watch), guard, watch)
    return stone


def _identity(request: _Request, base: Manifest, parent: int, found: Sequence[InputShard]) -> Identity:
    """Which of the base's files cannot be read again determines the result, too: their duplicates are stranded."""
    asked = hashlib.sha256(orjson.dumps([request.criteria.digest, request.reason])).hexdigest()
    there = {file.file for file in found}
    lost = [file for file in base.inputs if file.file not in there]
    return Identity.of(base.fingerprint, [*base.inputs, *lost], parent, f"takedown {asked}")


def _found(request: _Request, base: Manifest, run: str, runner: Runner, watch: Watch) -> tuple[Tombstone, Matches]:
    """The tombstone of what is asked, with the texts that it names, and the documents that it refuses."""
    corpus, criteria = request.corpus, request.criteria
    stones = Tombstones.load(corpus.storage, base.tombstones)
    stone = tombstone(run, criteria, stones.salt, request.reason)
    found = _matches(corpus, stone, runner, watch, with_texts=False)
    if criteria.concerns_texts:
        hashes = {each for each in found.documents["text_hash"].to_pylist() if each is not None}
        stone = stone.model_copy(update={"texts": tuple(sorted(hashes))})
        if request.erase or not _keeps_texts_once(base):
            found = _matches(corpus, stone, runner, watch, with_texts=True)
    return stone, found


def _matches(corpus: Corpus, stone: Tombstone, runner: Runner, watch: Watch, *, with_texts: bool) -> Matches:
    counted = CountedRunner(runner, "look", watch)
    found = find_matches(corpus, Tombstones([stone]), counted, with_texts=with_texts)
    counted.end()
    return found


def _keeps_texts_once(base: Manifest) -> bool:
    """Whether no two kept documents of the version have the same text."""
    exact = Recipe.model_validate(base.recipe).exact
    return exact is not None and exact.scope == "corpus"


def _check(request: _Request, found: Matches) -> None:
    """Raises MissingError where nothing matches, ConflictError where what is to be erased is under a legal hold."""
    if not found.held:
        raise MissingError(
            f"{request.corpus.url}: no document that a version keeps matches; nothing is taken down. Ids and sources "
            "are compared as they are, licences without regard to case, URLs by host and path"
        )
    if request.erase:
        check_erasable(request.corpus, [held.version.version for held in found.held])


def _set(storage: Storage, stone: Tombstone) -> tuple[Tombstone, Part]:
    """Write the tombstone, unless this run did before: its salt may be another, and is what was published then."""
    path = f"{TOMBSTONES}/{stone.run}.json"
    with suppress(ConflictError):
        storage.create(path, stone.model_dump_json(indent=1).encode())
    data = storage.read(path)
    return Tombstone.model_validate_json(data), part(path, data, 0)


def _revisions(run: Run, base: Manifest, found: Matches, reason: str | None) -> Iterator[Revision]:
    """The documents that go, by piece."""
    for number, files in enumerate(base.files()):
        table = found.by_file.get(files.kept.path) if files.kept else None
        if table is not None:
            given = {
                **{name: table[name] for name in (SHARD, ROW, "reason")},
                "stage": pa.repeat(TAKEDOWN, table.num_rows),
                "detail": pa.repeat(pa.scalar(reason, pa.string()), table.num_rows),
            }
            columns = [given.get(field.name, pa.nulls(table.num_rows, field.type)) for field in DROPS]
            key = run.work.key(f"takedown/{number:06d}.parquet")
            drops = pa.table(columns, schema=DROPS)
            yield Revision(piece=number, drops=(write_table(run.work.storage, key, drops),))


def _may_promote(recipe: Recipe, base: Manifest) -> bool:
    """Whether duplicates can be decided anew as the recipe decided the others; what cannot is stranded."""
    return recipe.refresh.promote and means_the_same(recipe, base)


def _files(recipe: Recipe) -> Iterator[Files]:
    """The input files as they are now; a takedown goes on where a source has none any more."""
    for source in recipe.sources:
        storage, entries = find(source.uri)
        yield Files(source, storage.url, tuple(entries))


# ------------------------------------------------------------------------ certifying


def _certified(request: _Request, stone: Tombstone) -> Certificate | None:
    """The certificate of this very takedown, if it was written before."""
    wanted = (stone.run, request.erase)
    every = reversed(certificates(request.corpus.storage).history())
    return next((each for each in every if (each.run, each.asked.erase) == wanted), None)


def _certify(request: _Request, stone: Tombstone, runner: Runner, watch: Watch) -> Certificate:
    """Erase, if that is asked, and write down what was done."""
    corpus = request.corpus
    version = corpus.published(stone.run)
    if version is None:
        raise AccountingError(f"{corpus.url}: the tombstone of run {stone.run} is in force, but it published nothing")
    own, change = corpus.manifest(version), corpus.change(version)
    found, erasure = _concluded(request, stone, runner, watch)
    ledger = certificates(corpus.storage)
    number, last = ledger.last()
    certificate = Certificate(
        number=number + 1,
        previous=last.digest if last else "",
        corpus=corpus.url,
        written=datetime.now(UTC),
        who=request.who,
        asked=_asked(request, stone),
        version=version,
        run=stone.run,
        base=change.base,
        digest_before=corpus.manifest(change.base).digest,
        digest_after=own.digest,
        documents=found.documents,
        versions=found.versions,
        unknown_versions=found.unknown_versions,
        promoted=change.promoted,
        stranded=change.stranded,
        erasure=erasure,
    ).sealed()
    ledger.append(certificate, number)
    return certificate


def _concluded(request: _Request, stone: Tombstone, runner: Runner, watch: Watch) -> tuple[Findings, Erasure | None]:
    """What is taken down, in which versions; erased, if that is asked."""
    corpus = request.corpus

    def search() -> Matches:
        by_text = request.erase or not _keeps_texts_once(corpus.manifest())
        return _matches(corpus, stone, runner, watch, with_texts=bool(stone.texts) and by_text)

    if not request.erase:
        return findings(corpus, stone.salt, search()), None
    counted = CountedRunner(runner, "erase", watch)
    done = erase(corpus, stone.run, Tombstones([stone]), search, counted, request.who)
    counted.end()
    return done


def _asked(request: _Request, stone: Tombstone) -> Asked:
    return Asked(
        ids=len(stone.ids) + len(stone.source_ids),
        urls=stone.urls,
        sources=stone.sources,
        licences=stone.licences,
        reason=stone.reason,
        erase=request.erase,
    )


def _counts(table: pa.Table, column: str) -> dict[str, int]:
    counted = pc.value_counts(table[column]).to_pylist()
    return {each["values"]: each["counts"] for each in sorted(counted, key=lambda each: str(each["values"]))}
