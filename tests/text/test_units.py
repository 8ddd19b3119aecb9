"""Units: words in scripts that are written without spaces."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import pyarrow as pa
import pytest
from budoux.parser import Parser
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import ModelError
from curation.text.words import kernels as words
from curation.text.words import units, word_spans
from curation.text.words.kinds import kinds
from curation.text.words.units import kernels
from tests.rules.texts import TEXTS, words_of

JAPANESE = "今日はとても天気がいいですね"
SIMPLIFIED = "人人生而自由在尊严和权利上一律平等他们赋有理性和良心"
TRADITIONAL = "人人生而自由在尊嚴和權利上一律平等他們賦有理性和良心"
THAI = "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์"


@pytest.mark.parametrize(
    "text",
    [
        "今日 は とても 天気 が いい です ね",
        "本語 の テキスト を 単語 に 分割",
        "Linux の コマンド ls は 、 名前 を 表示 する 。",
        "我们 都 有 自己 的 想法 和 感觉",
        "他們 賦 有理性 和 良心",
        "มนุษย์ ทั้ง หลาย เกิด มา",
        "မြန် မာ လူ တိုင်း သည်",  # C with asat ends a syllable
        "သတ္တ ဝါ",  # stacked: the virama joins
        "អស់ ភា សា ខ្មែរ",  # subscripts and a bare final consonant
        "ມະ ນຸດ ທຸກ ຄົນ ເກີດ ການ ໂດຍ ແລະ",  # vowels before and behind
        "འགྲོ་ བ་ མིའི་ རིགས",
    ],
)
def test_units(text: str) -> None:
    """Written with spaces between the units; a line is one run, with Latin words in it at most."""
    assert words_of(text.replace(" ", ""), "units") == text.split()


@given(TEXTS)
def test_only_scripts_without_spaces_are_touched(text: str) -> None:
    plain = "".join(character for character in text if not _is_unspaced(character) and character != "\u0f0b")
    assert words_of(plain, "units") == words_of(plain, "fast")


@given(
    st.lists(
        st.sampled_from(
            [*JAPANESE, *SIMPLIFIED, *TRADITIONAL, *THAI, "a", " ", "。", "1", "་", "བ", "\u0301", "က", "្", "ເ"]
        )
    )
)
def test_units_are_neighbouring_words_of_fast(characters: list[str]) -> None:
    text = "".join(characters)
    fast, joined = words_of(text, "fast"), words_of(text, "units")
    assert "".join(joined) == "".join(fast)
    borders = _borders(fast)
    assert _borders(joined) <= borders


@pytest.mark.parametrize(
    ("model", "sign"), [("ja_word", "の"), ("zh-hans", "们"), ("zh-hant", "們"), ("th", "ก")], ids=lambda value: value
)
@given(picks=st.lists(st.integers(0, 5000), min_size=1, max_size=60))
@settings(max_examples=60)
def test_borders_are_those_of_budoux(model: str, sign: str, picks: list[int]) -> None:
    """Of a run, but for those inside of a character with its marks. The sign says, apart, which language it is."""
    known = _characters(model)
    run = "".join(known[pick % len(known)] for pick in picks)
    run = run[next((i for i, c in enumerate(run) if not _is_mark(c)), len(run)) :]
    expected = _borders(Parser(_features(model)).parse(run))
    found = words_of(f"{sign * 600} {run}", "units")[len(words_of(sign * 600, "units")) :]
    assert _borders(found) == {place for place in expected if place == len(run) or not _is_mark(run[place])}


def test_the_language_of_han_is_the_documents() -> None:
    """A word of Kanji alone is cut by the model of the text that it stands in."""
    word = "東京都知事選挙"
    models = {words_of(f"{word} {context * 9}", "units")[0] for context in ("の", "们", "們")}
    assert len(models) > 1


@given(st.lists(TEXTS, max_size=4))
def test_a_text_does_not_depend_on_its_neighbours(texts: list[str]) -> None:
    spans = word_spans(pa.array([JAPANESE, *texts, THAI], pa.large_string()), "units")
    counts = [int(b - a) for a, b in zip(spans.offsets[:-1], spans.offsets[1:], strict=True)]
    assert counts == [len(words_of(text, "units")) for text in (JAPANESE, *texts, THAI)]


def test_a_web_address_in_han_stays_whole() -> None:
    assert words_of("例え.com/路径 と", "units")[0] == "例え.com/路径"


def test_a_model_of_another_digest_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "MODELS", (("ja_word.json", "0" * 64),))
    units.models.cache_clear()
    try:
        with pytest.raises(ModelError, match=r"expected 0000.*pip install"):
            word_spans(pa.array([JAPANESE], pa.large_string()), "units")
    finally:
        units.models.cache_clear()


def _borders(found: list[str]) -> set[int]:
    places, place = set(), 0
    for word in found:
        place += len(word)
        places.add(place)
    return places


@cache
def _features(model: str) -> dict[str, dict[str, int]]:
    features: dict[str, dict[str, int]] = json.loads(files("budoux").joinpath(f"models/{model}.json").read_text())
    return features


@cache
def _characters(model: str) -> list[str]:
    """Those of a model that are of its writing system; of the Chinese models without Kana, which would say Japanese."""
    found = {character for feature in _features(model).values() for gram in feature for character in gram}
    is_thai, is_chinese = model == "th", model.startswith("zh")
    return sorted(
        character
        for character in found
        if _is_unspaced(character)
        and (character < "\u0e80") == is_thai
        and not (is_chinese and units.signs()[ord(character)] & kernels.KANA)
    )


def _is_mark(character: str) -> bool:
    return bool(kinds()[ord(character)] & words.MARK)


def _is_unspaced(character: str) -> bool:
    return bool(kinds()[ord(character)] & words.UNSPACED)
