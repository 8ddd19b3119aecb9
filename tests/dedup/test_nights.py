"""Deduplication against what is known: night by night, in the order of the keep policy and in any other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dedup import Bounds, ExactDedup, MinHashDedup, deduplicate
from curation.dedup.buckets import NEIGHBOURS
from curation.dedup.meeting import BetterCopies
from curation.runner.local import LocalRunner
from curation.runner.runner import Item, Result
from curation.work import Work
from tests.dedup.corpus import SMALL, write_batches
from tests.dedup.nights import Corpus, Shard
from tests.dedup.reference import Document, Fates, Place, deduplicated, jaccard
from tests.dedup.scratch import scratch

# Many bands of one row, so that whatever is alike at all is a candidate and the outcome can be foretold.
EAGER = MinHashDedup(ngram=2, bands=32, rows=1, min_similarity=0.5)
TIGHT = Bounds(group_documents=1, partition_rows=100, lot_bytes=1, group_edges=1)

KEEPS = ["longest", "earliest", "newest"]
COPIES: list[BetterCopies] = ["stay", "replace"]

words = st.sampled_from(["a", "B", "b", "c", "D", "ß", "12", "-", "!"])
SENTENCE = ["the", "cat", "sat", "on", "my", "mat", "all", "day"]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Anything, or a sentence with a few words gone or another: many of these resemble each other, in many degrees."""
    if draw(st.integers(0, 4)) == 0:
        return " ".join(draw(st.lists(words, max_size=6)))
    edited = list(SENTENCE)
    for place in draw(st.lists(st.integers(0, len(SENTENCE) - 1), max_size=4)):
        edited[place] = draw(st.sampled_from(["", "", "dog", "!"]))
    return " ".join(edited)


documents = st.tuples(texts(), st.integers(0, 9))
sources = st.sampled_from(["news", "mail"])
shards = st.lists(st.tuples(sources, st.lists(documents, min_size=1, max_size=6)), min_size=1, max_size=3)


@st.composite
def empty_corpora(draw: st.DrawFn) -> Corpus:
    options = {"scope": draw(st.sampled_from(["corpus", "source"])), "keep": draw(st.sampled_from(KEEPS))}
    exact = ExactDedup.model_validate(options)
    minhash = MinHashDedup.model_validate({**EAGER.model_dump(), **options})
    stages = draw(st.sampled_from([(exact, minhash), (exact, minhash), (exact, None), (None, minhash)]))
    better_copies: BetterCopies = draw(st.sampled_from(COPIES))
    return Corpus(*stages, better_copies, draw(st.sampled_from([Bounds(), SMALL, TIGHT])))


def check_night(corpus: Corpus, folder: Path, night: Sequence[Shard]) -> Fates:
    """Refresh, compare with the reference, and check what must hold whatever the reference says; the fates."""
    known = [document for document in corpus.documents() if document.place in corpus.copies]
    first = len(corpus.files)
    found = corpus.refresh(folder, night)
    new = corpus.documents(first)
    replaces = corpus.better_copies == "replace"
    expected = deduplicated(new, corpus.exact, corpus.minhash, known, replaces)
    assert found.new | found.replaced == expected

    assert len(found.new) == sum(found.result.dropped.values()) == len(new) - sum(found.result.kept)
    named = Counter(survivor for _, survivor, _ in corpus.fates.values())
    assert corpus.copies == {place: 1 + named[place] for place in corpus.copies}
    assert len(corpus.copies) + len(corpus.fates) == len(corpus.documents()), "everybody is kept or lost"
    assert {survivor for _, survivor, _ in expected.values()} <= corpus.copies.keys(), "losers name who is kept"
    text = {document.place: document.text for document in corpus.documents()}
    for place, (stage, survivor, similarity) in expected.items():
        if corpus.minhash and stage == corpus.minhash.name:
            assert similarity == jaccard(text[place], text[survivor], EAGER.ngram) >= EAGER.min_similarity
    if not replaces:
        assert {document.place for document in known} <= corpus.copies.keys(), "what is kept stays"
    newcomers = {document.place for document in new}
    assert all(survivor in newcomers for _, survivor, _ in found.replaced.values())
    return expected


def no_two_alike(corpus: Corpus) -> bool:
    """Whether no two kept documents that may be compared are similar."""
    kept = [document for document in corpus.documents() if document.place in corpus.copies]
    assert corpus.minhash
    return not any(
        jaccard(one.text, other.text, EAGER.ngram) >= EAGER.min_similarity
        for one, other in combinations(kept, 2)
        if corpus.minhash.scope == "corpus" or one.source == other.source
    )


@settings(max_examples=120)
@given(empty_corpora(), st.lists(shards, min_size=2, max_size=3))
def test_every_night_is_as_the_reference_has_it(corpus: Corpus, nights: list[list[Shard]]) -> None:
    """In any order: what is kept stays, or better copies replace it."""
    with scratch() as folder:
        for night in nights:
            check_night(corpus, folder, night)
    assert corpus.minhash is None or no_two_alike(corpus)


@st.composite
def ordered_nights(draw: st.DrawFn, corpus: Corpus) -> list[list[Shard]]:
    """Nights whose order agrees with the keep policy's; within a night, any order and any files."""
    every = draw(st.lists(st.tuples(sources, documents), min_size=2, max_size=24))
    key: Callable[[tuple[str, tuple[str, int]]], int] = {
        "longest": lambda each: -len(each[1][0]),
        "earliest": lambda each: each[1][1],
        "newest": lambda each: -each[1][1],
    }[(corpus.exact or corpus.minhash or EAGER).keep]
    every = sorted(every, key=key)
    cuts = sorted(draw(st.lists(st.integers(1, len(every) - 1), min_size=1, max_size=3)))
    nights = []
    for begin, end in zip([0, *cuts], [*cuts, len(every)], strict=True):
        night = draw(st.permutations(every[begin:end]))
        size = draw(st.integers(1, 6))
        nights.append(
            [("news", [d for s, d in night[i : i + size] if s == "news"]) for i in range(0, len(night), size)]
        )
        nights[-1] += [("mail", [d for s, d in night if s == "mail"])]
    return [[shard for shard in night if shard[1]] for night in nights]


def copies_of_lost(documents: Sequence[Document], fates: Fates, night_of: dict[int, int]) -> set[Place]:
    """Documents with the shingles of one that an earlier night dropped for another document, so it is not known."""
    return {
        one.place
        for one in documents
        for other in documents
        if night_of[other.place[0]] < night_of[one.place[0]]
        and fates.get(other.place, ("", 0, 1.0))[2] < 1.0
        and jaccard(one.text, other.text, EAGER.ngram) == 1.0
    }


@settings(max_examples=100)
@given(empty_corpora().flatmap(lambda corpus: st.tuples(st.just(corpus), ordered_nights(corpus))))
def test_nights_in_the_keep_order_equal_one_run(case: tuple[Corpus, list[list[Shard]]]) -> None:
    """The same documents are kept, and the others name the same survivors. But for a copy of a text that was dropped
    before: that its leader once was there is not known any more, so it names the best of all that it resembles."""
    corpus, nights = case
    union = Corpus(corpus.exact, corpus.minhash, bounds=corpus.bounds)
    fates: Fates = {}
    night_of: dict[int, int] = {}
    with scratch() as folder:
        for number, night in enumerate(nights):
            night_of |= {len(corpus.files) + file: number for file in range(len(night))}
            fates |= check_night(corpus, folder, night)
        whole = union.refresh(folder / "union", [shard for night in nights for shard in night]).new
    assert corpus.copies.keys() == union.copies.keys()
    assert fates.keys() == whole.keys()
    others = copies_of_lost(corpus.documents(), whole, night_of)
    for place, (_, survivor, similarity) in whole.items():
        if place in others:
            assert fates[place][2] >= similarity
        else:
            assert fates[place][1:] == (survivor, similarity)


def edits(count: int, letter: str = "w") -> list[tuple[str, int]]:
    """Documents of which each differs from the one before by one word more, a day apart."""
    edited = [f"{letter}{number}" for number in range(16)]
    found = []
    for place in range(count):
        edited[place * 3 % len(edited)] = f"{letter}-{place}"
        found.append((" ".join(edited), place))
    return found


@pytest.mark.parametrize("better_copies", COPIES)
def test_any_division_gives_the_same(folder: Path, better_copies: BetterCopies) -> None:
    nights: list[list[Shard]] = [
        [("s", edits(5)), ("t", edits(3, "v")), ("u", edits(1, "x"))],
        [("s", edits(7)[::-1]), ("t", [(text.upper() + " more", day) for text, day in edits(4)] + edits(5, "v"))],
    ]
    found = []
    for number, bounds in enumerate([Bounds(), SMALL, TIGHT]):
        corpus = Corpus(ExactDedup(), EAGER, better_copies, bounds)
        for night in nights:
            last = corpus.refresh(folder / str(number), night)
        counts = last.result.model_dump(include={"kept", "dropped", "candidates", "too_unlike", "similarities"})
        found.append((last.new, last.replaced, corpus.copies, counts))
    assert (len(found[0][0]) > 5, bool(found[0][1])) == (True, better_copies == "replace")
    assert found[1:] == found[:-1]


@pytest.mark.parametrize("better_copies", COPIES)
def test_twice_is_once(folder: Path, better_copies: BetterCopies) -> None:
    corpus = Corpus(ExactDedup(), EAGER, better_copies, SMALL)
    corpus.refresh(folder, [("s", edits(5))])
    before = replace(corpus, copies=dict(corpus.copies), files=list(corpus.files))
    first = corpus.refresh(folder, [("s", edits(8)[::-1])])
    again = before.refresh(folder, [("s", edits(8)[::-1])])
    assert (again.result, again.new, again.replaced) == (first.result, first.new, first.replaced)


class CountingRunner(LocalRunner):
    tasks = 0

    def map(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        on_result: Callable[[int, Result], None] | None = None,
    ) -> list[Result]:
        self.tasks += len(items)
        return super().map(task, items, on_result)


@pytest.mark.parametrize("better_copies", COPIES)
def test_the_work_is_in_proportion_to_what_is_new(folder: Path, better_copies: BetterCopies) -> None:
    tasks = []
    for pieces in (3, 30):
        corpus = Corpus(ExactDedup(), MinHashDedup(), better_copies)
        corpus.refresh(folder / str(pieces), [("s", edits(1, f"piece{number}x")) for number in range(pieces)])
        runner = CountingRunner()
        strangers = corpus.refresh(folder / str(pieces), [("s", edits(1, "y"))], runner)
        tasks.append(runner.tasks)
        asked = {name: count for name, count in strangers.known.asked.items() if count}
        assert asked == {"exact": 1, "sets": 1, "bands": 14}, "a key each, and nothing else"
        relative = edits(1, "piece2x")[0][0] + " other end"
        found = corpus.refresh(folder / str(pieces), [("s", [(relative, 0)])])
        assert len(found.new) == (better_copies == "stay")
        assert len(found.replaced) == (better_copies == "replace")
        assert found.known.asked["texts"] == 1
    assert tasks[0] == tasks[1]


def test_known_documents_count_in_a_hot_bucket(folder: Path) -> None:
    """Each new document is compared with the best of a bucket and its neighbours, not with all that are known."""
    base = [f"w{number}" for number in range(40)]
    known = [(" ".join([*base, *(f"x{place}y{n}" for n in range(8))]), 0) for place in range(30)]
    minhash = MinHashDedup(ngram=1, bands=1, rows=1, min_similarity=0.9, max_bucket=2)
    corpus = Corpus(None, minhash)
    corpus.refresh(folder, [("s", known)])
    assert len(corpus.copies) == 30
    last = corpus.refresh(folder, [("s", [(" ".join([*base, *"abcdefgh"]), 0)])])
    assert last.known.asked["records"] > 12
    assert last.result.candidates == 2 + NEIGHBOURS


def test_new_shards_are_numbered_behind_the_known_pieces(folder: Path) -> None:
    corpus = Corpus(ExactDedup(), None)
    corpus.refresh(folder, [("s", edits(2))])
    work = Work(str(folder), "other")
    inputs = write_batches(work, corpus.files, ExactDedup(), None)
    with pytest.raises(ValueError, match="begin at number 0, expected at least 1"):
        deduplicate(work, inputs, ExactDedup(), None, LocalRunner(), known=corpus.known())
