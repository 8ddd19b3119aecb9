"""The funnel adds up in every unit, of the whole and of every part."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.report import Cell, Cuts, Report
from services.insights.flow import Unit, flow
from tests.test_report import reports


@given(reports(), st.sampled_from(["documents", "bytes", "tokens"]))
def test_it_adds_up(report: Report, unit: Unit) -> None:
    found = flow(report, unit)
    assert all(before.out == after.into for before, after in pairwise(found.stretches))
    assert (found.stretches[0].into, found.stretches[-1].out) == (found.into, found.kept)
    for stretch in found.stretches:
        if stretch.into is not None:
            assert stretch.out is not None
            assert stretch.into == stretch.out + stretch.cut + sum(loss.amount or 0 for loss in stretch.losses)
    if found.into is not None:
        assert found.into == (found.kept or 0) + (found.dropped or 0) + (found.failed or 0) + found.cut
    if unit != "tokens":
        steps = [(getattr(step, f"{unit}_in"), getattr(step, f"{unit}_out")) for step in report.funnel()]
        assert [(stretch.into, stretch.out) for stretch in found.stretches] == steps


@given(reports(), st.sampled_from(["documents", "bytes"]))
def test_the_parts_are_the_whole(report: Report, unit: Unit) -> None:
    whole = flow(report, unit)
    by_source = [flow(report, unit, source=source) for source in {cell.source for cell in report.cells}]
    by_language = [flow(report, unit, language=language) for language in {cell.language for cell in report.cells}]
    for parts in (by_source, by_language):
        assert sum(part.into or 0 for part in parts) == whole.into
        assert sum(part.kept or 0 for part in parts) == whole.kept


def test_what_is_cut_out_is_counted_in_bytes_of_the_whole() -> None:
    report = Report(
        stages=("substring",),
        cells=(Cell(outcome="kept", source="web", documents=2, bytes=90),),
        cuts={"substring": Cuts(documents=1, stretches=1, bytes=10)},
    )
    assert (flow(report, "bytes").into, flow(report, "bytes").cut) == (100, 10)
    assert (flow(report, "documents").into, flow(report, "documents").cut) == (2, 0)
    assert (flow(report, "bytes", source="web").into, flow(report, "bytes", source="web").cut) == (90, 0)


@pytest.mark.parametrize(("first", "into"), [(5, 15), (None, None)])
def test_tokens_are_known_from_where_they_were_counted(first: int | None, into: int | None) -> None:
    report = Report(
        stages=("early", "late"),
        cells=(
            Cell(outcome="dropped", stage="early", reason="early.why", source="web", documents=1, tokens=first),
            Cell(outcome="dropped", stage="late", reason="late.why", source="web", documents=1, tokens=3),
            Cell(outcome="kept", source="web", documents=1, tokens=7),
        ),
    )
    found = flow(report, "tokens")
    assert [stretch.into for stretch in found.stretches] == [into, into, 10]
    assert [stretch.out for stretch in found.stretches] == [into, 10, 7]
