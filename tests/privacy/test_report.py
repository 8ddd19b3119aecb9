"""What a run keeps of a document that it dropped for what it held: where it was and how many, never what."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.corpus import Corpus
from curation.pipeline import curate
from curation.recipe import validate_recipe
from curation.runner.local import LocalRunner
from tests.texts import essay, write_jsonl

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


LINES = [f"{'long ' * 36}{n}: write to joe.doe.{n}@example.com" for n in range(60)]
"""An excerpt would end within the address."""


@pytest.mark.parametrize("action", ["redact", "drop", "tag"])
def test_nothing_is_shown_of_what_earlier_and_later_stages_dropped(tmp_path: Path, action: str) -> None:
    copies = [f"joe@example.com {essay(1)}"] * 2 if action != "drop" else [essay(1)] * 2
    path = write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in [*LINES, *copies]])
    path.write_text(f'{path.read_text()}{{"text": "ask ann@example.com for a bro\n')
    recipe = validate_recipe(
        {
            "name": "private",
            "output": str(tmp_path / "corpus"),
            "sources": [{"name": "web", "uri": str(path)}],
            "stages": [
                {"kind": "gopher_quality", "min_words": 60, "max_words": None, "min_stop_words": 0},
                {"kind": "pii", "action": action},
                {"kind": "exact_dedup"},
            ],
        }
    )
    outcome = curate(recipe, LocalRunner())
    rows = Corpus(str(tmp_path / "corpus")).decisions().to_table().to_pylist()
    assert {row["reason"] for row in rows} == {
        *("gopher_quality.short_doc", "jsonl.not_json", "exact_dedup.duplicate", None)
    }
    shown = [example for example in outcome.report.examples if example.reason == "gopher_quality.short_doc"]
    assert len(shown) > 10
    assert all("joe" not in example.excerpt and "write to" in example.excerpt for example in shown)
    (detail,) = (row["detail"] for row in rows if row["outcome"] == "failed")
    assert "it begins" not in detail
    reports = b"".join(path.read_bytes() for path in (tmp_path / "corpus" / "_reports").rglob("*") if path.is_file())
    assert b"@example" not in reports
    assert b"joe." not in reports


def test_how_an_unreadable_record_begins_is_shown_where_nothing_is_private(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in LINES])
    path.write_text(f"{path.read_text()}id;text\n")
    data = {"name": "r", "output": str(tmp_path / "corpus"), "sources": [{"name": "s", "uri": str(path)}]}
    curate(validate_recipe(data), LocalRunner())
    rows = Corpus(str(tmp_path / "corpus")).decisions().to_table().to_pylist()
    (detail,) = (row["detail"] for row in rows if row["outcome"] == "failed")
    assert detail.endswith("it begins b'id;text'")
