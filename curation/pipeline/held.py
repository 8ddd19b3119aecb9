"""The drafts of a run that is done but for publishing: what it would publish can be looked at, published or abandoned.

A run is *held* while it does not pass its recipe's gates, or waits for an approval. Its drafts are the truth of that:
they go with the run's folder, which the next version of the corpus sweeps away.
"""

from __future__ import annotations

from datetime import UTC, datetime

from curation import decision
from curation.change import Approval, Change
from curation.corpus import Corpus
from curation.errors import ConflictError, MissingError
from curation.manifest import Manifest
from curation.pipeline.filter import Run
from curation.pipeline.gates import check_gates
from curation.pipeline.identity import RUNS, check_id, sweep
from curation.recipe import validate_recipe
from curation.report import Report
from curation.work import Work

Drafts = tuple[Manifest, Report, Change]


def held(corpus: Corpus, run_id: str) -> Drafts:
    """What a run that has not published would publish. Raises MissingError where it has not come so far, or is gone."""
    work = _work(corpus, run_id)
    manifest = Manifest.model_validate_json(work.storage.read(work.key("manifest.json")))
    report, change = (work.storage.read(work.key(f"{name}.json")) for name in ("report", "change"))
    return manifest, Report.model_validate_json(report), Change.model_validate_json(change)


def drafted(corpus: Corpus, run: Run) -> Drafts | None:
    """The drafts that the run wrote before, if it did: what was approved is what is published.

    They are judged by the recipe as it is now: its gates may have changed, which makes it no other run.
    """
    if (drafts := _if_held(corpus, run.id)) is None:
        return None
    manifest, report, change = drafts
    recipe = run.recipe.model_dump(mode="json")
    if manifest.recipe != recipe:
        breaches = check_gates(run.recipe, corpus, manifest.parent, report, change)
        change = change.model_copy(update={"breaches": breaches})
        manifest = manifest.model_copy(update={"recipe": recipe})
        _write(run.work, "change", change)
        _write(run.work, "manifest", manifest)
    return manifest, report, change


def draft(work: Work, manifest: Manifest, report: Report, change: Change) -> Drafts:
    """Write down, once, what a run is about to publish; the manifest last, so that with it there is the rest."""
    report = work.once("report", Report, lambda: report)
    change = work.once("change", Change, lambda: change)
    return work.once("manifest", Manifest, lambda: manifest), report, change


def held_runs(corpus: Corpus) -> list[Drafts]:
    """The drafts of every run that is done but for publishing, by run id."""
    keys = (entry.key.split("/") for entry in corpus.storage.list(f"{RUNS}/"))
    runs = sorted(parts[1] for parts in keys if len(parts) == 3 and parts[2] == "manifest.json")
    found = (_if_held(corpus, run) for run in runs if corpus.published(run) is None)
    return [drafts for drafts in found if drafts is not None]


def held_run(corpus: Corpus, run_id: str) -> Drafts:
    """As `held`, for a person who names the run. Raises MissingError with the runs that are held."""
    check_id(run_id, "RUN")
    if (drafts := _if_held(corpus, run_id)) is None:
        known = ", ".join(manifest.run for manifest, _, _ in held_runs(corpus))
        what = f"these are: {known}" if known else "nor is any other"
        raise MissingError(f"{corpus.url}: no run {run_id!r} is held; {what}")
    return drafts


def publish_held(corpus: Corpus, run_id: str, by: str, digest: str | None = None) -> Manifest:
    """Publish the drafts of a held run, whatever gates it does not pass; again is the same as once.

    Its change records who let it pass. Gives the manifest of its version.

    Raises MissingError where it is not held, ConflictError where it is not what `digest` says, or where somebody else
    has published since it began; nothing is published then.
    """
    check_id(run_id, "RUN")
    if (version := corpus.published(run_id)) is not None:
        published = corpus.manifest(version)
        _expect_digest(corpus, published, digest)
        return published
    manifest, report, change = held_run(corpus, run_id)
    _expect_digest(corpus, manifest, digest)
    approved = change.model_copy(update={"approved": Approval(by=by, at=datetime.now(UTC))})
    run = Run(run_id, validate_recipe(manifest.recipe), _work(corpus, run_id))
    corpus.publish(manifest, report, approved, decision.decision_schema(run.values))
    sweep(corpus)
    return manifest


def abandon(corpus: Corpus, run_id: str) -> None:
    """Forget a held run. The files that it wrote for its version, which no version names, are left to a vacuum.

    Raises MissingError where it is not held.
    """
    held_run(corpus, run_id)
    corpus.storage.delete_prefix(f"{_work(corpus, run_id).prefix}/")


def _if_held(corpus: Corpus, run_id: str) -> Drafts | None:
    try:
        return held(corpus, run_id)
    except MissingError:
        return None


def _work(corpus: Corpus, run_id: str) -> Work:
    return Work(corpus.url, f"{RUNS}/{run_id}")


def _expect_digest(corpus: Corpus, manifest: Manifest, digest: str | None) -> None:
    if digest not in {None, manifest.digest}:
        raise ConflictError(
            f"{corpus.url}: run {manifest.run} is not what you have seen: its digest is {manifest.digest}, "
            f"expected {digest}. Look at it again and give that digest"
        )


def _write(work: Work, name: str, model: Change | Manifest) -> None:
    work.storage.write(work.key(f"{name}.json"), model.model_dump_json().encode())
