"""The accounts of a run: in = kept + dropped + failed, and how much may fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from pydantic import BaseModel, ConfigDict

from curation.errors import AccountingError, InputError
from curation.manifest import InputShard
from curation.pipeline.filter import Part, Run
from curation.pipeline.finish import Finished
from curation.recipe import Recipe
from curation.report import Report, total
from curation.runner.runner import Runner

_GROUP = 64
_SHOWN = 5


def check_failures(recipe: Recipe, inputs: Sequence[InputShard], parts: Sequence[Part]) -> None:
    """Stop loudly where more of a source is unreadable than the recipe allows: of its records, or of its files, since
    nobody knows how many records a broken file has lost."""
    for source in recipe.sources:
        own = [part for part in parts if part.source == source.name]
        failed, records = sum(part.failed for part in own), sum(part.records for part in own)
        broken = {uri for part in own for uri in part.broken}
        files = sum(file.source == source.name for file in inputs)
        if failed > recipe.max_failed * records or len(broken) > recipe.max_failed * files:
            seen = list(dict.fromkeys(failure for part in own for failure in part.failures))
            raise InputError(
                f"sources.{source.name}: {failed} of {records} records are unreadable, {len(broken)} of {files} files "
                f"broken; more than max_failed={recipe.max_failed} allows, so nothing is published. "
                f"For example {'; '.join(seen[:_SHOWN])}"
            )


def account(run: Run, parts: Sequence[Part], finished: Sequence[Finished], runner: Runner) -> Report:
    """The report of the run.

    Raises AccountingError unless in = kept + dropped + failed, for every part and source, and the funnel leads from
    what was read to what is kept.
    """
    for part, end in zip(parts, finished, strict=True):
        if end.decided != part.records or (end.kept.rows if end.kept else 0) != end.kept_documents:
            raise AccountingError(f"{part.name}: {part.records} records in, {end.decided} accounted for")
    report = _sum(run, [end.report for end in finished], runner)
    read: Counter[str] = Counter()
    for part in parts:
        read[part.source] += part.records
    accounted = {source: sum(counts.values()) for source, counts in report.by("source").items()}
    if dict(read) != accounted:
        raise AccountingError(f"records read by source {dict(read)}, accounted for {accounted}")
    if (out := report.funnel()[-1].documents_out) != report.documents("kept"):
        raise AccountingError(f"the funnel ends with {out} documents, {report.documents('kept')} are kept")
    return report


class Sum(BaseModel):
    """One task: the reports to add, and the name of their sum."""

    model_config = ConfigDict(frozen=True)

    name: str
    reports: tuple[str, ...]


class Summed(BaseModel):
    """The key of a sum."""

    model_config = ConfigDict(frozen=True)

    report: str


def sum_reports(run: Run, item: Sum) -> Summed:
    """Add some reports into one, once."""

    def step() -> Summed:
        key = run.work.key(f"{item.name}.report")
        data = total(_read(run, report) for report in item.reports).model_dump_json()
        run.work.storage.write(key, data.encode())
        return Summed(report=key)

    return run.work.once(item.name, Summed, step)


def _sum(run: Run, reports: Sequence[str], runner: Runner) -> Report:
    """The sum of the reports, a few dozen at a time, so that no process holds them all."""
    level = 0
    while len(reports) > _GROUP:
        groups = [tuple(reports[start : start + _GROUP]) for start in range(0, len(reports), _GROUP)]
        items = [Sum(name=f"report/{level}-{number:05d}", reports=group) for number, group in enumerate(groups)]
        reports = [summed.report for summed in runner.map(partial(sum_reports, run), items)]
        level += 1
    return total(_read(run, report) for report in reports)


def _read(run: Run, key: str) -> Report:
    return Report.model_validate_json(run.work.storage.read(key))
