"""The drafts of a run that is done but for publishing: what it would publish can be looked at meanwhile."""

from __future__ import annotations

from curation.corpus import Corpus
from curation.errors import MissingError
from curation.manifest import Manifest
from curation.pipeline.identity import RUNS
from curation.report import Report
from curation.work import Work

Drafts = tuple[Manifest, Report]


def held(corpus: Corpus, run_id: str) -> Drafts:
    """What a run that has not published would publish. Raises MissingError where it has not come so far, or is gone."""
    work = Work(corpus.url, f"{RUNS}/{run_id}")
    manifest = Manifest.model_validate_json(work.storage.read(work.key("manifest.json")))
    return manifest, Report.model_validate_json(work.storage.read(work.key("report.json")))


def drafted(corpus: Corpus, run_id: str) -> Drafts | None:
    """The drafts that the run wrote before, if it did: what was approved is what is published."""
    try:
        return held(corpus, run_id)
    except MissingError:
        return None


def draft(work: Work, manifest: Manifest, report: Report) -> Drafts:
    """Write down, once, what a run is about to publish; the manifest last, so that with it there is a report."""
    report = work.once("report", Report, lambda: report)
    return work.once("manifest", Manifest, lambda: manifest), report
