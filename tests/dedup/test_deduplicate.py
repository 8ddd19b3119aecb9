"""Deduplication as a whole: equal to the reference, whatever the division of the work."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dedup import Bounds, ExactDedup, MinHashDedup, deduplicate
from curation.runner.local import LocalRunner
from curation.work import Work
from tests.dedup.corpus import SMALL, Deduplicated, documents, run, write_shards
from tests.dedup.reference import deduplicated
from tests.dedup.scratch import scratch

EXACT = ExactDedup()
# Many bands of one row, so that whatever is alike at all is a candidate and the outcome can be foretold.
EAGER = MinHashDedup(ngram=2, bands=64, rows=1, min_similarity=0.5)

Shards = list[tuple[str, list[str]]]

RHYME = ["the", "cat", "sat", "on", "the", "mat", "and", "the", "dog", "lay", "in", "the", "sun", "all", "day", "long"]


def edits(count: int) -> list[str]:
    """Texts of which each differs from the one before by one word more."""
    words = list(RHYME)
    texts = [" ".join(words)]
    for place in range(count):
        words[place * 3 % len(words)] = f"word{place}"
        texts.append(" ".join(words))
    return texts


@st.composite
def corpora(draw: st.DrawFn) -> Shards:
    word = st.sampled_from(["a", "B", "b", "c", "D", "ß", "Σ", "12", "-", "!"])
    text = st.lists(word, max_size=9).map(" ".join)
    shard = st.tuples(st.sampled_from(["news", "mail"]), st.lists(text, max_size=8))
    shards = draw(st.lists(shard, min_size=1, max_size=5))
    return sorted(shards, key=lambda each: each[0])


def outcome(shards: Shards, exact: ExactDedup | None, minhash: MinHashDedup | None, bounds: Bounds) -> Deduplicated:
    with scratch() as folder:
        return run(folder, shards, exact, minhash, bounds, batch_rows=3)


def adds_up(shards: Shards, found: Deduplicated) -> None:
    every = {document.place for document in documents(shards)}
    dropped = set(found.fates)
    assert sum(found.result.kept) + sum(found.result.dropped.values()) == len(every)
    assert sum(found.result.dropped.values()) == len(dropped)
    assert {survivor for _, survivor, _ in found.fates.values()} == set(found.clusters) <= every - dropped
    assert sum(found.clusters.values()) + (len(every) - len(dropped) - len(found.clusters)) == len(every)
    assert all(found.survivor_ids[place] == f"{s[0]}/{s[1]}" for place, (_, s, _) in found.fates.items())


@settings(max_examples=40)
@given(corpora(), st.sampled_from(["corpus", "source"]), st.booleans(), st.booleans())
def test_equals_the_reference(shards: Shards, scope: str, with_exact: bool, is_small: bool) -> None:
    exact = ExactDedup.model_validate({"scope": scope}) if with_exact else None
    minhash = MinHashDedup.model_validate({**EAGER.model_dump(), "scope": scope})
    found = outcome(shards, exact, minhash, SMALL if is_small else Bounds())
    assert found.fates == deduplicated(documents(shards), exact, minhash)
    adds_up(shards, found)


@settings(max_examples=15)
@given(corpora())
def test_exact_alone_equals_the_reference(shards: Shards) -> None:
    found = outcome(shards, EXACT, None, SMALL)
    assert found.fates == deduplicated(documents(shards), EXACT, None)
    assert found.result.candidates == 0
    adds_up(shards, found)


def test_any_division_gives_the_same(folder: Path) -> None:
    shards = [("s", edits(5)), ("t", [text.upper() for text in edits(9)] + edits(3)), ("u", []), ("v", edits(14)[::-1])]
    found = [
        run(folder / str(number), shards, EXACT, EAGER, bounds, batch_rows)
        for number, (bounds, batch_rows) in enumerate(
            [
                (Bounds(), 1000),
                (Bounds(), 1),
                (SMALL, 2),
                (Bounds(group_documents=8, partition_rows=40, lot_bytes=1, group_edges=9), 1),
                (Bounds(group_documents=1, group_edges=1), 7),
            ]
        )
    ]
    assert len(found[0].fates) > 15
    assert max(each.result.rounds for each in found) > 1
    for each in found[1:]:
        assert (each.fates, each.survivor_ids, each.clusters) == (
            found[0].fates,
            found[0].survivor_ids,
            found[0].clusters,
        )
        counts = {"candidates", "too_unlike", "rejected", "verified", "similarities", "kept", "dropped"}
        assert each.result.model_dump(include=counts) == found[0].result.model_dump(include=counts)
    assert found[0].fates == deduplicated(documents(shards), EXACT, EAGER)


def test_no_chaining(folder: Path) -> None:
    texts = edits(6)
    minhash = MinHashDedup(ngram=1, bands=64, rows=1, min_similarity=0.7)
    found = run(folder, [("s", texts)], None, minhash)
    assert found.fates == deduplicated(documents([("s", texts)]), None, minhash)
    kept = set(range(len(texts))) - {place for _, place in found.fates}
    assert len(kept) > 1, "each text is like the next, the first is unlike the last"


def test_twice_is_once(folder: Path) -> None:
    shards = [("s", edits(5)), ("t", edits(8))]
    work = Work(str(folder), "run")
    inputs = write_shards(work, shards, EXACT, EAGER)
    first = deduplicate(work.under("dedup"), inputs, EXACT, EAGER, LocalRunner())
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert deduplicate(work.under("dedup"), inputs, EXACT, EAGER, LocalRunner()) == first
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_run_that_died_goes_on(folder: Path) -> None:
    shards = [("s", edits(5)), ("t", edits(8))]
    whole = run(folder / "whole", shards, EXACT, EAGER, SMALL)
    records = sorted(path for path in (folder / "whole" / "run" / "dedup").rglob("*.json"))
    for record in records[::7]:
        record.unlink()
    work = Work(str(folder / "whole"), "run")
    inputs = write_shards(work, shards, EXACT, EAGER)
    again = deduplicate(work.under("dedup"), inputs, EXACT, EAGER, LocalRunner(), SMALL)
    assert again == whole.result


def test_a_hot_bucket_loses_no_copies(folder: Path) -> None:
    copies = [RHYME[0] + " " + "!" * number + " " + " ".join(RHYME[1:]) for number in range(200)]
    minhash = MinHashDedup(max_bucket=2)
    found = run(folder, [("s", copies)], None, minhash)
    assert len(found.fates) == 199
    assert found.result.candidates == 0, "documents with equal shingle sets stand for each other"
    assert found.clusters == {(0, 199): 200}


def test_a_capped_bucket_is_compared_with_its_best(folder: Path) -> None:
    base = [f"w{number}" for number in range(40)]
    texts = [" ".join([*base, *(f"x{number}" for number in range(many))]) for many in range(30)]
    minhash = MinHashDedup(ngram=1, bands=64, rows=1, min_similarity=0.5, max_bucket=3)
    found = run(folder, [("s", texts)], None, minhash)
    assert found.fates.keys() == {(0, place) for place in range(29)}
    assert {survivor for _, survivor, _ in found.fates.values()} == {(0, 29)}


@pytest.mark.parametrize("text", ["", " \n\t", "!!!", "…"])
def test_documents_without_words_are_no_near_duplicates(folder: Path, text: str) -> None:
    found = run(folder, [("s", [text, text + " .", text + " -"])], None, MinHashDedup())
    assert found.fates == {}


def test_nothing_at_all(folder: Path) -> None:
    assert run(folder / "a", [], EXACT, EAGER).fates == {}
    assert run(folder / "b", [("s", [])], EXACT, EAGER).fates == {}


def test_scope_keeps_sources_apart(folder: Path) -> None:
    shards = [("a", edits(0)), ("b", edits(0))]
    within = {"scope": "source"}
    exact, minhash = ExactDedup.model_validate(within), MinHashDedup.model_validate(within)
    assert run(folder / "source", shards, exact, minhash).fates == {}
    assert run(folder / "corpus", shards, EXACT, EAGER).fates == {(1, 0): ("exact_dedup", (0, 0), 1.0)}
