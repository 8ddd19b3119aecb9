"""Documents that repeat themselves."""

from __future__ import annotations

import pytest
from hypothesis import given

from curation.rules import GopherRepetition
from tests.rules import reference
from tests.rules.texts import TEXTS, reason, values, words_of

_VERSE = "Seven grey herons stood knee deep in cold water waiting for luck."
# Long enough that its longest four words are no great share of it, and without a word that comes back.
_TALE = (
    "My neighbour bakes dark bread on Fridays.\n\nHer oven came from a closed monastery near Graz.\n\n"
    "Nobody knows exactly how old it might be, but two masons who repaired its chimney last winter swore they had "
    "never seen such bricks.\n\nThey took one home for luck."
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("\n\n", "dup_line_frac"),
        ("Rain again today.\n\n" * 4, "dup_para_frac"),
        (
            _TALE
            + "\n\n"
            + f"{_VERSE[:-1]}, then all of them flew off towards some darker lake beyond our hill.\n\n" * 2,
            "dup_para_char_frac",
        ),
        ("Rain again today.\n" * 4, "dup_line_frac"),
        (
            "One line here.\nAnother one there.\nNow a third line.\n"
            + "The longest line of all comes twice, as it happens.\n" * 2,
            "dup_line_char_frac",
        ),
        ("we saw it, we saw it, we saw it", "top_2_gram"),
        ("for rent or sale: call us, for rent or sale by owner, for rent or sale cheap", "top_2_gram"),
        (f"{_TALE} {_VERSE} {_VERSE}", "duplicated_5_n_grams"),
        (_VERSE, "top_3_gram"),  # the most frequent three words count even if they occur once
        (_TALE, None),
        ("word", None),
        ("\x00", None),
    ],
)
def test_reason(text: str, why: str | None) -> None:
    assert reason(GopherRepetition(), text) == (why and f"gopher_repetition.{why}")


@pytest.mark.parametrize("n", [2, 3, 4])
def test_only_the_rule_that_is_on_fires_for_top_n_grams(n: int) -> None:
    off = {f"top_{k}_gram": None for k in (2, 3, 4) if k != n} | {f"duplicated_{k}_n_grams": None for k in range(5, 11)}
    stage = GopherRepetition.model_validate({"kind": "gopher_repetition", **off})
    assert reason(stage, "once more with feeling " * 3 + "and out") == f"gopher_repetition.top_{n}_gram"


@pytest.mark.parametrize("n", range(5, 11))
def test_only_the_rule_that_is_on_fires_for_duplicated_n_grams(n: int) -> None:
    off = {f"top_{k}_gram": None for k in (2, 3, 4)} | {f"duplicated_{k}_n_grams": None for k in range(5, 11) if k != n}
    stage = GopherRepetition.model_validate({"kind": "gopher_repetition", **off})
    assert reason(stage, f"{_VERSE} {_VERSE}") == f"gopher_repetition.duplicated_{n}_n_grams"


@given(TEXTS)
def test_values_are_those_of_the_definition(text: str) -> None:
    assert values(GopherRepetition(), text) == pytest.approx(reference.gopher_repetition(text, words_of(text)), abs=0)


@pytest.mark.parametrize("text", ["a" * 1_000_000, "\n" * 1_000_000, "a\n" * 500_000, "ab " * 300_000])
def test_a_megabyte_of_one_thing_takes_no_longer_than_any_other(text: str) -> None:
    assert values(GopherRepetition(), text)["characters"] == len(text)


def test_spacy_gives_the_words() -> None:
    text = f"{_TALE}\n{_VERSE} {_VERSE}"
    want = reference.gopher_repetition(text, words_of(text, "spacy"))
    assert values(GopherRepetition(words="spacy"), text) == pytest.approx(want, abs=0)
