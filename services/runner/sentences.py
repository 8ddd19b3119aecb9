"""What a job says of what it has done, for people."""

from __future__ import annotations

from curation.change import Change
from curation.report import Report
from services.jobs.job import Mode


def made(report: Report, change: Change) -> str:
    """What a version is, or would be, and how it came of the one before it."""
    kept, read = report.documents("kept"), change.read
    if change.kind == "run":
        return f"{kept:,} of {report.documents():,} documents are kept"
    if change.kind == "refresh":
        looked = change.looked
        compared = f"{len(looked.new):,} new, {len(looked.changed):,} changed, {len(looked.vanished):,} vanished files"
        said = f"{read.documents('kept'):,} of {read.documents():,} documents that were read are kept"
        return f"{compared}; {said}, {kept:,} in all"
    removed = sum(cell.documents for cell in change.removed)
    return f"{removed:,} documents are taken down, {change.promoted:,} of their duplicates are kept; {kept:,} in all"


def nothing_new(version: int, change: Change, mode: Mode) -> str:
    """What was found where nothing was to do."""
    said = f"nothing is new since version {version}"
    if mode is Mode.TAKEDOWN:
        return f"{said}, which took these documents down"
    if mode is not Mode.REFRESH or change.kind != "refresh":
        return said
    vanished = len(change.looked.vanished)
    return f"{said}: looked at {change.looked.unchanged:,} files{f', {vanished:,} have vanished' if vanished else ''}"
