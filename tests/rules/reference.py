"""The rules again, in plain Python from their definitions, over the same words: what the kernels must equal."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter

from curation.text.punctuation import SENTENCE_END, SYMBOL, TERMINAL, punctuation


def _has(character: str, flag: int) -> bool:
    return bool(punctuation()[ord(character)] & flag)


def _again(items: list[str]) -> list[str]:
    """The items that were met before."""
    return [item for place, item in enumerate(items) if item in items[:place]]


def _repeated(items: list[str]) -> tuple[int, int]:
    """How many items were met before, and their characters."""
    again = _again(items)
    return len(again), sum(map(len, again))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _top(words: list[str], n: int) -> int:
    """Characters in the most frequent n words, joined by spaces; of equally frequent ones, the first."""
    grams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
    if not grams:
        return 0
    gram, times = max(grams.items(), key=lambda item: item[1])
    return len(" ".join(gram)) * times


def _met_before(words: list[str], n: int) -> int:
    """Characters in n words met before, from left to right, each word counted once."""
    met: set[tuple[str, ...]] = set()
    characters = i = 0
    while i + n <= len(words):
        gram = tuple(words[i : i + n])
        if gram in met:
            characters += sum(map(len, gram))
            i += n
        else:
            met.add(gram)
            i += 1
    return characters


def gopher_repetition(text: str, words: list[str]) -> dict[str, float]:
    paragraphs = re.split(r"\n{2,}", text.strip())
    lines = re.split(r"\n+", text)
    paragraphs_again, paragraph_characters = _repeated(paragraphs)
    lines_again, line_characters = _repeated(lines)
    return {
        "characters": len(text),
        "dup_para_frac": paragraphs_again / len(paragraphs),
        "dup_para_char_frac": _share(paragraph_characters, len(text)),
        "dup_line_frac": lines_again / len(lines),
        "dup_line_char_frac": _share(line_characters, len(text)),
        **{f"top_{n}_gram": _share(_top(words, n), len(text)) for n in (2, 3, 4)},
        **{f"duplicated_{n}_n_grams": _share(_met_before(words, n), len(text)) for n in range(5, 11)},
    }


def gopher_quality(text: str, words: list[str], stop_words: tuple[str, ...]) -> dict[str, float]:
    whole = [word for word in words if not all(_has(c, SYMBOL) for c in word)]
    lines = text.splitlines()
    return {
        "words": len(whole),
        "stop_words": len(set(stop_words) & set(words)),
        "avg_word_length": _share(sum(map(len, whole)), len(whole)),
        "hash_ratio": _share(text.count("#"), len(words)),
        "ellipsis_ratio": _share(text.count("...") + text.count("…"), len(words)),
        "bullet_lines_ratio": _share(sum(line.lstrip().startswith(("•", "-")) for line in lines), len(lines)),
        "ellipsis_lines_ratio": _share(sum(line.rstrip().endswith(("...", "…")) for line in lines), len(lines)),
        "alpha_words_ratio": _share(sum(any(c.isalpha() for c in word) for word in words), len(words)),
    }


def fineweb_quality(text: str, words: list[str], wrap_columns: float = math.inf) -> dict[str, float]:
    every = _unwrapped(text, wrap_columns)
    lines = [line for line in every if line.strip()]
    return {
        "lines": len(lines),
        "line_punct_ratio": _share(sum(_has(line[-1], TERMINAL) for line in lines), len(lines)),
        "short_line_ratio": _share(sum(_visible(line) <= 30 for line in lines), len(lines)),
        "char_dup_ratio": _share(sum(map(_visible, _again(lines))), _visible(text)),
        "list_ratio": _share(max(0, len(lines if wrap_columns < math.inf else every) - 1), len(words)),
    }


def _unwrapped(text: str, columns: float) -> list[str]:
    """The lines, with those that go on put together; a line feed stays where they were broken."""
    last, *rest = text.split("\n")
    lines = [last]
    for line in rest:
        width = sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in last)
        if width >= columns and line.strip():
            lines[-1] += f"\n{line}"
        else:
            lines.append(line)
        last = line
    return lines


def _visible(text: str) -> int:
    """Characters that are not line feeds."""
    return len(text.replace("\n", ""))


_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_CAUSES = (
    *("lines_too_long_word", "lines_no_terminal_punct", "lines_too_few_words", "lines_javascript", "lines_policy"),
    *("lorem_ipsum", "curly_bracket"),
)
_POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


def c4(text: str, *, needs_terminal: bool = False) -> tuple[dict[str, int], list[str]]:
    """The counts of lines, and the kept lines (not stripped again)."""
    counts = dict.fromkeys(_CAUSES, 0)
    kept = []
    for raw in text.splitlines():
        words = raw.strip().split()
        if any(len(word) > 1000 for word in words):
            counts["lines_too_long_word"] += 1
            continue
        line = _CITATION.sub("", raw.strip())
        if needs_terminal and (not line.endswith((".", "?", "!", '"', "'")) or line.endswith("...")):
            counts["lines_no_terminal_punct"] += 1
            continue
        if len(words) < 3:
            counts["lines_too_few_words"] += 1
            continue
        decided = counts["lorem_ipsum"] or counts["curly_bracket"]
        if "lorem ipsum" in line.lower() and not decided:
            counts["lorem_ipsum"] = 1
        elif "javascript" in line.lower():
            counts["lines_javascript"] += 1
            continue
        elif "{" in line and not decided:
            counts["curly_bracket"] = 1
        if any(policy in line.lower() for policy in _POLICIES):
            counts["lines_policy"] += 1
            continue
        kept.append(line)
    return {"lines": len(text.splitlines()), **counts, "lines_kept": len(kept)}, kept


def sentences(tokens: list[tuple[str, bool]]) -> int:
    """Sentences of one line's tokens, white space among them; each is (text, whether it is all punctuation)."""
    found, ended = 1, False
    for text, is_punctuation in tokens:
        ends = len(text) == 1 and _has(text, SENTENCE_END)
        if ended and not is_punctuation and not ends:
            found, ended = found + 1, False
        elif ends:
            ended = True
    return found
