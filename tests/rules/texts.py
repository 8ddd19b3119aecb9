"""Texts for the rules: strategies, and helpers to run a stage on a few texts."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from hypothesis import strategies as st

from curation.document import document_batch
from curation.stage import RowStage
from curation.text.words import Splitter, word_spans

# Few different words, so that much repeats; odd white space, marks and letters of many widths among them.
WORDS = [
    *("a", "aa", "the", "of", "and", "tree", "house", "don't", "it's", "e.g.", "10km", "U.S.", "foo-bar", "x_y", "a,b"),
    *("...", "…", "#", "##", "-", "•", "--", "*", "(", ")", '"', "!", ".", ",", "?!", "{", "[1]", "[edit]", "[", "[x]"),
    *(
        "é",
        "ß",
        "İ",
        "ſ",
        "K",
        "мир",
        "世界",
        "ไทย",
        "한국",
        "ि",
        "\u0301",
        "😀",
        "👩‍👩‍👧",
        "\x00",
        "\ufeff",
        "９",
        "٣",
        "。",
        "؟",
        "։",
    ),
    *(
        "lorem",
        "ipsum",
        "javascript",
        "JavaScript",
        "JAVASCRİPT",
        "use",
        "cookies",
        "cooKies",
        "privacy",
        "policy",
        "terms",
    ),
    *("http://a.bc/d-e", "me@a-b.org", "w" * 1001, "é" * 1001),
]
SPACES = [
    " ",
    " ",
    " ",
    " ",
    "  ",
    "\n",
    "\n",
    "\n\n",
    "\n\n\n",
    "\r\n",
    "\r",
    "\t",
    "\u00a0",
    "\u2028",
    "\x1c",
    "\x1f",
    "\x85",
    "",
]
TEXTS = st.one_of(
    st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(SPACES)), max_size=120).map(
        lambda pairs: "".join(word + space for word, space in pairs)
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    st.text("ab \n.", max_size=120),
)


def words_of(text: str, splitter: Splitter = "fast") -> list[str]:
    """The words of one text."""
    spans, data = word_spans(pa.array([text], pa.large_string()), splitter), text.encode()
    return [data[a:b].decode() for a, b in zip(spans.starts, spans.ends, strict=True)]


def annotated(stage: RowStage, texts: Sequence[str]) -> pa.RecordBatch:
    """These texts as a batch that the stage has annotated."""
    return stage.annotate(document_batch(texts, source="here", shard="here.jsonl"))


def values(stage: RowStage, text: str) -> dict[str, float | int]:
    """What the stage measures of one text, by the names of its columns without the stage's."""
    batch = annotated(stage, [text])
    return {name.partition(".")[2]: batch[name][0].as_py() for name in stage.columns().names}


def reason(stage: RowStage, text: str) -> str | None:
    """Why the stage drops one text."""
    found: str | None = stage.drop_reasons(annotated(stage, [text]))[0].as_py()
    return found
