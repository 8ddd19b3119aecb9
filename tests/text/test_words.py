"""The two splitters."""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import spacy
from hypothesis import given, settings

from curation.errors import ModelError
from curation.rules import FineWebQuality, GopherQuality, GopherRepetition
from curation.text.words import Splitter, units, word_spans
from curation.text.words import spacy as spacy_words
from tests.rules.texts import TEXTS, words_of

_SPACY = spacy.blank("en")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "one",
        "The ferry is late , as ever .",
        '( see below ) , he said : " no ! "',
        "do n't ca n't it 's they 'll we 've I 'm she 'd John 's dogs '",
        "do nt can not gon na you re",
        "“ Quoted ” ‘ twice ’ and it ’s so",
        "e.g. i.e. Mr. Dr. U.S. a.m. etc . Inc. p. 5",
        "well - known and/or either / or key = value a - b 3 - 4 3 + 4",
        "10 km 5 % $ 20 7 + 3.5 1,000 10 am",
        "https://www.example.org/a-b?c=d me@some-site.org example.com/x-y",
        "http://example.org/a_b , ( www.example.org )",
        "wait ... what .. and … so",
        "snake_case _ x _ # tag * bold * & c",
        "日 本 語 。 テ キ ス ト",
        "ส วั ส ดี",
        "안녕하세요 세계 !",
        "Привет , мир !",
        "नमस्ते दुनिया ।",
        "😀 👍",
        "x 😀 y",
    ],
)
def test_fast(words: str) -> None:
    """Written with spaces between the words that are to be found; these are taken out where they are no boundary."""
    assert words_of(_closed(words)) == words.split()


def _closed(words: str) -> str:
    """The text whose words these are: what is set off only to show a boundary is joined again."""
    cases = {
        "The ferry is late , as ever .": "The ferry is late, as ever.",
        '( see below ) , he said : " no ! "': '(see below), he said: "no!"',
        "do n't ca n't it 's they 'll we 've I 'm she 'd John 's dogs '": (
            "don't can't it's they'll we've I'm she'd John's dogs'"
        ),
        "do nt can not gon na you re": "dont cannot gonna youre",
        "“ Quoted ” ‘ twice ’ and it ’s so": "“Quoted” ‘twice’ and it’s so",
        "e.g. i.e. Mr. Dr. U.S. a.m. etc . Inc. p. 5": "e.g. i.e. Mr. Dr. U.S. a.m. etc. Inc. p. 5",
        "well - known and/or either / or key = value a - b 3 - 4 3 + 4": (
            "well-known and/or either/or key=value a-b 3-4 3+4"
        ),
        "10 km 5 % $ 20 7 + 3.5 1,000 10 am": "10km 5% $20 7+ 3.5 1,000 10am",
        "http://example.org/a_b , ( www.example.org )": "http://example.org/a_b, (www.example.org)",
        "wait ... what .. and … so": "wait...what.. and…so",
        "snake_case _ x _ # tag * bold * & c": "snake_case _x_ #tag *bold* &c",
        "日 本 語 。 テ キ ス ト": "日本語。テキスト",
        "ส วั ส ดี": "สวัสดี",
        "안녕하세요 세계 !": "안녕하세요 세계!",
        "Привет , мир !": "Привет, мир!",
        "नमस्ते दुनिया ।": "नमस्ते दुनिया।",
        "😀 👍": "😀👍",
        "x 😀 y": "x😀y",
    }
    return cases.get(words, words)


@pytest.mark.parametrize("splitter", ["fast", "spacy"])
@given(text=TEXTS)
@settings(max_examples=60)
def test_words_cover_all_but_white_space(splitter: Splitter, text: str) -> None:
    words = words_of(text, splitter)
    assert "".join(words) == "".join(text.split())
    assert all(words)


@given(TEXTS, TEXTS)
def test_a_text_does_not_depend_on_its_neighbours(left: str, right: str) -> None:
    spans = word_spans(pa.array(["", left, right, ""], pa.large_string()).slice(1, 2), "fast")
    assert np.diff(spans.offsets).tolist() == [len(words_of(left)), len(words_of(right))]


@given(TEXTS)
@settings(max_examples=60)
def test_spacys_words_are_spacys(text: str) -> None:
    assert words_of(text, "spacy") == [token.text for token in _SPACY.tokenizer(text) if not token.is_space]


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "'" * 1_000_000, "." * 1_000_000, "a@" * 500_000, "-a" * 500_000, "(" * 1_000_000]
)
def test_a_megabyte_without_white_space(text: str) -> None:
    assert "".join(words_of(text)) == text


def test_a_missing_spacy_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    spacy_words._tokenizer.cache_clear()
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ModelError, match="pip install"):
        word_spans(pa.array(["a"], pa.large_string()), "spacy")


def test_what_a_splitter_depends_on_is_part_of_a_stages_models() -> None:
    assert GopherQuality(words="fast").models() == {}
    assert GopherRepetition(words="spacy").models() == {"spacy": version("spacy")}
    assert FineWebQuality(words="units").models().keys() == {f"budoux/{name}" for name, _ in units.MODELS}


def test_fast_agrees_with_spacy_on_english(shared_data: Path) -> None:
    """At least 998 of 1,000 words of real English are the same."""
    same = total = 0
    for shard in ("books/books-000.jsonl.gz", "company-docs/company-docs-000.jsonl.gz"):
        with gzip.open(shared_data / "shards" / shard, "rt", encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
        english = [record for record in records if record["lang"] == "en" and max(record["text"]) < "\u2e80"]
        for record in english[:20]:  # some that are labelled English are not
            ours, theirs = (Counter(words_of(record["text"], splitter)) for splitter in ("fast", "spacy"))
            same += (ours & theirs).total()
            total += max(ours.total(), theirs.total())
    assert total > 10_000
    assert same / total >= 0.998
