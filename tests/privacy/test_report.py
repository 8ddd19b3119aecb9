"""What a run keeps of a document that it dropped for what it held: where it was and how many, never what."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.corpus import Corpus
from curation.pipeline import curate
from curation.recipe import validate_recipe
from curation.runner.local import LocalRunner
from tests.texts import write_jsonl

VALUES = ("joe.doe@example.com", "+49 30 23125 456", "Tr0ub4dor&3x")
TEXTS = {
    "clean": "Nothing is said of anybody here.",
    "one": f"Ask {VALUES[0]} about the harbour.",
    "many": f"Ask {VALUES[0]} or ring {VALUES[1]}.",
    "secret": f'password = "{VALUES[2]}"',
}


@pytest.mark.parametrize("action", ["redact", "drop"])
def test_no_value_is_left_anywhere(tmp_path: Path, action: str) -> None:
    write_jsonl(tmp_path / "in.jsonl", [{"id": name, "text": text} for name, text in TEXTS.items()])
    recipe = validate_recipe(
        {
            "name": "private",
            "output": str(tmp_path / "corpus"),
            "sources": [{"name": "web", "uri": str(tmp_path / "in.jsonl")}],
            "stages": [
                {"kind": "secrets", "action": "drop"},
                {"kind": "pii", "action": action, "max_count": 1 if action == "redact" else 0},
            ],
        }
    )
    outcome = curate(recipe, LocalRunner())
    corpus = Corpus(str(tmp_path / "corpus"))
    rows = {row["id"]: row for row in corpus.decisions().to_table().to_pylist()}
    assert rows["many"]["reason"] == "pii.too_many"
    assert (rows["many"]["value"], rows["many"]["pii.spans"]) == (2, "email:4-23;phone:32-48")
    assert rows["secret"]["reason"] == "secrets.too_many"
    shown = {example.id: example.excerpt for example in outcome.report.examples}
    assert shown["many"] == "Ask <EMAIL> or ring <PHONE>."
    assert shown["secret"] == 'password = "<ASSIGNMENT>"'
    kept = {row["id"]: row["text"] for row in corpus.documents().to_table().to_pylist()}
    assert kept == {"clean": TEXTS["clean"]} | ({"one": "Ask <EMAIL> about the harbour."} if action == "redact" else {})
    everything = b"".join(path.read_bytes() for path in (tmp_path / "corpus").rglob("*") if path.is_file())
    assert not any(value.encode() in everything for value in VALUES)
