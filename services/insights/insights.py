"""Every question about corpora, answered from the corpora's own tables; the database only says which there are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from curation import corpus as library
from curation import mixture
from curation.difference import SAMPLES, Difference, difference, previous
from curation.errors import CorruptError, MissingError, RecipeError, StorageError, TransientError
from curation.history import History, history
from curation.manifest import Manifest
from curation.pipeline.held import held
from curation.report import EXAMPLES, Report
from curation.vacuums import vacuums
from services.catalogue import Catalogue, CorpusEntry
from services.errors import Forbidden, IllegalState, Invalid, NotFound, ServiceError, Unavailable
from services.insights import histograms, views
from services.insights.memory import Memory, weight
from services.insights.models import (
    Corpus,
    CorpusVersion,
    Explanation,
    Funnel,
    Histogram,
    Mixture,
    Reasons,
    RunReport,
    Samples,
    Statistics,
    VersionChange,
    VersionSummary,
)
from services.insights.runs import REBUILT, job_of
from services.jobs.job import Job
from services.jobs.states import State

MIB = 1 << 20
KNOWN_BYTES = 128 * MIB
"""Of versions' manifests and reports that a process remembers."""
VERSIONS_BYTES = STATISTICS_BYTES = MIXTURES_BYTES = HISTOGRAMS_BYTES = DIFFERENCES_BYTES = 16 * MIB
VERSION_BYTES = 1000
"""About what one entry of a corpus's list of versions takes."""
MAX_DECISIONS = 100
"""How many decisions about one id an answer has; ids may repeat without end."""
BINS = 20

Place = tuple[str, str, int]
"""A project's id, a corpus's name, a version's number."""


@dataclass(frozen=True)
class Looked:
    """What answers about one version are made of."""

    corpus: library.Corpus
    manifest: Manifest
    key: tuple[Hashable, ...]
    """What answers are remembered by: another one for every other version, and for this one once its files are gone."""


@dataclass(frozen=True)
class _Known:
    """What never changes about one version."""

    version: library.Version
    manifest: Manifest
    report: Report


class Insights:
    """Raises NotFound for a corpus, version, reason or document that is not there, Unavailable where a store fails,
    Forbidden for a corpus that is no longer within its project's roots: `confine` (project id, address) raises Invalid.
    """

    def __init__(self, catalogue: Catalogue, confine: Callable[[str, str], None] | None = None) -> None:
        self._catalogue = catalogue
        self._confine = confine
        self._versions: Memory[list[library.Version]] = Memory(
            VERSIONS_BYTES, lambda versions: VERSION_BYTES * (len(versions) + 1)
        )
        self._known: Memory[_Known] = Memory(KNOWN_BYTES, lambda known: weight(known.manifest, known.report))
        self._statistics: Memory[Statistics] = Memory(STATISTICS_BYTES, weight)
        self._mixtures: Memory[Mixture] = Memory(MIXTURES_BYTES, weight)
        self._histograms: Memory[Histogram] = Memory(HISTOGRAMS_BYTES, weight)
        self._differences: Memory[Difference] = Memory(DIFFERENCES_BYTES, weight)

    def corpus(self, project_id: str, name: str) -> Corpus:
        """A corpus and its newest version."""
        entry, opened = self.open(project_id, name)
        with answered():
            versions = self._published(opened)
        newest = views.summary(versions[-1]) if versions else None
        return Corpus(name=entry.name, url=entry.url, created=entry.created, newest=newest)

    def holds_corpus(self, url: str) -> bool:
        """Whether there is a corpus at this (confined) address, published or not."""
        with answered():
            return library.Corpus(url).newest_commit() is not None

    def versions(
        self, project_id: str, name: str, *, after: int | None = None, limit: int = 50
    ) -> Sequence[VersionSummary]:
        """Newest first; `after` is the number of the last one seen."""
        _, versions = self.published(project_id, name)
        older = [version for version in reversed(versions) if after is None or version.version < after]
        return [views.summary(version) for version in older[:limit]]

    def version(self, project_id: str, name: str, number: int | None = None) -> CorpusVersion:
        """One version; every method that takes a number takes None for the newest."""
        _, known = self._look(project_id, name, number)
        return views.version_of(known.version, known.manifest)

    def manifest(self, project_id: str, name: str, number: int | None = None) -> Manifest:
        """What the version was made from and the files that it is, as trainers and `verify` read it."""
        return self._look(project_id, name, number)[1].manifest

    def report(self, project_id: str, name: str, number: int | None = None) -> Report:
        """The version's own report."""
        return self._look(project_id, name, number)[1].report

    def change(self, project_id: str, name: str, number: int | None = None) -> VersionChange:
        """How the version came of the one before it."""
        opened, known = self._look(project_id, name, number)
        with answered():
            return views.change_of(known.version, opened.change_of(known.version))

    def statistics(self, project_id: str, name: str, number: int | None = None) -> Statistics:
        """Read once from all decisions, then remembered."""
        opened, known = self._look(project_id, name, number)
        with answered():
            return self._statistics.get(_key(opened, known), lambda: _statistics(opened, known))

    def funnel(self, project_id: str, name: str, number: int | None = None) -> Funnel:
        """Where the documents went, stage by stage."""
        _, known = self._look(project_id, name, number)
        return Funnel(version=known.version.version, run=known.version.run, steps=views.steps(known.report))

    def reasons(self, project_id: str, name: str, number: int | None = None) -> Reasons:
        """Why documents were dropped, most first."""
        _, known = self._look(project_id, name, number)
        return Reasons(
            version=known.version.version,
            run=known.version.run,
            documents_read=known.report.documents(),
            reasons=views.reasons(known.report),
        )

    def samples(self, project_id: str, name: str, number: int | None, reason: str, *, limit: int = EXAMPLES) -> Samples:
        """Some of what was dropped for a reason; at most `EXAMPLES` are kept."""
        _, known = self._look(project_id, name, number)
        return views.samples(known.manifest, known.report, reason, limit)

    def mixture(self, project_id: str, name: str, number: int | None = None) -> Mixture:
        """The sources' shares, and what the recipe's mixture makes of them; read once from all decisions, then
        remembered."""
        opened, known = self._look(project_id, name, number)
        with answered():
            return self._mixtures.get((*_key(opened, known), known.version.gone), lambda: _mixture(opened, known))

    def histogram(self, project_id: str, name: str, number: int | None, column: str, *, bins: int = BINS) -> Histogram:
        """How a number of the decisions is distributed among kept and dropped documents."""
        opened, known = self._look(project_id, name, number)
        with answered():
            return self._histograms.get(
                (*_key(opened, known), column, bins),
                lambda: histograms.histogram(opened.storage, known.manifest, column, bins),
            )

    def columns(self, project_id: str, name: str, number: int | None = None) -> Sequence[str]:
        """The numbers of the decisions: what stages measured, the text's length, what drops were decided by."""
        opened, known = self._look(project_id, name, number)
        with answered():
            return histograms.numeric_columns(opened.storage, known.manifest)

    def distribution(
        self, project_id: str, name: str, number: int | None, column: str, *, bins: int = BINS
    ) -> Histogram:
        """As `histogram`; of lengths, and of counts that are spread widely, the bins double."""
        opened, known = self._look(project_id, name, number)
        with answered():
            return self._histograms.get(
                (*_key(opened, known), column, bins, "distribution"),
                lambda: histograms.distribution(opened.storage, known.manifest, column, bins),
            )

    def explain(
        self, project_id: str, name: str, number: int | None, document_id: str, *, source: str | None = None
    ) -> Explanation:
        """Why a document was kept or dropped."""
        opened, known = self._look(project_id, name, number)
        manifest = known.manifest
        with answered():
            found = opened.decisions_about(manifest, document_id, source, limit=MAX_DECISIONS + 1)
            shown = found[:MAX_DECISIONS]
            decisions = [views.decision_of(manifest, one, opened.kept_document(manifest, one)) for one in shown]
        return Explanation(
            id=document_id,
            version=manifest.version,
            run=manifest.run,
            decisions=tuple(decisions),
            more=len(found) > MAX_DECISIONS,
        )

    def history(self, project_id: str, name: str, document_id: str) -> History:
        """Every version in which the decision about a document changed."""
        _, opened = self.open(project_id, name)
        with answered():
            return history(opened, document_id)

    def diff(
        self, project_id: str, name: str, a: int | None, b: int | None, *, samples: int = SAMPLES, seed: int = 0
    ) -> Difference:
        """What version `b` (None: the newest) has against version `a` (None: the one before `b`); made once, then
        remembered until one of them is removed."""
        opened, newer = self._look(project_id, name, b)
        with answered():
            before = a if a is not None else previous(opened.url, self._published(opened), newer.version)
        _, older = self._look(project_id, name, before)
        ends = (*_key(opened, older), older.version.gone, *_key(opened, newer), newer.version.gone)
        with answered():
            return self._differences.get(
                (*ends, samples, seed),
                lambda: difference(opened, older.version.version, newer.version.version, samples, seed),
            )

    # ------------------------------------------------------------------------- jobs

    def job_report(self, project_id: str, job: Job) -> RunReport:
        """What a job that succeeded did, or what a held one would publish. Raises IllegalState for others."""
        manifest, report, is_draft = self._of_job(project_id, job)
        return views.run_report(manifest, report, is_draft=is_draft)

    def job_samples(self, project_id: str, job: Job, reason: str, *, limit: int = EXAMPLES) -> Samples:
        """As `samples`, of a job that succeeded or is held."""
        manifest, report, _ = self._of_job(project_id, job)
        return views.samples(manifest, report, reason, limit)

    def _of_job(self, project_id: str, job: Job) -> tuple[Manifest, Report, bool]:
        """From the job's own corpus, whatever is called so in the catalogue by now."""
        if job.state is State.SUCCEEDED and job.version is not None:
            known = self._version_of(self._within(project_id, job.corpus_url), job.corpus, job.version)
            _expect_made_by(job, known.version)
            return known.manifest, known.report, False
        if job.state is State.HELD:
            opened = self._within(project_id, job.corpus_url)
            with answered():
                manifest, report, _ = held(opened, job.run)
            return manifest, report, True
        raise IllegalState(f"job {job.id} is {job.state}; there is a report once it is HELD or has SUCCEEDED")

    # ----------------------------------------------------------------------- looking

    def open(self, project_id: str, name: str) -> tuple[CorpusEntry, library.Corpus]:
        """A corpus of the project, as the library has it."""
        entry = self._catalogue.get(project_id, name)
        return entry, self._within(project_id, entry.url)

    def look(self, place: Place) -> Looked:
        """A version, as the library has it."""
        opened, known = self._look(*place)
        return Looked(opened, known.manifest, (*_key(opened, known), known.version.gone))

    def published(self, project_id: str, name: str) -> tuple[library.Corpus, Sequence[library.Version]]:
        """A corpus of the project with its versions, oldest first, as the library has them."""
        _, opened = self.open(project_id, name)
        with answered():
            return opened, self._published(opened)

    def _within(self, project_id: str, url: str) -> library.Corpus:
        """The corpus at an address that was within the project's roots, and must still be."""
        if self._confine is not None:
            try:
                self._confine(project_id, url)
            except Invalid:
                raise Forbidden(f"the corpus at {url} is not within this project's roots (any more)") from None
        with answered():
            return library.Corpus(url)

    def _published(self, opened: library.Corpus) -> list[library.Version]:
        """The corpus's versions, read anew when there is another newest commit, or another vacuum."""
        head = opened.newest_commit()
        if head is None:
            return []
        vacuumed = vacuums(opened.storage).numbers()[-1:]  # which versions are gone is in no commit
        return self._versions.get((opened.url, head, *vacuumed), opened.versions)

    def _look(self, project_id: str, name: str, number: int | None) -> tuple[library.Corpus, _Known]:
        _, opened = self.open(project_id, name)
        return opened, self._version_of(opened, name, number)

    def _version_of(self, opened: library.Corpus, name: str, number: int | None) -> _Known:
        with answered():
            versions = self._published(opened)
            chosen = [version for version in versions if number is None or version.version == number]
            if not chosen:
                what = "has no version yet" if number is None or not versions else f"has no version {number}"
                raise NotFound(f"corpus {name!r} {what}")
            version = chosen[-1]
            key = (opened.url, version.version, version.run, version.published, version.gone)
            return self._known.get(key, lambda: _read(opened, version))


def _read(opened: library.Corpus, version: library.Version) -> _Known:
    return _Known(version, opened.manifest_of(version), opened.report_of(version))


def _key(opened: library.Corpus, known: _Known) -> tuple[Hashable, ...]:
    return (opened.url, known.version.version, known.version.run, known.version.published)


def _statistics(opened: library.Corpus, known: _Known) -> Statistics:
    storage, manifest, report = opened.storage, known.manifest, known.report
    columns = histograms.measured_columns(storage, manifest)
    return Statistics(
        version=manifest.version,
        run=manifest.run,
        total=views.kept_amount(report),
        sources=views.groups(report, "source"),
        languages=views.groups(report, "language"),
        lengths=histograms.lengths(storage, manifest),
        values=tuple(histograms.histograms(storage, manifest, columns, BINS)),
    )


def _mixture(opened: library.Corpus, known: _Known) -> Mixture:
    manifest, report = known.manifest, known.report
    if known.version.gone or not report.documents("kept"):
        return views.mixture(manifest, report, None, None)
    try:
        asked = mixture.Mixture.model_validate(manifest.recipe.get("mixture") or {})
        return views.mixture(manifest, report, mixture.mixture_report(opened.storage, manifest, asked), None)
    except RecipeError as error:
        return views.mixture(manifest, report, None, str(error))


def _expect_made_by(job: Job, version: library.Version) -> None:
    """Raises NotFound for a version that another one has made: the corpus was taken away and made anew. What a job
    only found, or what stands for a run that was no job's (`services.rebuild`), may be anybody's."""
    if job.published and job.reason != REBUILT and job_of(version.run) != job.id:
        raise NotFound(f"the version {version.version} that job {job.id} published is gone; there is another one now")


@contextmanager
def answered() -> Iterator[None]:
    """Within, what the library raises becomes a problem of the API's."""
    try:
        yield
    except ServiceError:
        raise
    except MissingError as error:
        raise NotFound(str(error)) from error
    except TransientError as error:
        raise Unavailable(f"{error}; ask again", retry_after_s=1.0) from error
    except CorruptError as error:
        raise Unavailable(f"the corpus is damaged: {error}") from error
    except StorageError as error:
        raise Unavailable(str(error)) from error
