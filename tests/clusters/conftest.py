"""A corpus of two sources with exact and near copies, and personal data in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from curation.corpus import Corpus
from curation.manifest import Manifest
from curation.pipeline import curate
from curation.recipe import Recipe, validate_recipe
from curation.runner.local import LocalRunner
from tests.texts import edited, essay, write_jsonl

MAIL = "Write to someone@example-company.net."


@dataclass(frozen=True)
class Made:
    """A version, and what it was made by."""

    folder: Path
    recipe: Recipe
    corpus: Corpus
    manifest: Manifest

    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.corpus.decisions().to_table().to_pylist()
        return rows


def make(folder: Path, **changes: Any) -> Made:
    """`web` has the longest of each text but one; `mail` copies them."""
    essays = [essay(seed, 24) for seed in range(20)]
    web = [{"id": f"web-{n}", "text": text} for n, text in enumerate(essays)]
    web += [{"id": f"again-{n}", "text": essays[n].lower()} for n in range(3)]
    web += [{"id": "short", "text": "Too short."}]
    mail = [{"id": f"near-{n}", "text": edited(essays[n], n, 4)} for n in range(6)]
    mail += [{"id": f"near-0-{n}", "text": edited(essays[0], 100 + n, 2)} for n in range(4)]
    mail += [{"id": "letter", "text": f"{essay(40, 24)}\n{MAIL}"}, {"id": "copied letter", "text": essay(40, 24)}]
    write_jsonl(folder / "web/0.jsonl", web)
    write_jsonl(folder / "mail/0.jsonl", mail)
    recipe = validate_recipe(
        {
            "name": "copies",
            "output": str(folder / "corpus"),
            "sources": [
                {"name": "web", "uri": f"{folder}/web/*.jsonl"},
                {"name": "mail", "uri": f"{folder}/mail/*.jsonl"},
            ],
            "stages": [
                {"kind": "gopher_quality"},
                {"kind": "pii"},
                {"kind": "exact_dedup"},
                {"kind": "minhash_dedup", "keep": "best_quality", "quality": "gopher_quality.words"},
            ],
        }
        | changes
    )
    curate(recipe, LocalRunner())
    corpus = Corpus(recipe.output)
    return Made(folder, recipe, corpus, corpus.manifest())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("clusters"))
