"""Documents that do not look like prose."""

from __future__ import annotations

import pytest
from hypothesis import given
from pydantic import ValidationError

from curation.rules import GopherQuality
from tests.rules import reference
from tests.rules.texts import TEXTS, annotated, reason, values, words_of

_PROSE = "The old ferry and the new bridge have to be shared with all of the people that cross. "


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "short_doc"),
        ("Too little to say.", "short_doc"),
        ("! ? . , " * 50, "short_doc"),
        ("is it so " * 40, "below_avg_threshold"),
        ("telecommunications " * 60, "above_avg_threshold"),
        (_PROSE * 4 + "# " * 20, "too_many_hashes"),
        (_PROSE * 4 + "go on ... " * 20, "too_many_ellipsis"),
        ("- The cat sat with the dog\n" * 30, "too_many_bullets"),
        ("   • The kitten slept with the puppies\n" * 30, "too_many_bullets"),
        ((_PROSE.strip() + "..\n") * 10, "too_many_end_ellipsis"),
        ("the 1234 with 5678 " * 40, "below_alpha_threshold"),
        ("Grey herons stood deep inside cold water again. " * 10, "too_few_stop_words"),
        ("The With Have That Be To Of And grey herons stood " * 10, "too_few_stop_words"),
        (_PROSE * 4, None),
    ],
)
def test_reason(text: str, why: str | None) -> None:
    assert reason(GopherQuality(), text) == (why and f"gopher_quality.{why}")


def test_a_long_document() -> None:
    assert reason(GopherQuality(max_words=70), _PROSE * 4) == "gopher_quality.long_doc"


def test_null_switches_a_rule_off() -> None:
    assert reason(GopherQuality(min_words=None), "The cat sat with the dog and me.") is None


def test_other_stop_words() -> None:
    text = "Der Hund und die Katze gehen mit dem Kind in den Wald hinter dem Haus. " * 5
    assert reason(GopherQuality(), text) == "gopher_quality.too_few_stop_words"
    german = GopherQuality(stop_words=("und", "die", "dem", "großartigerweise"))
    assert reason(german, text) is None
    assert values(german, text)["stop_words"] == 3


def test_a_stop_word_may_not_hold_white_space() -> None:
    with pytest.raises(ValidationError):
        GopherQuality(stop_words=("in the",))


def test_evidence_names_value_and_threshold() -> None:
    stage = GopherQuality()
    batch = annotated(stage, ["Too little to say.", _PROSE * 4])
    evidence = stage.evidence(batch, stage.drop_reasons(batch))
    assert (evidence.values.to_pylist(), evidence.thresholds.to_pylist()) == ([4.0, None], [50.0, None])


@given(TEXTS)
def test_values_are_those_of_the_definition(text: str) -> None:
    stage = GopherQuality()
    want = reference.gopher_quality(text, words_of(text), stage.stop_words)
    assert values(stage, text) == pytest.approx(want, abs=0)
