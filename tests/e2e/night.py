"""A night with everything in it, on top of three others: what a refresh can meet, in as few documents as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curation.corpus import Corpus
from curation.pipeline import refresh
from curation.recipe import Recipe, validate_recipe
from curation.runner.local import LocalRunner
from curation.storage import open_storage
from tests.texts import edited, essay, write_jsonl

NIGHTS = 3
"""So many versions there are before tonight."""
BEFORE = {"a0", "a1", "a2", "old0", "old1", "mine0", "mine1", "c0", "c1", "c2", "c3", "d0", "d1", "d2"}
"""What is kept before tonight."""
AFTER = BEFORE - {"a1", "old0", "old1", "mine0"} | {
    "better",
    "old0-copy",
    "old1-copy",
    "mine0-copy",
    "mine2",
    "e0",
    "e1",
}
"""What a whole night leaves: a better copy came, a file has vanished, one has changed, and one is new."""


def recipe(folder: Path, output: Path | str, **changes: Any) -> Recipe:
    """The recipe over what `prepare` has written below `folder`."""
    data: dict[str, Any] = {
        "name": "night",
        "output": str(output),
        "sources": [
            {"name": "web", "uri": f"{folder}/web/*.jsonl"},
            {"name": "notes", "uri": f"{folder}/notes/*.jsonl"},
        ],
        "stages": [{"kind": "gopher_quality"}, {"kind": "exact_dedup"}, {"kind": "minhash_dedup"}],
        "refresh": {"vanished": "retire", "better_copies": "replace"},
        "max_failed": 0.5,
    }
    return validate_recipe(data | changes)


def prepare(folder: Path) -> Path:
    """Three nights, and the input files as they are on the fourth; where the corpus is. The input stays where it is,
    the corpus may be copied."""
    output = folder / "three-nights"
    _write(folder, "web/1", [*_documents("a", 0, 3), {"id": "a0-copy", "text": edited(essay(0), 1, 3)}])
    _write(folder, "web/old", _documents("old", 10, 2))
    _write(folder, "notes/mine", _documents("mine", 20, 2))
    refresh(recipe(folder, output), LocalRunner())
    copies = [("old0-copy", 10), ("mine0-copy", 20)]
    _write(folder, "web/2", [*_documents("c", 30, 4), *({"id": i, "text": edited(essay(n), 2, 3)} for i, n in copies)])
    refresh(recipe(folder, output), LocalRunner())
    _write(folder, "notes/3", [*_documents("d", 40, 3), {"id": "old1-copy", "text": essay(11)}])
    refresh(recipe(folder, output), LocalRunner())

    (folder / "web/old.jsonl").unlink()
    _write(folder, "notes/mine", [{"id": "mine1", "text": essay(21)}, {"id": "mine2", "text": essay(22)}])
    _write(
        folder,
        "web/4",
        [
            *_documents("e", 50, 2),
            {"id": "e0-copy", "text": edited(essay(50), 3, 3)},
            {"id": "better", "text": essay(1) + " And one word more than that."},
            {"id": "c0-copy", "text": essay(30)},
            {"id": "short", "text": "Too short to keep."},
            "not json at all",
        ],
    )
    return output


def kept(corpus: Corpus, number: int | None = None) -> set[str]:
    """The ids of a version's documents; by default the newest version's."""
    return set(corpus.documents(number).to_table(columns=["id"])["id"].to_pylist())


def copy(corpus: Path, url: str) -> None:
    """Copy a corpus from a folder to a store."""
    there, here = open_storage(url), open_storage(str(corpus))
    for entry in here.list():
        there.write(entry.key, here.read(entry.key))


def _documents(name: str, first: int, count: int) -> list[dict[str, str]]:
    return [{"id": f"{name}{n}", "text": essay(first + n)} for n in range(count)]


def _write(folder: Path, name: str, records: Sequence[dict[str, str] | str]) -> None:
    write_jsonl(folder / f"{name}.jsonl", records)
