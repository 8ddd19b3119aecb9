"""Reports add up in any order, and the funnel leads from what was read to what is kept."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.report import EXAMPLES, Cell, Dedup, Example, Quote, Report, example_order, quote, total

SOURCES, LANGUAGES, STAGES = ("web", "books"), ("", "en", "de"), ("language", "c4")


@st.composite
def reports(draw: st.DrawFn) -> Report:
    cells: dict[tuple[str, ...], Cell] = {}
    for _ in range(draw(st.integers(0, 6))):
        outcome = draw(st.sampled_from(("kept", "dropped", "failed")))
        stage = draw(st.sampled_from(STAGES)) if outcome == "dropped" else ""
        reason = {"kept": "", "failed": "jsonl.not_json"}.get(outcome, f"{stage}.why")
        cell = Cell(
            outcome=outcome,
            stage=stage,
            reason=reason,
            source=draw(st.sampled_from(SOURCES)),
            language=draw(st.sampled_from(LANGUAGES)),
            documents=draw(st.integers(1, 50)),
            bytes=draw(st.integers(0, 5000)),
            tokens=draw(st.none() | st.integers(0, 999)),
        )
        cells[cell.place] = cell
    examples = tuple(
        Example(
            reason=draw(st.sampled_from(("c4.why", "language.why"))),
            id=str(row),
            source="web",
            shard="file",
            row=row,
            order=example_order(0, "file", row),
        )
        for row in draw(st.lists(st.integers(0, 100), max_size=5))
    )
    dedup = draw(st.sampled_from((None, Dedup(candidates=3, verified=1, similarities=[0] * 19 + [1]))))
    clusters = draw(st.dictionaries(st.integers(2, 5), st.integers(1, 9), max_size=3))
    return Report(stages=STAGES, cells=tuple(cells.values()), examples=examples, clusters=clusters, dedup=dedup)


@given(st.lists(reports(), max_size=5), st.randoms(use_true_random=False))
def test_reports_add_in_any_order(parts: list[Report], random: object) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert total(parts) == total(shuffled)
    one_by_one = Report()
    for part in parts:
        one_by_one = one_by_one + part
    assert one_by_one == total(parts)


@given(st.lists(reports(), min_size=1, max_size=4))
def test_nothing_is_lost_in_a_sum_or_a_funnel(parts: list[Report]) -> None:
    report = total(parts)
    assert report.documents() == sum(part.documents() for part in parts)
    assert report.bytes() == sum(part.bytes() for part in parts)
    tokens = [cell.tokens for part in parts for cell in part.cells]
    assert report.tokens() == (None if None in tokens else sum(count or 0 for count in tokens))
    assert report.documents() == report.documents("kept", "dropped", "failed")
    steps = report.funnel()
    assert steps[0].documents_in == report.documents()
    assert steps[-1].documents_out == report.documents("kept")
    assert all(after.documents_in == before.documents_out for before, after in pairwise(steps))
    assert all(sum(step.reasons.values()) == step.documents_dropped for step in steps)
    by_source = {outcome: sum(row[outcome] for row in report.by("source").values()) for outcome in ("kept", "failed")}
    assert by_source == {outcome: report.documents(outcome) for outcome in by_source}  # type: ignore[arg-type]


def test_examples_are_the_same_few_however_the_work_was_divided() -> None:
    examples = [
        Example(reason="c4.why", id=str(row), source="web", shard="f", row=row, order=example_order(7, "f", row))
        for row in range(4 * EXAMPLES)
    ]
    whole = total([Report(examples=tuple(examples))])
    halves = total([Report(examples=tuple(examples[1::2])), Report(examples=tuple(examples[::2]))])
    assert whole == halves
    assert len(whole.examples) == EXAMPLES
    assert [example.row for example in whole.examples] != list(range(EXAMPLES))


def test_a_report_survives_json() -> None:
    report = total([Report(stages=STAGES, cells=(Cell(outcome="kept", source="web", documents=2, bytes=9),))])
    assert Report.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize(
    ("text", "span", "told"),
    [
        ("short", None, Quote("short")),
        ("a" * 300, None, Quote("a" * 200)),
        ("ab" + "c" * 300, (1, 2), Quote("ab" + "c" * 198, 0, (1, 2))),
        ("-" * 195 + "found" + "-" * 9, (195, 200), Quote("-" * 195 + "found", 0, (195, 200))),
        ("-" * 196 + "found" + "-" * 9, (196, 201), Quote("-" * 40 + "found" + "-" * 9, 156, (40, 45))),
        ("-" * 9 + "f" * 500, (9, 509), Quote("-" * 9 + "f" * 191, 0, (9, 200))),
    ],
)
def test_what_decided_is_shown(text: str, span: tuple[int, int] | None, told: Quote) -> None:
    assert quote(text, span) == told
