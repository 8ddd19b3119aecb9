"""The flavours `dolma` and `dclm` of the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fasttext
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.document import TEXT
from curation.rules import C4, GopherQuality, GopherRepetition
from curation.stage import stage_kinds
from tests.rules import flavours_reference as reference
from tests.rules.texts import TEXTS, annotated, reason, values

# Texts in which lines repeat and end in every way, beside those of all rules.
_LINES = st.lists(
    st.sampled_from(
        [
            *(
                "One two three four five.",
                "one two three.",
                "- a bullet",
                "* another",
                "● one more",
                "  • indented",
                "",
            ),
            *(
                "and so on...",
                "and so on…",
                "and so on . . .",
                "and so on… ",
                ". . . . . . .",
                "......",
                " ",
                "\t\u00a0",
            ),
            *(
                "# The # of …",
                "THE Of to",
                "ΤΗΣ the",
                "İ the",
                "lorem ipsum dolor sit amet.",
                "a JavaScript b c d.",
                "{",
            ),
            *("a b { c d.", "we use cookies, you know.", "all[1] of [edit] it is here.", "[12]", "one two three four!"),
            *('"a b c d e"  ', "a b c d e…", "w" * 1001 + " b c d e."),
        ]
    )
).map("\n".join)
_TEXTS = st.one_of(TEXTS, _LINES, st.tuples(_LINES, TEXTS).map("\n".join))


@given(_TEXTS)
def test_dolmas_quality_is_that_of_the_definition(text: str) -> None:
    assert values(GopherQuality(flavour="dolma"), text) == pytest.approx(reference.dolma_quality(text), abs=0)


@given(_TEXTS)
def test_dclms_quality_is_that_of_the_definition(text: str) -> None:
    assert values(GopherQuality(flavour="dclm"), text) == pytest.approx(reference.dclm_quality(text), abs=0)


@given(_TEXTS)
def test_dolmas_repetition_is_that_of_the_definition(text: str) -> None:
    assert values(GopherRepetition(flavour="dolma"), text) == pytest.approx(reference.dolma_repetition(text), abs=0)


@given(_TEXTS | st.text("ab12_ア日ไא\u0301\u200d'\"’.,:;·\u00ad 😀🏽ⅧⒶ²"))
def test_dclms_repetition_is_that_of_the_definition(text: str) -> None:
    want = reference.dclm_repetition(text)
    assert values(GopherRepetition(flavour="dclm"), text) == pytest.approx(want, abs=0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don't it's 3.14 1,000 e.g. U.S. x_y _z a:b l'été", "don't it's 3.14 1,000 e.g U.S x_y a:b l'été"),
        ("foo-bar/baz 1.a 2a.3b https://a.bc/d", "foo bar baz 1 a 2a 3b https a.bc d"),
        ("日本語のテキスト 한국어 हिन्दी วัส", "日 本 語 の テキスト 한국어 हिन्दी วั ส"),
        ("צה\"ל ג' cafe\u0301s so\u00adft", "צה\"ל ג' cafe\u0301s so\u00adft"),
    ],
)
def test_words_of_uax_29(text: str, words: str) -> None:
    assert reference.unicode_words(text) == words.split(" ")


@pytest.mark.parametrize(("flavour", "definition"), [("dolma", reference.dolma_c4), ("dclm", reference.dclm_c4)])
@given(text=_TEXTS)
def test_c4_is_that_of_the_definition(
    flavour: Any, definition: Callable[[str], tuple[dict[str, int], str]], text: str
) -> None:
    stage = C4(flavour=flavour, min_num_sentences=None)
    counts, want = definition(text)
    batch = annotated(stage, [text])
    dropped = stage.drop_reasons(batch)[0].is_valid
    assert batch[TEXT].to_pylist() == [text if dropped else want]
    assert {name: batch[f"c4.{name}"][0].as_py() for name in counts} == counts


@given(TEXTS)
def test_words_of_dclm_are_those_of_fasttext(text: str) -> None:
    want = [word for word in fasttext.FastText.tokenize(text.encode().decode()) if word[0].isalnum()]
    assert values(GopherQuality(flavour="dclm"), text)["words"] == len(want)


@given(st.lists(_TEXTS, max_size=4))
def test_a_document_is_measured_alike_in_any_company(texts: list[str]) -> None:
    for stage in (
        *(GopherQuality(flavour=flavour) for flavour in ("dolma", "dclm")),
        *(GopherRepetition(flavour=flavour) for flavour in ("dolma", "dclm")),
        *(C4(flavour=flavour) for flavour in ("dolma", "dclm")),
    ):
        together = annotated(stage, texts)
        alone = [annotated(stage, [text]) for text in texts]
        for name in (*stage.columns().names, TEXT):
            assert together[name].to_pylist() == [batch[name][0].as_py() for batch in alone]


def test_stop_words_of_dclm_are_found_in_any_case() -> None:
    text = "ΤΗΣ Και ISTANBUL'DA İstanbul der DER großen GROSSEN"
    stage = GopherQuality(flavour="dclm", stop_words=("της", "και", "der", "großen", "i̇stanbul"))
    assert values(stage, text)["stop_words"] == 6


@pytest.mark.parametrize(
    ("stage", "text", "why"),
    [
        (GopherQuality(flavour="dolma"), "it is so " * 30, "gopher_quality.below_avg_threshold"),
        (
            GopherQuality(flavour="dolma"),
            "interconnection so " * 30 + "interconnection",
            "gopher_quality.above_avg_threshold",
        ),
        (GopherQuality(flavour="dolma"), "#one and two " * 20, "gopher_quality.too_many_symbols"),
        (GopherQuality(flavour="dclm"), "And so on... " * 20, "gopher_quality.too_many_symbols"),
        (GopherQuality(flavour="dclm"), "The herons stood there. " * 20, None),
        (GopherQuality(flavour="dclm"), "( one ) " * 30, "gopher_quality.short_doc"),
        (GopherRepetition(flavour="dclm"), " \n \n", "gopher_repetition.empty"),
        (GopherRepetition(flavour="dclm"), "We don't know. We don't know.", "gopher_repetition.top_2_gram"),
        (GopherRepetition(flavour="dclm"), "Just four short words.", None),
        (GopherRepetition(flavour="dolma"), "Just four short words.", "gopher_repetition.top_2_gram"),
        (C4(flavour="dolma"), "One line, long enough.\nIt has JavaScript.", "c4.javascript"),
        (C4(flavour="dolma"), "No line ends here", "c4.empty"),
        (C4(flavour="dolma"), "One sentence is enough.", None),
        (C4(flavour="dclm"), "One sentence is not enough.", "c4.too_few_sentences"),
        (C4(flavour="dclm"), "a b c d e. " * 20_000, "c4.too_long"),
        (C4(flavour="dclm"), "Too few words.", "c4.empty"),
    ],
)
def test_reason(stage: Any, text: str, why: str | None) -> None:
    assert reason(stage, text) == why


def test_thresholds_follow_the_flavour_unless_given() -> None:
    assert GopherRepetition().dup_line_char_frac == 0.2
    assert GopherRepetition(flavour="dolma").dup_line_char_frac == 0.3
    assert GopherRepetition(flavour="dolma", dup_line_char_frac=0.2).dup_line_char_frac == 0.2
    assert GopherRepetition(flavour="dolma").dup_para_frac is None
    assert C4(flavour="dclm").min_words_per_line == 5
    again = C4.model_validate(C4(flavour="dclm").model_dump())
    assert again == C4(flavour="dclm")


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "gopher_repetition", "flavour": "dolma", "dup_para_frac": 0.3},
        {"kind": "gopher_repetition", "flavour": "dolma", "words": "spacy"},
        {"kind": "gopher_quality", "flavour": "dclm", "words": "spacy"},
        {"kind": "gopher_repetition", "flavour": "dclm", "words": "spacy"},
        {"kind": "c4", "flavour": "dolma", "filter_policy": True},
        {"kind": "c4", "max_characters": 100},
    ],
)
def test_an_option_that_means_nothing_to_a_flavour_is_an_error(options: dict[str, Any]) -> None:
    stage = stage_kinds()[options["kind"]]
    with pytest.raises(ValidationError, match="means nothing to"):
        stage.model_validate(options)


@pytest.mark.parametrize("flavour", ["nemo", None, ["dolma"], 1])
def test_an_unknown_flavour_is_an_error(flavour: object) -> None:
    with pytest.raises(ValidationError, match="flavour"):
        C4.model_validate({"kind": "c4", "flavour": flavour})


def test_the_schema_tells_every_flavours_defaults() -> None:
    told = C4.model_json_schema()["properties"]["min_num_sentences"]["description"]
    assert told.endswith("Default in other flavours: dolma null, dclm 3.")


@pytest.mark.parametrize("text", ["a" * 500_000, "\n" * 500_000, "a\n" * 250_000, "ab " * 150_000, ". " * 250_000])
def test_a_megabyte_of_one_thing_takes_no_longer_than_any_other(text: str) -> None:
    for flavour in ("dolma", "dclm"):
        assert values(GopherQuality.model_validate({"flavour": flavour}), text)["words"] >= 0
        assert values(GopherRepetition.model_validate({"flavour": flavour}), text)["characters"] >= 0
