"""What matches: the kernels against plain Python, and the scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.contamination import kernels
from curation.contamination.index import Limits, match_texts, open_index
from curation.contamination.matching import LIMITS, Rule, cluster_scores, find_hits
from curation.contamination.registry import Item, make_registry
from curation.errors import ModelError
from tests.contamination import reference

LETTERS = st.sampled_from("abcde")
ITEM = st.lists(LETTERS, min_size=8, max_size=16)
QUESTION = (
    "A farmer drives nineteen stubborn goats across the old stone bridge every second Tuesday and pays the keeper "
    "four copper coins for each of them so how much does he pay in a year"
)


def copies(item: Sequence[str], draw: st.DrawFn) -> list[str]:
    """A text that holds pieces of the item, with words between."""
    pieces = draw(
        st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15), st.lists(LETTERS, max_size=14)), max_size=4)
    )
    return [word for start, end, other in pieces for word in [*item[start:end], *other]]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    item = draw(ITEM)
    return item, copies(item, draw)


@settings(max_examples=300)
@given(pairs(), st.sampled_from([(4, 11), (4, 2), (3, 1), (8, 0), (4, 0)]))
def test_clusters_are_those_of_the_reference(pair: tuple[list[str], list[str]], limits: tuple[int, int]) -> None:
    item, document = pair
    size, misses = limits
    wanted = Limits(size, misses, least_words=1, least_share=0.0)
    index = open_index(make_registry([Item("b", "1", question=" ".join(item))]), wanted, 1)
    matches, measures = match_texts(pa.array([" ".join(document)], pa.large_string()), index.tables, wanted)
    # Words of one letter: word number w begins at byte 2 w.
    found = [
        (start // 2, end // 2 + 1, first, last, words)
        for _, _, start, end, first, last, words, _ in (row.tolist() for row in matches)
    ]
    expected = reference.clusters(document, item, size, misses)
    assert found == expected
    assert measures[:, kernels.SHARE].max(initial=0) <= 1


def best(document: str, rule: Rule, *items: Item) -> tuple[float, float]:
    """(score, share) of the best hit, zeros for none."""
    index = open_index(make_registry(items), LIMITS[rule], 10)
    hits = find_hits(pa.array([document], pa.large_string()), index, rule, 0.35)
    return (float(hits.scores[0]), float(hits.shares[0])) if len(hits.scores) else (0.0, 0.0)


@pytest.mark.parametrize(
    ("rule", "words", "score"),
    [
        ("cluster", 34, 1.0),
        ("cluster", 13, 13 / 34),
        ("cluster", 6, 0.0),
        ("gpt3", 34, 34 / 13),
        ("gpt3", 13, 1.0),
        ("gpt3", 12, 12 / 13),
        ("gpt3", 7, 0.0),
        ("tulu", 34, 1.0),
        ("tulu", 20, 20 / 34),
        ("tulu", 7, 0.0),
    ],
)
def test_the_beginning_of_an_item(rule: Rule, words: int, score: float) -> None:
    item = Item("sums", "1", question=QUESTION)
    text = "One reads: " + " ".join(QUESTION.split()[:words]) + " And that is all."
    assert best(text, rule, item)[0] == pytest.approx(score, abs=0.1 if rule == "cluster" else 1e-9)


def test_tulu_counts_each_word_of_the_item_once() -> None:
    item = Item("sums", "1", question=QUESTION)
    half = " ".join(QUESTION.split()[:16])
    assert best(f"{half}. And again: {half}.", "tulu", item)[0] == pytest.approx(16 / 34)
    end = " ".join(QUESTION.split()[16:])
    assert best(f"{end}. But first: {half}.", "tulu", item)[0] == pytest.approx(1)


def test_a_cluster_lies_in_one_place() -> None:
    item = Item("sums", "1", question=QUESTION)
    words = QUESTION.split()
    apart = " ".join([*words[:12], *["nothing"] * 40, *words[12:24]])
    near = " ".join([*words[:12], *["nothing"] * 5, *words[12:24]])
    assert best(apart, "cluster", item)[0] < 0.5 < best(near, "cluster", item)[0]


def test_numbers_that_differ_do_not_hide_a_copy() -> None:
    text = "Tom has {} red balls and {} blue balls and gives {} balls to his {} sisters Ann and Eve"
    item = Item("sums", "1", question=text.format(12, 17, 9, 3))
    assert best(text.format(15, 18, 4, 2), "cluster", item)[0] == pytest.approx(0.8, abs=0.1)


def test_the_order_matters() -> None:
    item = Item("sums", "1", question=QUESTION)
    words = QUESTION.split()
    backwards = " ".join(word for start in range(28, -1, -4) for word in words[start : start + 4])
    assert best(backwards, "cluster", item)[0] == 0


def test_short_items_must_be_whole() -> None:
    item = Item("facts", "1", question="are the isles of scilly part of the mainland")
    assert best("Are the Isles of Scilly part of the mainland? No.", "cluster", item)[0] == 1
    assert best("The isles of scilly part of the mainland is far.", "cluster", item)[0] < 0.35


def test_a_short_question_is_looked_for_with_its_answer() -> None:
    answer = "Cut them in halves and leave them in the sun for a week"
    item = Item("how", "1", question="How to dry figs", answer=answer)
    assert best(f"How to dry figs? {answer}.", "cluster", item)[0] == 1
    assert best("Someone asked how to dry figs.", "cluster", item)[0] == 0


def test_the_answer_near_by_speaks_for_a_question() -> None:
    shares = np.array([[0.6, 1.0, -1.0], [0.6, 0.0, -1.0], [0.6, -1.0, -1.0], [0.3, 1.0, 1.0], [0.6, 1.0, 1.0]])
    lengths = np.array([20, 20, 20, 20, 20])
    assert cluster_scores(shares, lengths).tolist() == pytest.approx([0.7, 0.6, 0.6, 0.3, 0.72])
    assert cluster_scores(shares, np.full(5, 10)).tolist() == pytest.approx([0.245, 0.21, 0.21, 0.105, 0.252])


@pytest.mark.parametrize(
    ("behind", "parts"),
    [
        (" the shepherd counts again. It is 1976 in all", (1.0, 0.0)),
        (" word" * 60 + " 1976", (0.0, 0.0)),
        (". The keeper of the bridge lives under it with his dog.", (0.0, 1.0)),
    ],
)
def test_answers_and_passages_are_looked_for_around_the_question(behind: str, parts: tuple[float, float]) -> None:
    passage = "The keeper of the bridge lives under it with his dog"
    item = Item("sums", "1", question=QUESTION, answer="1976", passage=passage)
    index = open_index(make_registry([item]), LIMITS["cluster"], 10)
    text = " ".join(QUESTION.split()[:20]) + behind
    _, measures = match_texts(pa.array([text], pa.large_string()), index.tables, LIMITS["cluster"])
    assert tuple(measures[0, [kernels.ANSWER, kernels.PASSAGE]]) == pytest.approx(parts, abs=0.01)


def test_items_with_equal_words_are_one_entry() -> None:
    items = [Item("a", "1", question=QUESTION), Item("b", "2", question=QUESTION.upper())]
    index = open_index(make_registry(items), LIMITS["cluster"], 10)
    assert [[item.id for item in own] for own in index.items] == [["1", "2"]]


def test_common_ngrams_begin_nothing() -> None:
    prompt = "Answer the following question with one of the letters below and nothing else please"
    questions = [f"{prompt} {word} {word}s {word}ing well" for word in "abcdefghijkl"]
    items = [Item("b", question, question=question) for question in questions]
    registry = make_registry(items)
    assert open_index(registry, LIMITS["cluster"], 10).common == ()
    assert best(f"{prompt} zebra zebras zebraing", "cluster", *items) == (0.0, 0.0)


def test_items_of_nothing_but_common_ngrams_are_told() -> None:
    inside = Item("b", "inside", question=" ".join(QUESTION.split()[:20]))
    whole = Item("b", "whole", question=QUESTION)
    assert open_index(make_registry([inside, whole]), LIMITS["gpt3"], 1).common == (inside,)
    circle = ["one", "two", "three", "four", "five", "six", "seven", "eight"] * 3
    turns = [Item("b", str(turn), question=" ".join(circle[turn : turn + 15])) for turn in (0, 1)]
    with pytest.raises(ModelError, match="stands in more than 1 of them"):
        open_index(make_registry(turns), LIMITS["gpt3"], 1)


def test_too_short_items_are_told() -> None:
    items = [Item("a", "1", question="Who was it?"), Item("a", "2", question=QUESTION)]
    assert [item.id for item in open_index(make_registry(items), LIMITS["tulu"], 10).short] == ["1"]
    with pytest.raises(ModelError, match="none of its 1 items has 8 words"):
        open_index(make_registry(items[:1]), LIMITS["tulu"], 10)
