"""From drafts to a version: the guard is asked, then one commit publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from curation import decision
from curation.change import Change
from curation.corpus import Corpus
from curation.errors import ConflictError, StorageError
from curation.manifest import InputShard, Kind, Manifest, Part, PieceFiles
from curation.pipeline.filter import Run
from curation.pipeline.guard import Guard
from curation.pipeline.held import Drafts, draft, drafted
from curation.pipeline.identity import Identity, sweep
from curation.pipeline.progress import Progress, Watch
from curation.report import Report


class Outcome(BaseModel):
    """How a run ended. `published` is false where the version was there before: nothing was new, or it was done."""

    model_config = ConfigDict(frozen=True)

    run: str
    version: int
    published: bool
    report: Report
    change: Change


def manifest_of(
    run: Run,
    identity: Identity,
    pieces: Sequence[PieceFiles],
    report: Report,
    *,
    kind: Kind = "run",
    meaning: dict[str, str],
    inputs: Sequence[InputShard],
    index: Sequence[Part] = (),
    tombstones: Sequence[Part] = (),
    settled: Mapping[str, Any],
) -> Manifest:
    """The manifest of the version that a run's pieces are."""
    return Manifest(
        version=identity.parent + 1,
        run=run.id,
        parent=identity.parent,
        kind=kind,
        created=datetime.now(UTC),
        recipe=run.recipe.model_dump(mode="json"),
        fingerprint=identity.fingerprint,
        meaning=meaning,
        inputs=tuple(inputs),
        pieces=tuple(files.piece for files in pieces),
        shards=tuple(files.kept for files in pieces if files.kept),
        decisions=tuple(files.decisions for files in pieces),
        ids=tuple(files.ids for files in pieces),
        index=tuple(index),
        tombstones=tuple(tombstones),
        settled=dict(settled),
        documents=report.documents("kept"),
        bytes=report.bytes("kept"),
        tokens=report.tokens("kept"),
    )


def publish_once(
    corpus: Corpus, run: Run, parent: int, work: Callable[[], Drafts], guard: Guard, watch: Watch
) -> Outcome:
    """Do the work, unless its drafts are there; ask the guard, publish, and sweep the run's records away."""
    try:
        manifest, report, change = drafted(corpus, run) or draft(run.work, *work())
        guard.publish(manifest, report, change)
        watch(Progress(step="publish", done=0, total=1))
        corpus.publish(manifest, report, change, decision.decision_schema(run.values))
    except StorageError as error:
        # The same run, or another, may have published meanwhile and swept this one's work away.
        if (version := corpus.published(run.id)) is not None:
            return found_again(corpus, corpus.manifest(version))
        if corpus.head() != parent:
            raise ConflictError(f"{corpus.url}: somebody else published while run {run.id} worked") from error
        raise
    watch(Progress(step="publish", done=1, total=1))
    sweep(corpus)
    return Outcome(run=run.id, version=manifest.version, published=True, report=report, change=change)


def found_again(corpus: Corpus, manifest: Manifest, change: Change | None = None) -> Outcome:
    """The outcome of a run that published nothing, as this version says it already; `change` is what it looked at."""
    return Outcome(
        run=manifest.run,
        version=manifest.version,
        published=False,
        report=corpus.report(manifest.version),
        change=change or corpus.change(manifest.version),
    )
