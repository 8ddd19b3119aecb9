"""Bringing a version back: a new version whose content is an old one's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from curation import decision
from curation.change import Change
from curation.corpus import Corpus, Version
from curation.errors import ConflictError, CorruptError, MissingError, StorageError, TransientError
from curation.manifest import Manifest, Part
from curation.pipeline.held import Drafts, draft
from curation.pipeline.identity import RUNS, Identity, sweep
from curation.pipeline.publishing import Outcome, found_again
from curation.report import Report
from curation.work import Work


def restore(corpus: Corpus, number: int) -> Outcome:
    """Publish a version again as the newest, in one commit. Nothing is copied: it names the files that the old one
    names. Where the newest is that version, or has brought it back, there is nothing to do.

    No gate is asked: who restores has decided. Raises MissingError where the version, or a file of it, is not there any
    more, ConflictError where documents were taken down since (they would come back) or somebody else published first.
    """
    parent, newest, old = corpus.head(), corpus.manifest(), corpus.manifest_of(corpus.readable(number))
    if number in (newest.version, newest.restored):
        sweep(corpus)
        return found_again(corpus, newest)
    if old.tombstones != newest.tombstones:
        raise ConflictError(
            f"{corpus.url}: documents were taken down after version {number}, and restoring it would bring them back. "
            f"Restore a version made since, or change the recipe and run it"
        )
    work = Work(corpus.url, f"{RUNS}/restore-{number}-{parent}")
    try:
        # The draft comes before the look at what is there: a vacuum leaves what drafts name, and says beforehand which
        # versions it takes.
        manifest, report, change = _draft(work, old, parent, corpus.report(number))
        _check_files(corpus, corpus.readable(number), manifest.parts)
        corpus.publish(manifest, report, change, decision.SCHEMA)
    except (StorageError, ConflictError) as error:
        return _not_published(corpus, work, parent, error)
    sweep(corpus)
    return Outcome(run=manifest.run, version=manifest.version, published=True, report=report, change=change)


def _draft(work: Work, old: Manifest, parent: int, report: Report) -> Drafts:
    """Written down like those of a run that is done but for publishing."""
    identity = Identity.of(old.fingerprint, old.inputs, parent, f"restore {old.version}")
    work.once("run", Identity, lambda: identity)
    manifest = old.model_copy(
        update={
            "version": parent + 1,
            "run": _run_id(work),
            "parent": parent,
            "kind": "restore",
            "restored": old.version,
            "created": datetime.now(UTC),
        }
    )
    return draft(work, manifest, report, Change(base=parent, kind="restore"))


def _not_published(corpus: Corpus, work: Work, parent: int, error: StorageError | ConflictError) -> Outcome:
    """The same restore may have been done elsewhere meanwhile; else raises what there is to say, and leaves nothing
    behind unless trying again may help."""
    if not isinstance(error, TransientError):
        corpus.storage.delete_prefix(f"{work.prefix}/")
    if (done := corpus.published(_run_id(work))) is not None:
        return found_again(corpus, corpus.manifest(done))
    if corpus.head() != parent:  # whoever published has swept this one's work away
        raise ConflictError(f"{corpus.url}: somebody else published first; look, and restore again") from error
    raise error


def _run_id(work: Work) -> str:
    return work.prefix.removeprefix(f"{RUNS}/")


def _check_files(corpus: Corpus, version: Version, parts: Sequence[Part]) -> None:
    """Raises MissingError or CorruptError unless every file is there in its size, by one listing a folder."""
    folders = sorted({part.path.rpartition("/")[0] for part in parts})
    sizes = {entry.key: entry.size for folder in folders for entry in corpus.storage.list(f"{folder}/", deep=False)}
    for part in parts:
        if part.path not in sizes:
            raise MissingError(
                f"{corpus.url}: version {version.version} cannot be restored: {part.path} is not there any more"
            )
        if sizes[part.path] != part.bytes:
            found = f"{part.path} has {sizes[part.path]} bytes, expected {part.bytes}"
            raise CorruptError(f"{corpus.url}: version {version.version} cannot be restored: {found}")
