"""A version against a set of benchmarks: the same whether a run looked for them or the published corpus is searched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.contamination import Contamination
from curation.corpus import Corpus
from curation.errors import MissingError
from curation.pipeline import curate
from curation.pipeline.contaminated import ContaminationReport, check_contamination, found_by_run
from curation.recipe import Recipe
from curation.runner.local import LocalRunner
from tests.contamination.test_contamination import ITEMS, OTHER, QUESTION
from tests.test_cli import call
from tests.texts import essay, write_jsonl

HALF = " ".join(QUESTION.split()[:9])
TEXTS = [essay(1), f"{essay(2)} {QUESTION}", f"{QUESTION}?\n{OTHER}", f"{essay(3)} {HALF} {essay(4)}"]


def curated(folder: Path, *stages: dict[str, Any]) -> Corpus:
    write_jsonl(folder / "registry.jsonl", ITEMS)
    source = write_jsonl(folder / "in.jsonl", [{"id": str(n), "text": text} for n, text in enumerate(TEXTS)])
    data = {"name": "r", "output": str(folder / "corpus"), "sources": [{"name": "s", "uri": str(source)}]}
    curate(Recipe.model_validate(data | {"stages": stages}), LocalRunner())
    return Corpus(str(folder / "corpus"))


def stage(folder: Path, **options: object) -> Contamination:
    return Contamination.model_validate({"registry": str(folder / "registry.jsonl")} | options)


def said(report: ContaminationReport) -> dict[str, tuple[int, ...]]:
    return {
        each.benchmark: (each.items_hit, each.documents, each.chance_items, each.chance_documents)
        for each in report.benchmarks
    }


def test_a_published_corpus_is_searched(tmp_path: Path) -> None:
    corpus = curated(tmp_path)
    report = check_contamination(corpus, None, stage(tmp_path), LocalRunner())
    assert (report.documents, report.contaminated, report.contaminated_kept) == (4, 2, 2)
    assert report.bytes == sum(len(text.encode()) for text in TEXTS)
    assert report.registry_sha256 == stage(tmp_path).index().registry.sha256
    assert said(report) == {"coast": (1, 1, 0, 0), "sums": (1, 2, 0, 1)}
    coast, sums = report.benchmarks
    assert (coast.items, coast.findable, coast.too_short, coast.too_common) == (2, 1, 1, 0)
    assert (sums.items, sums.findable, sums.too_short) == (1, 1, 0)
    assert [(hit.id, hit.items) for hit in report.worst] == [("2", 2), ("1", 1)]
    assert [hit.id for hit in report.chance] == ["3"]
    hit = report.worst[1]
    assert TEXTS[1][hit.start : hit.end] == QUESTION


@pytest.mark.parametrize(
    ("action", "kept", "dropped", "by_benchmark"),
    [("drop", 0, 2, [0, 0]), ("tag", 2, 0, [1, 2]), ("cut", 0, 1, [0, 1])],  # one is cut to nothing
)
def test_a_run_tells_the_same(tmp_path: Path, action: str, kept: int, dropped: int, by_benchmark: list[int]) -> None:
    corpus = curated(
        tmp_path, {"kind": "contamination", "registry": str(tmp_path / "registry.jsonl"), "action": action}
    )
    (report,) = found_by_run(corpus)
    assert (report.stage, report.documents, report.contaminated) == ("contamination", 4, 2)
    assert report.contaminated_kept == kept
    assert said(report) == {"coast": (1, 1, 0, 0), "sums": (1, 2, 0, 1)}
    assert (report.action, report.contaminated_dropped) == (action, dropped)
    assert [each.documents_kept for each in report.benchmarks] == by_benchmark
    assert [(hit.id, hit.items) for hit in report.worst] == [("2", 2), ("1", 1)]
    left = check_contamination(corpus, None, stage(tmp_path), LocalRunner())
    assert left.contaminated == (2 if action == "tag" else 0)


def test_without_a_stage_there_is_nothing_to_tell(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="name a registry"):
        found_by_run(curated(tmp_path))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, registry = curated(tmp_path).url, str(tmp_path / "registry.jsonl")
    against = ("--registry", registry, "--engine", "local")
    code, out, _ = call(capsys, monkeypatch, "contamination", corpus, *against)
    assert code == 0
    assert "2 of 4 documents" in out
    assert "Chance hits" in out
    code, out, _ = call(capsys, monkeypatch, "contamination", corpus, *against, "--rule", "gpt3", "--json")
    assert [each["rule"] for each in json.loads(out)] == ["gpt3"]
    code, _, err = call(capsys, monkeypatch, "contamination", corpus, *against, "--max", "1")
    assert code == 9
    assert "2 kept documents are contaminated, at most 1 may be" in err
    code, _, _ = call(capsys, monkeypatch, "contamination", corpus, *against, "--max", "2")
    assert code == 0
    for wrong, status, why in (
        (("--rule", "gpt3"), 2, "--rule: goes with --registry"),
        (("--registry", "/nowhere.jsonl", "--engine", "local"), 6, "there is no such registry"),
        ((*against, "--threshold", "0"), 2, "--threshold: Input should be greater than 0"),
        ((*against, "--threshold", "2"), 2, "--threshold: found 2, expected at most 1"),
        ((*against, "--registry-sha256", "0" * 64), 6, "expected 000"),
        ((), 4, "no contamination stage"),
    ):
        code, _, err = call(capsys, monkeypatch, "contamination", corpus, *wrong)
        assert (code, why in err) == (status, True), err
