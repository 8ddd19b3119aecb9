"""A preview: which documents are taken, that the funnel is a run's, and how sure its shares are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.corpus import Corpus
from curation.errors import InputError, RecipeError
from curation.pipeline import curate
from curation.pipeline.inputs import list_files
from curation.recipe import Recipe, validate_recipe
from curation.runner.local import LocalRunner
from curation.sources import Limits
from curation.whatif import preview, sampling
from curation.whatif.interval import share
from curation.whatif.sampling import apportioned, take_sample
from tests.pipeline.inputs import recipe, write_inputs
from tests.pipeline.surveyed import stage
from tests.pipeline.test_survey import make, night
from tests.texts import essay, write_jsonl

RULES = [{"kind": "gopher_quality"}]


def over(folder: Path, *sources: str, **changes: Any) -> Recipe:
    """A recipe over folders of JSON lines."""
    named = [{"name": name, "uri": f"{folder}/{name}/*.jsonl"} for name in sources]
    return validate_recipe({"name": "p", "output": f"{folder}/corpus", "sources": named, "stages": RULES} | changes)


def test_of_a_small_input_the_funnel_is_that_of_a_run_and_nothing_is_written(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    wanted = recipe(tmp_path, tmp_path / "corpus")
    found = preview(wanted)
    assert not (tmp_path / "corpus").exists()
    curate(wanted, LocalRunner())
    steps = {step.stage: step for step in Corpus(wanted.output).report().funnel()}
    assert [step.stage for step in found.steps[1:]] == [stage.name for stage in wanted.row_stages]
    for step in found.steps[1:]:
        assert (step.documents_in, step.documents_out) == (
            steps[step.stage].documents_in,
            steps[step.stage].documents_out,
        )
        assert {rule.reason: rule.documents for rule in step.rules} == steps[step.stage].reasons
    assert found.sampled == found.estimate.documents == 21
    assert found.kept.low == found.kept.high == found.kept.value == found.estimate.kept_documents / 21
    dropped = {rule.reason for step in found.steps for rule in step.rules}
    assert {example.reason for example in found.examples} == dropped
    assert all(example.excerpt for example in found.examples)
    assert any("Deduplication is not tried" in note for note in found.notes)


def test_the_same_seed_takes_the_same_documents_in_proportion_to_the_sources(tmp_path: Path) -> None:
    for name, count in (("big", 300), ("small", 100)):
        write_jsonl(tmp_path / f"{name}/a.jsonl", [{"id": f"{name}{n}", "text": essay(n, 5)} for n in range(count)])
    wanted = over(tmp_path, "big", "small")

    def ids(size: int, seed: int) -> list[str]:
        sample = take_sample(list_files(wanted), Limits(), size, seed)
        return [each for batch in sample.batches for each in batch["id"].to_pylist()]

    assert ids(40, 1) == ids(40, 1) != ids(40, 2)
    assert set(ids(40, 1)) < set(ids(80, 1)), "a smaller sample is part of a larger one"
    assert sum(name.startswith("big") for name in ids(40, 1)) == 30
    assert len(set(ids(1000, 1))) == 400


def test_of_a_large_input_some_files_are_read_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(40):
        write_jsonl(tmp_path / f"web/{n:02d}.jsonl", [{"id": f"{n}-{m}", "text": essay(m, 6)} for m in range(20)])
    monkeypatch.setattr(sampling, "READ_BYTES", 60_000)
    found = preview(over(tmp_path, "web"), 50)
    (source,) = found.sources
    assert (source.files, source.is_whole) == (40, False)
    assert 0 < source.files_read < 20
    assert source.bytes_read < 80_000
    assert 640 < source.documents < 960, "800 in proportion to the bytes"
    assert found.sampled == source.sampled == 50
    assert found.kept.low < found.kept.high
    assert any("of 40 files" in note for note in found.notes)


def test_a_large_file_is_read_from_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(tmp_path / "web/a.jsonl", [{"id": f"{n}", "text": essay(n, 60)} for n in range(3000)])
    size = (tmp_path / "web/a.jsonl").stat().st_size
    monkeypatch.setattr(sampling, "READ_BYTES", size // 4)
    monkeypatch.setattr(sampling, "FILE_BYTES", size // 4)
    (source,) = preview(over(tmp_path, "web"), 20).sources
    assert (source.files_read, source.is_whole) == (1, False)
    assert source.bytes_read < size
    assert 2700 < source.documents < 3300, "3,000 in proportion to the bytes"


def test_a_survey_is_settled_from_the_sample(tmp_path: Path) -> None:
    night(tmp_path, "one", 10)
    wanted = make(tmp_path, [{"kind": "gopher_quality"}, stage(0.5)])
    found = preview(wanted)
    curate(wanted, LocalRunner())
    assert found.estimate.kept_documents == Corpus(wanted.output).report().documents("kept")
    assert any("survey" in note for note in found.notes)


def test_estimates_go_with_the_input_the_workers_and_the_price(tmp_path: Path) -> None:
    for n in range(4):
        write_jsonl(tmp_path / f"web/{n}.jsonl", [{"id": f"{n}-{m}", "text": essay(m, 6)} for m in range(100)])
    estimate = preview(over(tmp_path, "web"), 50, workers=16, core_hour_price=2.0).estimate
    assert (estimate.documents, estimate.workers) == (400, 4), "no more workers than files"
    assert estimate.elapsed_s == pytest.approx(estimate.core_hours * 3600 / 4)
    assert estimate.cost == pytest.approx(2 * estimate.core_hours)
    assert estimate.documents_a_second == pytest.approx(400 / (estimate.core_hours * 3600))
    assert preview(over(tmp_path, "web"), 50).estimate.cost is None


@pytest.mark.parametrize(
    ("lines", "changes", "error", "message"),
    [
        (["no json"] * 9 + [json.dumps({"text": "a"})], {}, InputError, "9 of 10 records are unreadable"),
        ([], {}, InputError, "no document was found"),
        ([json.dumps({"text": "a"})], {"sources": [{"name": "x", "uri": "nowhere/*.jsonl"}]}, InputError, "nothing m"),
        ([json.dumps({"text": "a"})], {"stages": [{"kind": "language", "keep": ["xx"]}]}, RecipeError, "'xx'"),
    ],
)
def test_bad_input_is_the_error_that_a_run_would_give(
    tmp_path: Path, lines: list[str], changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    write_jsonl(tmp_path / "web/a.jsonl", lines)
    with pytest.raises(error, match=message):
        preview(over(tmp_path, "web", **changes))


@pytest.mark.parametrize(  # R 4.3: prop.test(x, n, correct = FALSE)$conf.int
    ("hits", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (30, 1000, 0.0211, 0.0425)],
)
def test_intervals_are_wilsons(hits: int, total: int, low: float, high: float) -> None:
    found = share(hits, total)
    assert [found.low, found.high] == pytest.approx([low, high], abs=6e-5)


@given(st.integers(0, 200), st.integers(0, 200), st.floats(0, 1))
def test_an_interval_holds_its_share_and_shrinks_with_what_is_seen(hits: int, misses: int, sampled: float) -> None:
    found, wide = share(hits, hits + misses, sampled), share(hits, hits + misses)
    assert 0 <= found.low <= found.value <= found.high <= 1 or not hits + misses
    assert found.high - found.low <= wide.high - wide.low + 1e-12


@given(st.integers(0, 500), st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_a_sample_is_dealt_in_proportion(total: int, parts: list[int]) -> None:
    counts = apportioned(total, parts)
    assert sum(counts) == min(total, sum(parts))
    assert all(count <= part for count, part in zip(counts, parts, strict=True))
    if sum(parts) > total:
        assert all(abs(c - total * p / sum(parts)) < 1 for c, p in zip(counts, parts, strict=True))
