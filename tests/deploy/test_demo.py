"""What the demo shows of its made-up notes, on any machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.corpus import Corpus
from curation.pipeline import curate
from curation.recipe import load_recipe
from curation.recipe.validation import validate_recipe
from curation.runner.local import LocalRunner
from tests.conftest import REPOSITORY

REASONS = {
    "mail/order": None,
    "mail/outage": None,
    "diary/harbour": None,
    "forum/puzzle": "contamination.cluster",
    "forum/homework": "contamination.cluster",
    "dump/quiz": "contamination.canary",
}


def test_the_notes_show_what_is_redacted_and_what_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    recipe = load_recipe("recipes/demo.yaml", [f"output={tmp_path}/corpus"]).model_dump(mode="json")
    recipe["sources"] = [source for source in recipe["sources"] if source["name"] == "notes"]
    curate(validate_recipe(recipe), LocalRunner())
    corpus = Corpus(f"{tmp_path}/corpus")
    decisions = corpus.decisions().to_table(columns=["id", "reason"]).to_pylist()
    assert {each["id"]: each["reason"] for each in decisions} == REASONS
    kept = {each["id"]: each["text"] for each in corpus.documents().to_table(columns=["id", "text"]).to_pylist()}
    for kind in ("<EMAIL>", "<PHONE>", "<IBAN>", "<CARD>"):
        assert kind in kept["mail/order"]
    for kind in ("<EMAIL>", "<PHONE>", "<IPV4>"):
        assert kind in kept["mail/outage"]
    notes = (REPOSITORY / "recipes/demo/notes.jsonl").read_text().splitlines()
    assert kept["diary/harbour"] == {note["id"]: note["text"] for note in map(json.loads, notes)}["diary/harbour"]
