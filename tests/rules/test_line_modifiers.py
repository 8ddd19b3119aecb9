"""DCLM's line modifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.document import TEXT
from curation.rules import LineModifiers
from tests.rules import flavours_reference as reference
from tests.rules.texts import TEXTS, annotated, reason, values

_PROSE = "Seven grey herons stood knee deep in cold water, waiting for luck, until the sun went down behind the hill."
_ANY = LineModifiers(max_removed_ratio=None)
_LINES = st.lists(
    st.sampled_from(
        [
            *(
                "HELLO World",
                "HELLO THERE you",
                "12345",
                "12 345",
                " 99",
                "²³",
                "٣٤",
                "12 likes",
                "3.5K views!",
                "(7,0M  quotes)",
            ),
            *(
                "5K Likes",
                "5K views",
                "1 view",
                "1a likes",
                "9\u00a0followers",
                "one",
                "",
                "",
                " ",
                "\u2003",
                "two words",
            ),
            *("You have 7 items in cart now", "ITEMS İN CART", "ıtemſ in cart items in cart", "a\u00a0items in cart b"),
            *("7 items in cart and more and more and more and more and more", "xitems in cartitems in cart y"),
            *(
                "Read more...",
                "Please read more >>",
                "please READ MORE",
                "read more…!?",
                " read more...",
                "read more... ",
            ),
            *("Sign-in", "SIGN-IN here", "sıgn-ın\u2003 now", " Sign-in for all", "do Sign-in", "sign-in."),
            _PROSE,
        ]
    ),
    max_size=12,
)
_TEXTS = st.one_of(TEXTS, _LINES.map("\n".join), st.tuples(_LINES.map("\n".join), TEXTS).map("\n".join))


@given(_TEXTS)
def test_lines_and_text_are_those_of_the_definition(text: str) -> None:
    counts, want = reference.line_modifiers(text)
    batch = annotated(_ANY, [text])
    dropped = _ANY.drop_reasons(batch)[0].is_valid
    assert values(_ANY, text) == counts
    assert batch[TEXT].to_pylist() == [text if dropped else want]


@given(st.lists(_TEXTS, max_size=4))
def test_a_document_is_changed_alike_in_any_company(texts: list[str]) -> None:
    alone = [annotated(LineModifiers(), [text])[TEXT][0].as_py() for text in texts]
    assert annotated(LineModifiers(), texts)[TEXT].to_pylist() == alone


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no_words"),
        ("! ? *", "no_words"),
        ("12 likes", "empty"),
        (f"{_PROSE}\nHOME", None),  # one word of 21
        (f"{_PROSE}\nHOME\nCART", "removed_words"),
        (_PROSE, None),
    ],
)
def test_reason(text: str, why: str | None) -> None:
    assert reason(LineModifiers(), text) == (why and f"line_modifiers.{why}")


def test_the_text_of_a_dropped_document_stays() -> None:
    text = f"{_PROSE}\n\n\n\nHOME\nCART"
    assert annotated(LineModifiers(), [text])[TEXT].to_pylist() == [text]


@pytest.mark.parametrize(
    ("off", "line"),
    [
        ({"max_upper_case_ratio": None}, "HELLO THERE"),
        ({"max_numeric_ratio": None, "min_words_per_line": None}, "123"),
        ({"remove_counters": False}, "12 likes"),
        ({"min_words_per_line": None}, "one"),
        ({"max_words_with_phrase": None}, "Sign-in to read more..."),
        ({"max_line_feeds": None}, "\n\n\n"),
    ],
)
def test_every_rule_can_be_switched_off(off: dict[str, object], line: str) -> None:
    text = f"{_PROSE}\n{line}\n{_PROSE}"
    assert annotated(_ANY, [text])[TEXT].to_pylist() != [text]
    stage = LineModifiers.model_validate({"kind": "line_modifiers", "max_removed_ratio": None, **off})
    assert annotated(stage, [text])[TEXT].to_pylist() == [text]


def test_evidence_names_share_and_threshold() -> None:
    stage = LineModifiers()
    batch = annotated(stage, [f"{_PROSE}\nHOME\nCART", _PROSE])
    evidence = stage.evidence(batch, stage.drop_reasons(batch))
    assert (evidence.values.to_pylist(), evidence.thresholds.to_pylist()) == ([2 / 22, None], [0.05, None])
