"""The straight line from a recipe to a published version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from pydantic import BaseModel, ConfigDict

from curation import decision
from curation.corpus import Corpus
from curation.dedup import DedupResult, ShardInput, deduplicate
from curation.errors import AccountingError, InputError, Problem, RecipeError
from curation.manifest import InputShard, Manifest
from curation.pipeline.filter import Filtered, Part, Run, filter_shard
from curation.pipeline.finish import Ending, Finished, finish_part
from curation.pipeline.inputs import Shard, list_shards
from curation.pipeline.progress import Progress, Watch, unwatched
from curation.recipe import Recipe
from curation.report import Dedup, Report, total
from curation.runner.runner import Runner
from curation.work import Work


class Outcome(BaseModel):
    """How a run ended. `published` is false where the version was there before: nothing was new, or it was done."""

    model_config = ConfigDict(frozen=True)

    run: str
    version: int
    published: bool
    report: Report


class _Identity(BaseModel):
    """What a run's id stands for; the first thing that a run writes."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    inputs: str
    parent: int


def curate(recipe: Recipe, runner: Runner, run_id: str | None = None, watch: Watch = unwatched) -> Outcome:
    """Run a recipe and publish a version of its corpus.

    Again is the same as once: a run that died goes on from its records, one that was published is not done again, and
    where neither the recipe nor the input has changed since the newest version, there is nothing to do.

    Raises RecipeError, InputError (nothing to read, too much unreadable, nothing kept), StorageError, ModelError and
    ConflictError; nothing is published then.
    """
    corpus = Corpus(recipe.output)
    shards = list_shards(recipe)
    inputs = tuple(file for shard in shards for file in shard.inputs())
    parent, fingerprint = corpus.head(), recipe.fingerprint()
    if (version := _already(corpus, parent, fingerprint, inputs, run_id)) is not None:
        return Outcome(run=version.run, version=version.version, published=False, report=corpus.report(version.version))

    run = _begin(corpus, recipe, _Identity(fingerprint=fingerprint, inputs=_digest(inputs), parent=parent), run_id)
    parts = _filter(run, shards, runner, watch)
    _check_failures(recipe, parts)
    verdicts = _deduplicate(run, parts, runner, watch)
    finished = _finish(run, parts, verdicts, parent + 1, runner, watch)
    report = _account(parts, finished, verdicts)

    watch(Progress(step="publish", done=0, total=1))
    manifest = _manifest(run, parent, fingerprint, inputs, finished, verdicts, report)
    version_number = corpus.publish(manifest, report, decision.decision_schema(run.values))
    run.work.storage.delete_prefix(run.work.prefix + "/")
    watch(Progress(step="publish", done=1, total=1))
    return Outcome(run=run.id, version=version_number, published=True, report=report)


def _already(
    corpus: Corpus, parent: int, fingerprint: str, inputs: tuple[InputShard, ...], run_id: str | None
) -> Manifest | None:
    """The version that this run would only make again, if there is one."""
    if parent == 0:
        return None
    if run_id is not None:
        done = corpus.published(run_id)
        return corpus.manifest(done) if done is not None else None
    newest = corpus.manifest(parent)
    return newest if (newest.fingerprint, newest.inputs) == (fingerprint, inputs) else None


def _begin(corpus: Corpus, recipe: Recipe, identity: _Identity, run_id: str | None) -> Run:
    """Open the run's folder. An id that was given stands for one identity only."""
    run_id = run_id or hashlib.sha256(identity.model_dump_json().encode()).hexdigest()[:12]
    work = Work(corpus.url, f"_runs/{run_id}")
    if (begun := work.once("run", _Identity, lambda: identity)) != identity:
        raise RecipeError(
            [Problem("--run-id", f"run {run_id} was begun with {_difference(begun, identity)}; give another id")]
        )
    return Run(run_id, recipe, work)


def _difference(begun: _Identity, now: _Identity) -> str:
    names = {"fingerprint": "another recipe", "inputs": "other input", "parent": "another parent version"}
    return " and ".join(text for name, text in names.items() if getattr(begun, name) != getattr(now, name))


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


def _check_failures(recipe: Recipe, parts: Sequence[Part]) -> None:
    """Stop loudly where more of a source is unreadable than the recipe allows."""
    for source in recipe.sources:
        records = sum(part.records for part in parts if part.source == source.name)
        failed = sum(part.failed for part in parts if part.source == source.name)
        if records and failed / records > recipe.max_failed:
            reasons: dict[str, str] = {}
            for part in parts:
                if part.source == source.name:
                    reasons |= {e.reason: f"{e.shard}: {e.detail}" for e in part.examples if e.id is None}
            first = "; ".join(f"{reason} ({where})" for reason, where in sorted(reasons.items())[:5])
            raise InputError(
                f"sources.{source.name}: {failed} of {records} records are unreadable, "
                f"more than max_failed={recipe.max_failed} allows; nothing is published. For example {first}"
            )


def _deduplicate(run: Run, parts: Sequence[Part], runner: Runner, watch: Watch) -> DedupResult | None:
    if run.recipe.exact is None and run.recipe.minhash is None:
        return None
    watch(Progress(step="deduplicate", done=0, total=1))
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
    result = deduplicate(run.work.under("dedup"), inputs, run.recipe.exact, run.recipe.minhash, runner, folder)
    watch(Progress(step="deduplicate", done=1, total=1))
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


def _account(parts: Sequence[Part], finished: Sequence[Finished], verdicts: DedupResult | None) -> Report:
    """The report of the run. Raises AccountingError unless in = kept + dropped + failed, for every part and source,
    and what the stages dropped leads from what was read to what is kept."""
    report = total(part.report for part in finished)
    for part, end in zip(parts, finished, strict=True):
        if end.report.documents() != part.records or (end.kept.rows if end.kept else 0) != end.report.documents("kept"):
            raise AccountingError(f"{part.name}: {part.records} records in, {end.report.documents()} accounted for")
    read: dict[str, int] = {}
    for part in parts:
        read[part.source] = read.get(part.source, 0) + part.records
    accounted = {source: sum(counts.values()) for source, counts in report.by("source").items()}
    if read != accounted:
        raise AccountingError(f"records read by source {read}, accounted for {accounted}")
    if (out := report.funnel()[-1].documents_out) != report.documents("kept"):
        raise AccountingError(f"the funnel ends with {out} documents, {report.documents('kept')} are kept")
    if not report.documents("kept"):
        raise InputError(f"of {report.documents()} records none is kept; nothing is published")
    if verdicts is None:
        return report
    dedup = Dedup(candidates=verdicts.candidates, verified=verdicts.verified, similarities=list(verdicts.similarities))
    return report.model_copy(update={"dedup": dedup})


def _manifest(
    run: Run,
    parent: int,
    fingerprint: str,
    inputs: tuple[InputShard, ...],
    finished: Sequence[Finished],
    verdicts: DedupResult | None,
    report: Report,
) -> Manifest:
    return Manifest(
        version=parent + 1,
        run=run.id,
        parent=parent,
        created=datetime.now(UTC),
        recipe=run.recipe.model_dump(mode="json"),
        fingerprint=fingerprint,
        inputs=inputs,
        shards=tuple(end.kept for end in finished if end.kept),
        decisions=tuple(end.decisions for end in finished),
        index=verdicts.index if verdicts else (),
        documents=report.documents("kept"),
        bytes=report.bytes("kept"),
    )


def _digest(inputs: Sequence[InputShard]) -> str:
    return hashlib.sha256(json.dumps([file.model_dump() for file in inputs]).encode()).hexdigest()[:32]
