from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from curation.corpus import Corpus
from curation.dedup.spans import listed
from curation.errors import RecipeError, RedoError
from curation.explanation import decisions_about
from curation.pipeline import curate
from curation.pipeline.refresh import refresh
from curation.pipeline.reindex import reindex
from curation.recipe import Recipe, validate_recipe
from curation.render import funnel
from curation.render.explanation import show_explanation
from curation.report import Cuts
from curation.runner.local import LocalRunner
from curation.runner.ray import RayRunner
from curation.tags import resolve
from tests.texts import essay

SHARED = "All of this was said before, by others, at other times, and in just as many words as it is said here now."
STAGES: list[dict[str, Any]] = [
    {"kind": "minhash_dedup"},
    {"kind": "paragraph_dedup", "min_left": 20},
    {"kind": "substring_dedup", "min_words": 40},
]


def write(folder: Path, name: str, *texts: str) -> None:
    path = folder / f"in/{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"id": f"{name}{n}", "text": text}) + "\n" for n, text in enumerate(texts)))


def recipe(folder: Path, stages: list[dict[str, Any]] = STAGES, **refresh: str) -> Recipe:
    sources = [{"name": "web", "uri": f"{folder}/in/*.jsonl"}]
    data = {"name": "s", "output": f"{folder}/corpus", "sources": sources, "stages": stages, "refresh": refresh}
    return validate_recipe(data)


def kept(folder: Path) -> dict[str, str]:
    table = Corpus(f"{folder}/corpus").documents().to_table()
    return dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))


def made(folder: Path) -> None:
    """Two essays; a part of the first in another; and a near-duplicate of the second, whose parts do not count."""
    one, two = essay(1), essay(2)
    stretch = " ".join(one.split()[40:90])
    write(folder, "a", one, f"{two}\n\n{SHARED}", f"{essay(3)}\n\n{SHARED}", f"{essay(4)} So: {stretch} {essay(5)}")
    write(folder, "b", f"{two}\n\n{SHARED} Yes.", SHARED)


def test_the_first_copy_of_a_part_stays(tmp_path: Path) -> None:
    made(tmp_path)
    assert curate(recipe(tmp_path), LocalRunner()).published
    texts = kept(tmp_path)
    assert sorted(texts) == ["a0", "a2", "a3", "b0", "b1"], "the longer of two near-duplicates is kept, and looked at"
    assert texts["a0"] == essay(1)
    assert texts["a2"].endswith(SHARED)
    assert texts["a3"] == f"{essay(4)} So: {essay(5)}"
    assert texts["b0"].endswith(f"{SHARED} Yes."), "another paragraph, and too short a stretch"
    assert texts["b1"] == SHARED, "nothing would be left"


def test_a_decision_says_how_much_was_cut(tmp_path: Path) -> None:
    made(tmp_path)
    curate(recipe(tmp_path), LocalRunner())
    corpus = Corpus(f"{tmp_path}/corpus")

    def values(document_id: str) -> list[Any]:
        (found,) = decisions_about(corpus.storage, corpus.manifest(), document_id)
        names = ("spans", "removed", "whole")
        return [
            found.row["bytes"],
            *(found.row[f"{stage}.{name}"] for stage in ("paragraph_dedup", "substring_dedup") for name in names),
        ]

    stretch = " ".join(essay(1).split()[40:90])
    size = len(f"{essay(4)} So: {essay(5)}")
    assert values("a3") == [size, 0, 0, False, 1, len(stretch) + 1, False]
    assert values("b1") == [len(SHARED), 0, 0, True, 0, 0, False]
    assert values("a1")[1:] == [None] * 6, "it was dropped"


def test_it_says_where_what_was_cut_stands_first(tmp_path: Path) -> None:
    made(tmp_path)
    curate(recipe(tmp_path), LocalRunner())
    corpus = Corpus(f"{tmp_path}/corpus")
    (row,) = corpus.explain("a3")
    stretch = " ".join(essay(1).split()[40:90])
    (taken,) = listed(row["substring_dedup.cuts"])
    assert taken.end - taken.begin == len(stretch)
    assert (taken.begin, taken.first_begin) == (len(f"{essay(4)} So: "), essay(1).index(stretch[:20]))
    assert (taken.first_id, taken.first_shard, taken.first_row) == ("a0", f"{tmp_path}/in/a.jsonl", 0)
    console = Console(width=200, record=True, file=io.StringIO())
    show_explanation(console, corpus, resolve(corpus, None), "a3")
    shown = " ".join(console.export_text().split())
    wanted = f"substring_dedup cut {len(stretch)} bytes at {taken.begin:,}; they stand first in a0 ("
    assert wanted in shown
    assert "cuts" not in shown


def test_the_report_says_what_was_cut(tmp_path: Path) -> None:
    made(tmp_path)
    report = curate(recipe(tmp_path), LocalRunner()).report
    stretch = " ".join(essay(1).split()[40:90])
    assert report.cuts == {
        "paragraph_dedup": Cuts(whole=1),
        "substring_dedup": Cuts(documents=1, stretches=1, bytes=len(stretch) + 1),
    }
    steps = {step.stage: step for step in report.funnel()}
    assert steps["substring_dedup"].cuts == report.cuts["substring_dedup"]
    assert steps["substring_dedup"].bytes_in - steps["substring_dedup"].bytes_out == len(stretch) + 1
    assert steps["substring_dedup"].bytes_out == report.bytes("kept")
    assert steps["minhash_dedup"].cuts is None
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(funnel(report, "it"))
    shown = " ".join(console.export_text().split())
    assert f"1 stretch cut out of 1 document ({len(stretch) + 1} B)" in shown
    assert "1 document left whole" in shown


def test_on_ray_it_is_the_same_version(tmp_path: Path, ray_cluster: str) -> None:
    digests = set()
    for name in ("one", "two"):
        made(tmp_path)
        wanted = recipe(tmp_path).model_copy(update={"output": f"{tmp_path}/{name}"})
        with RayRunner(2) if name == "two" else LocalRunner() as runner:
            curate(wanted, runner)
        digests.add(Corpus(wanted.output).manifest().digest)
    assert len(digests) == 1


def test_a_refresh_that_would_not_compare_with_what_is_kept_is_refused(tmp_path: Path) -> None:
    made(tmp_path)
    curate(recipe(tmp_path), LocalRunner())
    write(tmp_path, "c", f"{essay(6)}\n\n{SHARED}")
    with pytest.raises(RedoError) as refused:
        refresh(recipe(tmp_path), LocalRunner())
    *stages, cost = refused.value.problems
    assert [problem.path for problem in stages] == ["stages.paragraph_dedup", "stages.substring_dedup"]
    assert all("set refresh.repeats to among_new" in problem.message for problem in stages)
    assert cost.message.startswith("2 files, ")
    assert refresh(recipe(tmp_path), LocalRunner(), redo=True).published
    assert kept(tmp_path)["c0"] == essay(6)


def test_a_refresh_may_look_among_what_it_reads(tmp_path: Path) -> None:
    made(tmp_path)
    once = recipe(tmp_path, repeats="among_new", vanished="retire")
    first = curate(once, LocalRunner())
    before = kept(tmp_path)
    write(tmp_path, "c", f"{essay(6)}\n\n{SHARED}", f"{essay(7)}\n\n{SHARED}")
    second = refresh(once, LocalRunner())
    assert kept(tmp_path) == before | {"c0": f"{essay(6)}\n\n{SHARED}", "c1": essay(7)}
    more = {"paragraph_dedup": Cuts(documents=1, stretches=1, bytes=len(SHARED) + 2), "substring_dedup": Cuts()}
    assert second.report.cuts == {stage: first.report.cuts[stage] + more[stage] for stage in more}
    assert second.change.read.cuts == more

    (tmp_path / "in/a.jsonl").unlink()
    third = refresh(once, LocalRunner())
    assert third.report.cuts == {**more, "paragraph_dedup": more["paragraph_dedup"] + Cuts(whole=1)}, "a3 went"


def test_an_index_cannot_be_made_anew_from_texts_that_were_cut(tmp_path: Path) -> None:
    made(tmp_path)
    curate(recipe(tmp_path), LocalRunner())
    with pytest.raises(RecipeError, match="only a whole `curation run`"):
        reindex(Corpus(f"{tmp_path}/corpus"), LocalRunner(), "rebuild")


def test_they_stand_at_the_end_in_their_order(tmp_path: Path) -> None:
    for stages in (
        [{"kind": "paragraph_dedup"}, {"kind": "exact_dedup"}],
        [{"kind": "substring_dedup"}, {"kind": "c4"}],
    ):
        with pytest.raises(RecipeError):
            recipe(tmp_path, stages)
