"""The nearest kept documents of a text, as the index knows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.clusters import Likest, likest
from curation.clusters.likest import jaccard
from curation.dedup.index import read_index
from curation.dedup.shingle import shingle_set
from tests.clusters.conftest import Made, make
from tests.texts import edited, essay


def ask(made: Made, text: str, source: str = "web") -> Likest:
    exact, minhash = made.recipe.exact, made.recipe.minhash
    return likest(read_index(made.corpus.storage, made.manifest, exact, minhash), exact, minhash, text, source)


def test_a_copy_is_found(made: Made) -> None:
    found = ask(made, essay(7, 24).upper())
    (first, *_) = found.nearest
    assert (first.id, first.source, first.similarity, first.is_exact) == ("web-7", "web", 1.0, True)
    assert essay(7, 24).startswith(first.excerpt)
    kept = {row["id"]: row for row in made.corpus.documents().to_table().to_pylist()}
    assert (first.shard, first.row) == (kept["web-7"]["shard"], kept["web-7"]["row"])


def test_a_near_copy_is_found_with_its_similarity(made: Made) -> None:
    text = edited(essay(9, 24), 55, 3)
    found = ask(made, text)
    a, b = shingle_set(text, 5), shingle_set(essay(9, 24), 5)
    assert found.nearest[0].id == "web-9"
    assert found.nearest[0].similarity == pytest.approx(len(a & b) / len(a | b))
    assert not found.nearest[0].is_exact
    assert found.compared <= found.candidates
    assert jaccard(text, "", 5) == 0.0


@pytest.mark.parametrize("text", ["", "…", "Something that nobody has ever said before about anything at all."])
def test_what_resembles_nothing_finds_nothing(made: Made, text: str) -> None:
    found = ask(made, text)
    assert (found.candidates, found.nearest) == (0, ())
    assert (found.has_exact, found.has_near, found.min_similarity) == (True, True, 0.7)


def test_each_source_has_its_own_copies(tmp_path: Path) -> None:
    stages = [{"kind": "exact_dedup", "scope": "source"}]
    made = make(tmp_path, stages=stages)
    assert [each.id for each in ask(made, essay(7, 24)).nearest] == ["web-7"]
    found = ask(made, essay(7, 24), "mail")
    assert (found.nearest, found.has_near, found.min_similarity) == ((), False, None)


def test_nothing_is_written(made: Made) -> None:
    before = {entry.key for entry in made.corpus.storage.list()}
    ask(made, essay(7, 24))
    assert {entry.key for entry in made.corpus.storage.list()} == before
