"""A text that is tried is judged as a run judges the same text in its input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from curation.corpus import Corpus
from curation.document import document_batch
from curation.pipeline import curate
from curation.recipe import Recipe, validate_recipe
from curation.runner.local import LocalRunner
from curation.whatif.checks import checks
from curation.whatif.trial import Trial, as_compared, trial
from tests.pipeline.surveyed import stage
from tests.pipeline.test_survey import make, night
from tests.texts import essay, write_jsonl

STAGES: list[dict[str, Any]] = [
    {"kind": "language", "keep": ["en"], "min_score": 0.3},
    {"kind": "gopher_quality", "by_source": {"mail": {"min_words": 5}}},
    {"kind": "pii", "max_count": 2},
]
TEXTS = {
    "essay": essay(1),
    "short": "Only a few words here, and that is not enough for the web.",
    "german": "Der Hund lief über die Straße, und niemand wusste, warum er es so eilig hatte an diesem Morgen.",
    "mail": f"{essay(2)}\nWrite to a@example-company.net.",
    "mails": f"{essay(3)}\n" + "\n".join(f"Write to person{n}@example-company.net." for n in range(4)),
    "empty": "",
}


def recipe(folder: Path, stages: list[dict[str, Any]] = STAGES) -> Recipe:
    sources = [{"name": name, "uri": f"{folder}/{name}/*.jsonl"} for name in ("web", "mail")]
    return validate_recipe({"name": "t", "output": f"{folder}/corpus", "sources": sources, "stages": stages})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("trial")
    for source in ("web", "mail"):
        write_jsonl(folder / source / "0.jsonl", [{"id": name, "text": text} for name, text in TEXTS.items()])
    curate(recipe(folder), LocalRunner())
    return Corpus(f"{folder}/corpus")


@pytest.mark.parametrize("source", ["web", "mail"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_judged_as_in_a_run(corpus: Corpus, name: str, source: str) -> None:
    (row,) = [row for row in corpus.explain(name) if row["source"] == source]
    made = recipe(Path(corpus.url).parent)
    found = trial(made, {}, TEXTS[name], source)
    assert found.stopped == row["stage"]
    for verdict in found.verdicts:
        (stage,) = [stage for stage in made.stages if stage.name == verdict.stage]
        if row[stage.columns().names[0]] is not None:
            assert verdict.checks == checks(stage, row)
        if verdict.stage == row["stage"]:
            assert (verdict.reason, verdict.value, verdict.threshold) == (row["reason"], row["value"], row["threshold"])
            broken = [check.reason for check in verdict.checks if check.is_broken]
            assert broken[:1] in ([], [row["reason"]])
            break
        assert verdict.reason is None


def test_every_stage_says_what_it_would_say(corpus: Corpus) -> None:
    found = trial(recipe(Path(corpus.url).parent), {}, TEXTS["short"], "web")
    assert [verdict.stage for verdict in found.verdicts] == ["language", "gopher_quality", "pii"]
    assert found.stopped == "gopher_quality"
    assert words(found) == ("<", 50.0)
    assert words(trial(recipe(Path(corpus.url).parent), {}, TEXTS["short"], "mail")) == ("<", 5.0)


def words(found: Trial) -> tuple[str | None, float | None]:
    checked = [check for verdict in found.verdicts for check in verdict.checks if check.value == "words"]
    return checked[0].op, checked[0].threshold


def test_what_is_rewritten_is_what_is_compared(corpus: Corpus) -> None:
    made = recipe(Path(corpus.url).parent)
    found = trial(made, {}, TEXTS["mail"], "web")
    assert [verdict.stage for verdict in found.verdicts if verdict.rewrites] == ["pii"]
    batch = as_compared(made, document_batch([TEXTS["mail"]], source="web", shard="x"))
    assert found.text == batch["text"][0].as_py()
    assert found.text.endswith("<EMAIL>.")
    assert found.bytes == len(found.text.encode())
    (kept,) = corpus.documents().to_table(filter=(pc.field("id") == "mail")).to_pylist()[:1]
    assert found.text == kept["text"]


def test_a_survey_decides_as_it_was_settled(tmp_path: Path) -> None:
    sizes = night(tmp_path, "1", 8)
    made = make(tmp_path, [stage()])
    unsettled = trial(made, {}, essay(1), "a")
    assert unsettled.verdicts[0].is_undecided
    assert unsettled.stopped is None
    curate(made, LocalRunner())
    corpus = Corpus(made.output)
    settled = corpus.manifest().settled
    lines = [json.loads(line) for a in "ab" for line in (tmp_path / a / "1.jsonl").read_text().splitlines()]
    texts, stopped = {line["id"]: line["text"] for line in lines}, {}
    for name, (source, _) in sizes.items():
        (row,) = corpus.explain(name)
        found = trial(made, settled, texts[name], source)
        stopped[name] = found.stopped
        assert (found.stopped, found.verdicts[0].reason) == (row["stage"], row["reason"])
        assert (found.verdicts[0].value, found.verdicts[0].threshold) == (row["value"], row["threshold"])
    assert set(stopped.values()) == {None, "longest"}
