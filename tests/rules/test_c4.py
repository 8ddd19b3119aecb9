"""C4's line filter."""

from __future__ import annotations

from itertools import product

import pytest
import spacy
from hypothesis import given, settings

from curation.document import SCRATCH, TEXT, document_batch
from curation.rules import C4, FineWebQuality
from curation.text.signals import with_signals
from tests.rules import reference
from tests.rules.texts import TEXTS, annotated, reason, values, words_of

_FIVE = "It rained. We waited. The bus came. Nobody got on. It left again."


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "too_few_sentences"),
        ("It rained all day. Then it stopped.", "too_few_sentences"),
        (f"{_FIVE}\nHere stands lorem ipsum dolor.", "lorem_ipsum"),
        (f"{_FIVE}\nLOREM IPSUM and so on.", "lorem_ipsum"),
        (f"{_FIVE}\nfunction f() {{ return 1 }}", "curly_bracket"),
        (f"{_FIVE}\nfirst {{ a bracket\nthen lorem ipsum too", "curly_bracket"),
        (f"{_FIVE}\nfirst lorem ipsum here\nthen {{ a bracket", "lorem_ipsum"),
        (f"{_FIVE}\n{{", None),  # a line of one word goes before its bracket is looked at
        (_FIVE, None),
    ],
)
def test_reason(text: str, why: str | None) -> None:
    assert reason(C4(), text) == (why and f"c4.{why}")


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("Please enable JavaScript to go on", "lines_javascript"),
        ("See our Privacy Policy for more", "lines_policy"),
        ("This site uses cooKies as you know", "lines_policy"),  # the Kelvin sign is a k
        ("Terms of Use and other terms", "lines_policy"),
        ("Two words", "lines_too_few_words"),
        ("", "lines_too_few_words"),
        (f"One word is {'x' * 1001} long", "lines_too_long_word"),
    ],
)
def test_lines_that_go(line: str, cause: str) -> None:
    batch = annotated(C4(), [f"{_FIVE}\n{line}\n{_FIVE}"])
    assert batch[TEXT].to_pylist() == [f"{_FIVE}\n{_FIVE}"]
    assert (batch[f"c4.{cause}"][0].as_py(), batch["c4.lines_kept"][0].as_py()) == (1, 2)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("  Water boils at 100 degrees[12] or so[citation needed].  ", "Water boils at 100 degrees or so."),
        ("History[edit] of the town[]", "History of the town"),
        ("The array a[i] and [sic] stay[٣]", "The array a[i] and [sic] stay"),
        ("A word of " + "é" * 1000, "A word of " + "é" * 1000),
        ("java script is not the word", "java script is not the word"),
    ],
)
def test_lines_that_stay(line: str, kept: str) -> None:
    assert annotated(C4(min_num_sentences=None), [line])[TEXT].to_pylist() == [kept]


def test_citations_may_stay() -> None:
    line = "Water boils at 100 degrees[12]."
    stage = C4(remove_citations=False, min_num_sentences=None)
    assert annotated(stage, [line])[TEXT].to_pylist() == [line]


def test_terminal_marks_may_be_asked_for() -> None:
    text = "A heading of words\nThis is a sentence.\nAnd this trails off...\nShe said 'no'"
    stage = C4(filter_no_terminal_punct=True, min_num_sentences=None)
    assert annotated(stage, [text])[TEXT].to_pylist() == ["This is a sentence.\nShe said 'no'"]
    assert values(stage, text)["lines_no_terminal_punct"] == 2


@pytest.mark.parametrize(
    ("off", "line"),
    [
        ({"filter_lorem_ipsum": False}, "Here stands lorem ipsum dolor."),
        ({"filter_curly_bracket": False}, "a { bracket here"),
        ({"filter_javascript": False}, "JavaScript is on today"),
        ({"filter_policy": False}, "See our privacy policy"),
        ({"min_words_per_line": None}, "Word"),
        ({"max_word_length": None}, f"One word is {'x' * 1001} long"),
        ({"min_num_sentences": None}, "Only one sentence."),
    ],
)
def test_every_rule_can_be_switched_off(off: dict[str, object], line: str) -> None:
    stage = C4.model_validate({"kind": "c4", **off})
    batch = annotated(stage, [f"{_FIVE}\n{line}"])
    assert batch[TEXT].to_pylist() == [f"{_FIVE}\n{line}"]
    assert stage.drop_reasons(batch).to_pylist() == [None]


@given(TEXTS)
def test_lines_and_text_are_those_of_the_definition(text: str) -> None:
    for needs_terminal, min_num_sentences in product((False, True), (None, 5)):
        stage = C4(filter_no_terminal_punct=needs_terminal, min_num_sentences=min_num_sentences)
        counts, kept = reference.c4(text, needs_terminal=needs_terminal)
        batch = annotated(stage, [text])
        dropped = stage.drop_reasons(batch)[0].is_valid
        assert batch[TEXT].to_pylist() == [text if dropped else "\n".join(kept).strip()]
        assert {name: batch[f"c4.{name}"][0].as_py() for name in counts} == counts


_SPACY = spacy.blank("en")


@given(TEXTS)
@settings(max_examples=60)
def test_sentences_are_spacys(text: str) -> None:
    _, kept = reference.c4(text)
    tokens = [[(token.text, token.is_punct) for token in _SPACY.tokenizer(line)] for line in kept]
    assert values(C4(words="spacy"), text)["sentences"] == sum(map(reference.sentences, tokens))


@given(TEXTS)
def test_the_words_that_it_hands_on_are_those_of_its_text(text: str) -> None:
    batch = annotated(C4(), [text, "as before", text])
    fresh = document_batch(batch[TEXT].to_pylist(), source="here", shard="here.jsonl")
    want = with_signals(fresh, FineWebQuality().signals())[f"{SCRATCH}fast:words.count"]
    assert batch[f"{SCRATCH}fast:words.count"] == want
    assert want[0].as_py() == len(words_of(batch[TEXT][0].as_py()))
