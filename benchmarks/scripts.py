"""Scripts without spaces: how fast words are split, and how much good text the rules drop, by splitter and thresholds.

    .venv/bin/python benchmarks/scripts.py [speed | drops]

Texts are those of ../shared/data: manual pages, handbooks, Wikipedia and the declaration of human rights, which are all
good text, so every drop is a false one. The rules are gopher_repetition, gopher_quality and fineweb_quality. `English`
are their defaults, `FineWeb-2` the built-in table `fineweb2` with what FineWeb-2 sets alike for all
languages (docs/languages.md), `wrapped` the same with `wrap_columns: 60`, for text whose lines are broken.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import clock
import pyarrow as pa
from sources import read

from curation.document import document_batch
from curation.rules import FineWebQuality, GopherQuality, GopherRepetition
from curation.stage import RuleStage
from curation.text.words import Splitter, word_spans

SPLITTERS: tuple[Splitter, ...] = ("fast", "units")
TEXTS = (
    ("ja", "debian-man"),
    ("zh", "debian-man"),
    ("ja", "debian-docs"),
    ("zh", "debian-docs"),
    ("zh", "wikipedia"),
    ("th", "wikipedia"),
    ("de", "debian-man"),
)
ENGLISH = (("en", "company-docs"), ("en", "debian-docs"))
DECLARATIONS = ("km", "lo", "my", "th", "zh", "ja")
REPEATS = 5


def main() -> None:
    wanted = sys.argv[1:] or ["speed", "drops"]
    if "speed" in wanted:
        speeds()
    if "drops" in wanted:
        drops()


def speeds() -> None:
    """MB of text a second, one thread, processor time."""
    for language, source in (*ENGLISH, *TEXTS):
        texts = pa.array(list(read(source, language)), pa.large_string())
        if not len(texts):
            continue
        size = sum(len(text.as_py().encode()) for text in texts)
        found = {splitter: seconds(texts, splitter) for splitter in SPLITTERS}
        speed = "  ".join(f"{name} {size / spent / 1e6:6.0f} MB/s" for name, spent in found.items())
        words = {name: int(word_spans(texts, name).offsets[-1]) for name in SPLITTERS}
        print(f"{language} {source:14} {size / 1e6:5.1f} MB  {speed}  words {words['fast']:,} -> {words['units']:,}")


def drops() -> None:
    """The share of good documents that the rules drop, and the commonest reasons."""
    for language, source in (*TEXTS, *((language, "udhr") for language in DECLARATIONS)):
        texts = list(read(source, language))
        if not texts:
            continue
        for thresholds in ("English", "FineWeb-2", *(["wrapped"] * source.startswith("debian"))):
            for splitter in SPLITTERS:
                reasons = dropped(texts, language, splitter, thresholds)
                lost = len(texts) - reasons[None]
                why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(4) if reason)
                share = f"{lost}/{len(texts)} {100 * lost / len(texts):5.1f} %"
                print(f"{language} {source:14} {thresholds:9} {splitter:5} {share:>17}  {why}")


def dropped(texts: list[str], language: str, splitter: Splitter, thresholds: str) -> Counter[str | None]:
    """How many documents go for each reason of the three rules, asked in the order that FineWeb asks them."""
    batch = document_batch(texts, source="s", shard="f")
    batch = batch.append_column("language.label", pa.array([language] * len(texts), pa.string()))
    reasons: list[str | None] = [None] * len(texts)
    for stage in stages(splitter, thresholds):
        found = stage.drop_reasons(stage.annotate(batch)).to_pylist()
        reasons = [first or reason for first, reason in zip(reasons, found, strict=True)]
    return Counter(reasons)


def stages(splitter: Splitter, thresholds: str) -> list[RuleStage]:
    if thresholds == "English":
        return [kind(words=splitter) for kind in (GopherRepetition, FineWebQuality, GopherQuality)]
    table: dict[str, Any] = {"words": splitter, "table": "fineweb2"}
    wrap_columns = 60 if thresholds == "wrapped" else None
    return [
        GopherRepetition(dup_para_frac=None, dup_para_char_frac=None, dup_line_char_frac=None, **table),
        FineWebQuality(short_line_thr=None, char_duplicates_ratio=0.1, wrap_columns=wrap_columns, **table),
        GopherQuality(**table),
    ]


def seconds(texts: pa.LargeStringArray, splitter: Splitter) -> float:
    word_spans(texts, splitter)
    spent: float = clock.seconds(lambda: word_spans(texts, splitter), REPEATS)
    return spent


if __name__ == "__main__":
    main()
