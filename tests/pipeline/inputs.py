"""A small input with everything in it: kept documents, every kind of drop, near and exact copies, broken records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from curation.recipe import Recipe, validate_recipe
from tests.texts import GERMAN, edited, essay, write_jsonl

SHORT = (
    "This note is too short to keep, yet it is plain English all the same, as anybody who reads it can tell at once. "
    "It has two sentences and about forty words, of which none is rare."
)


STAGES: list[dict[str, Any]] = [
    {"kind": "language", "keep": ["en"], "min_score": 0.5},
    {"kind": "gopher_repetition"},
    {"kind": "gopher_quality"},
    {"kind": "c4"},
    {"kind": "fineweb_quality", "new_line_ratio": 0.5, "line_punct_thr": 0.05, "short_line_thr": 0.9},
    {"kind": "exact_dedup"},
    {"kind": "minhash_dedup"},
]
COUNTED = [*STAGES[:-2], {"kind": "tokens"}, *STAGES[-2:]]
"""The same, with each document's tokens counted."""


def write_inputs(folder: Path) -> None:
    """25 records in two sources: 21 documents and 4 that cannot be read."""
    web = [{"id": f"w{n}", "text": essay(n), "url": f"https://example.org/{n}"} for n in range(8)]
    write_jsonl(folder / "web/a.jsonl.gz", web[:4])
    write_jsonl(
        folder / "web/b.jsonl",
        [
            *web[4:],
            "not json at all",
            {"id": "no-text", "body": "the text is missing"},
            {"id": "german", "text": GERMAN},
            {"id": "short", "text": SHORT},
            {"id": "lines", "text": essay(50, 8) + "\n" + 12 * "the same line again and again\n"},
        ],
    )
    write_jsonl(
        folder / "web/c.jsonl",
        [
            {"id": "exact", "text": essay(1)},
            {"id": "near", "text": edited(essay(2), seed=1, words=3)},
            {"id": "far", "text": edited(essay(3), seed=2, words=90)},
            "[1, 2, 3]",
            '{"id": "cut", "text": "this record ends',
        ],
    )
    for n in range(5):
        (folder / "notes/deep").mkdir(parents=True, exist_ok=True)
        (folder / f"notes/deep/{n}.md").write_text(essay(100 + n) + "\n")
    (folder / "notes/copy.txt").write_text(essay(5).upper().capitalize())
    (folder / "notes/near.txt").write_text(edited(essay(101), seed=3, words=4))


def recipe(folder: Path, output: Path | str, **changes: Any) -> Recipe:
    """The recipe over `write_inputs(folder)`."""
    data: dict[str, Any] = {
        "name": "small",
        "output": str(output),
        "sources": [
            {"name": "web", "uri": f"{folder}/web/*.jsonl*"},
            {"name": "notes", "uri": f"{folder}/notes/**"},
        ],
        "stages": STAGES,
        "max_failed": 0.5,
    }
    return validate_recipe(data | changes)
