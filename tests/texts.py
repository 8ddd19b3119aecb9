"""Texts for tests, made by us: plain English prose from a small grammar, and variations of it."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SUBJECTS = (
    "the old harbour", "a careful engineer", "the morning train", "our small library", "the river", "a quiet teacher",
    "the northern garden", "an honest merchant", "the wooden bridge", "a young doctor", "the village school",
    "the long winter", "a patient gardener", "the city council", "the lighthouse keeper", "an early visitor",
)  # fmt: skip
_VERBS = (
    "carried", "described", "followed", "remembered", "measured", "repaired", "crossed", "painted", "explained",
    "discovered", "collected", "watched", "borrowed", "returned", "defended", "counted",
)  # fmt: skip
_OBJECTS = (
    "the letters of the summer", "a narrow path to the hills", "the weather of that year", "several heavy books",
    "the names of all the ships", "a map with many errors", "the broken clock in the hall",
    "the songs of the fishermen",
    "the price of bread", "a chest full of tools", "the history of the mill", "every window of the house",
    "the oldest tree in the park", "a question about the law", "the road that leads to the sea", "the first snow",
)  # fmt: skip
_ENDS = (
    "before the rain came", "with great care", "and nobody knew why", "in spite of the cold", "after a long discussion",
    "because the evening was clear", "while the others were asleep", "for the last time", "as it had been agreed",
    "without saying a word", "to the surprise of the neighbours", "until the lamps were lit",
    "when the market had closed",
    "and that was the end of it", "though it took many weeks", "at the request of a friend",
)  # fmt: skip


def sentences(seed: int, count: int) -> list[str]:
    """This many sentences; other seeds give other ones. No phrase stands twice among the first sixteen."""
    chosen = random.Random(seed)
    shuffled = [chosen.sample(words, len(words)) for words in (_SUBJECTS, _VERBS, _OBJECTS, _ENDS)]
    return [
        " ".join(words[(n + n // len(words)) % len(words)] for words in shuffled).capitalize() + "."
        for n in range(count)
    ]


def essay(seed: int, count: int = 16) -> str:
    """A document that every rule keeps: `count` sentences in paragraphs of four."""
    lines = sentences(seed, count)
    return "\n".join(" ".join(lines[start : start + 4]) for start in range(0, len(lines), 4))


def edited(text: str, seed: int, words: int) -> str:
    """The text with this many words replaced by short ones."""
    chosen, parts = random.Random(seed), text.split(" ")
    for position in chosen.sample(range(len(parts)), words):
        parts[position] = f"x{chosen.randrange(100)}"
    return " ".join(parts)


def write_jsonl(path: Path, records: Sequence[dict[str, Any] | str]) -> Path:
    """Write records (or raw lines) as JSON lines, compressed if the name ends in `.gz`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records]
    data = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


GERMAN = (
    "Am frühen Morgen gingen die Kinder durch den stillen Wald, weil der Lehrer ihnen versprochen hatte, dass sie am "
    "See die ersten Vögel des Jahres sehen würden. Niemand wusste genau, wie lange der Weg war, aber alle freuten sich "
    "auf das Frühstück, das die Mutter in einem großen Korb mitgenommen hatte. Als sie endlich ankamen, lag der Nebel "
    "noch über dem Wasser, und es war so ruhig, dass man das Tropfen der Bäume hören konnte.\n"
    "Später erzählte der älteste Junge, er habe an diesem Tag zum ersten Mal verstanden, warum sein Großvater immer "
    "wieder an diesen Ort zurückgekehrt war. Man müsse nur lange genug still sitzen, dann komme alles von selbst."
)
