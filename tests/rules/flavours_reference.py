"""The flavours `dolma` and `dclm` again, in plain Python from their definitions: what the kernels must equal."""

from __future__ import annotations

import re
from collections import Counter
from statistics import mean, median

from curation.text.signals.flavours.breaks import breaks

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _grams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _size(words: tuple[str, ...] | list[str]) -> int:
    return sum(map(len, words))


def _copies(segments: list[str]) -> tuple[int, int]:
    """How many segments occur more than once, all copies counted, and their characters."""
    repeated = [(segment, times) for segment, times in Counter(segments).items() if times > 1]
    return sum(times for _, times in repeated), sum(times * len(segment) for segment, times in repeated)


def fasttext_words(text: str) -> list[str]:
    """What fastText cuts a text into, less what begins with no letter or digit."""
    return [piece for piece in re.split("[\0\t\n\v\f\r ]+", text) if piece and piece[0].isalnum()]


def _words_and_lines(
    words: list[str], lines: list[str], bullets: tuple[str, ...], ends: tuple[str, ...]
) -> dict[str, float]:
    return {
        "bullet_lines_ratio": _share(sum(line.startswith(bullets) for line in lines), len(lines)),
        "ellipsis_lines_ratio": _share(sum(line.endswith(ends) for line in lines), len(lines)),
        "alpha_words_ratio": _share(sum(any(c.isalpha() for c in word) for word in words), len(words)),
    }


def dolma_quality(text: str, stop_words: tuple[str, ...] = STOP_WORDS) -> dict[str, float]:
    words = text.split()
    return {
        "words": len(words),
        "stop_words": sum(word in stop_words for word in words),
        "avg_word_length": median(map(len, words)) if words else 0,
        "symbol_ratio": _share(sum("#" in word or "…" in word for word in words), len(words)),
        **_words_and_lines(words, text.split("\n"), ("*", "-"), ("…",)),
    }


def dclm_quality(text: str, stop_words: tuple[str, ...] = STOP_WORDS) -> dict[str, float]:
    words = text.split()
    return {
        "words": len(fasttext_words(text)),
        "stop_words": sum(word.lower() in stop_words for word in words),
        "avg_word_length": mean(map(len, words)) if words else 0,
        "symbol_ratio": _share(sum(map(text.count, ("#", "...", ". . .", "…"))), len(words)),
        **_words_and_lines(words, _stripped(text.split("\n")), ("●", "•", "*", "-"), ("...", ". . .", "…")),
    }


def _stripped(segments: list[str]) -> list[str]:
    return [segment.strip() for segment in segments if segment.strip()]


def dolma_repetition(text: str) -> dict[str, float]:
    words, lines = text.split(), text.split("\n")
    copies, characters = _copies(lines)
    values = {
        "characters": len(text),
        "dup_line_frac": copies / len(lines),
        "dup_line_char_frac": characters / max(_size(words), 1),
    }
    for n in range(2, 11):
        counts = Counter(_grams(words, n))
        if n < 5:
            gram, times = counts.most_common(1)[0] if counts else ((), 0)
            values[f"top_{n}_gram"] = _share(_size(gram) * times, _size(words))
        else:
            sizes = {gram: times * _size(gram) for gram, times in counts.items()}
            repeated = sum(size for gram, size in sizes.items() if counts[gram] > 1)
            values[f"duplicated_{n}_n_grams"] = _share(repeated, sum(sizes.values()))
    return values


_CLASSES = "oLHNKJmnbqdx"  # a letter for each class of `breaks`, in its order
_WORD = re.compile(
    r"(?:Hx*dx*(?=H)|[LH]x*[mbq]x*(?=[LH])|Nx*[nbq]x*(?=N)|[LHN]x*(?=[LHNJ])|Kx*(?=[KJ])|Jx*(?=[LHNKJ]))*"
    r"(?:Hx*qx*|[LHNKJ]x*)|.x*"
)


def unicode_words(text: str) -> list[str]:
    """What UAX 29 cuts a text into, less what begins with no letter or digit."""
    classes = "".join(_CLASSES[breaks()[ord(character)]] for character in text)
    words = [text[found.start() : found.end()] for found in _WORD.finditer(classes)]
    return [word for word in words if word[0].isalnum()]


def dclm_repetition(text: str) -> dict[str, float]:
    words = unicode_words(text)
    lines, paragraphs = _stripped(text.split("\n")), _stripped(text.split("\n\n"))
    values: dict[str, float] = {"characters": _size(lines)}
    for name, segments in (("line", lines), ("para", paragraphs)):
        copies, characters = _copies(segments)
        values[f"dup_{name}_frac"] = _share(copies, len(segments))
        values[f"dup_{name}_char_frac"] = _share(characters, _size(segments))
    for n in range(2, 11):
        grams = _grams(words, n)
        counts = Counter(grams)
        often = max(counts.values(), default=0)
        if n < 5:
            longest = max((_size(gram) for gram, times in counts.items() if times == often), default=0)
            values[f"top_{n}_gram"] = _share(longest * often if often > 1 else 0, _size(words))
        else:
            covered = {i + k for i, gram in enumerate(grams) if counts[gram] > 1 for k in range(n)}
            values[f"duplicated_{n}_n_grams"] = _share(sum(len(words[i]) for i in covered), _size(words))
    return values


_POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


def dolma_c4(text: str) -> tuple[dict[str, int], str]:
    """The counts, and the text of the lines that are kept."""
    lower = text.lower()
    counts = {
        "lines": len(text.split("\n")),
        "curly_bracket": int("{" in lower),
        "lorem_ipsum": int("lorem ipsum" in lower),
        "javascript": int("javascript" in lower),
        "lines_no_terminal_punct": 0,
        "lines_too_few_words": 0,
        "lines_kept": 0,
    }
    kept = []
    for line in re.findall(r"[^\n]*\n|[^\n]*$", text)[: counts["lines"]]:
        if not line.strip().endswith((".", "?", "!", '"')):
            counts["lines_no_terminal_punct"] += 1
        elif len(line.split()) < 3:
            counts["lines_too_few_words"] += 1
        else:
            counts["lines_kept"] += 1
            kept.append(line)
    return counts, "".join(kept)


def dclm_c4(text: str) -> tuple[dict[str, int], str]:
    """The counts, and the text of the lines that are kept: step by step over all lines, as DCLM does it."""
    counts = {"characters": len(text), "lines": len(text.split("\n")), "lorem_ipsum": 0, "curly_bracket": 0}
    lines = text.split("\n")

    def remove(name: str, keep: list[bool]) -> None:
        nonlocal lines
        counts[name] = keep.count(False)
        lines = [line for line, is_kept in zip(lines, keep, strict=True) if is_kept]

    remove("lines_too_long_word", [all(len(word) <= 1000 for word in line.split()) for line in lines])
    lines = [re.sub(r"\[\d*\]|\[edit\]|\[citation needed\]", "", line) for line in lines]
    ends, ellipsis = re.compile(r'[.!?"…]\s*$'), re.compile(r"(?:\.\.\.|…)\s*$")
    remove(
        "lines_no_terminal_punct", [not line or bool(ends.search(line) and not ellipsis.search(line)) for line in lines]
    )
    remove("lines_too_few_words", [not line or len(line.split()) >= 5 for line in lines])
    counts["lorem_ipsum"] = int(any("lorem ipsum" in line.lower() for line in lines))
    remove("lines_javascript", ["javascript" not in line.lower() for line in lines])
    counts["curly_bracket"] = int(any("{" in line for line in lines))
    remove("lines_policy", [not any(policy in line.lower() for policy in _POLICIES) for line in lines])
    counts["lines_kept"] = sum(bool(line.strip()) for line in lines)
    return counts, "\n".join(lines).strip()


_COUNTER = re.compile(
    r"^\W*\d[,.\d]*[kmb]?\s+(?:likes|shares|comments|retweets|reposts|quotes|bookmarks|upvotes|downvotes|downloads|views"
    r"|followers)\W*$"
)
_PHRASES = {
    "lines_items_in_cart": re.compile(r"\s?items in cart", re.IGNORECASE),
    "lines_read_more": re.compile(r"\s?read more...$", re.IGNORECASE),
    "lines_sign_in": re.compile(r"^sign-in\s?", re.IGNORECASE),
}


def line_modifiers(text: str) -> tuple[dict[str, float], str]:
    """The counts, and what is left: step by step over the whole text, as DCLM does it."""
    words = len(fasttext_words(text))
    counts: dict[str, float] = {"lines": len(text.split("\n"))}
    text = re.sub(r"\n{3,}", "\n\n", text)
    rules = {
        "lines_upper_case": lambda line: sum(map(str.isupper, line)) / len(line) > 0.5,
        "lines_numeric": lambda line: sum(map(str.isdigit, line)) / len(line) > 0.999999,
        "lines_counters": lambda line: bool(_COUNTER.search(line.lower())),
        "lines_too_few_words": lambda line: len(line.split()) < 2,
    }
    for name, goes in rules.items():
        lines = text.split("\n")
        kept = [line for line in lines if not line or not goes(line)]
        counts[name] = len(lines) - len(kept)
        text = "\n".join(kept) if name == "lines_too_few_words" else "\n".join(kept).strip()
    for name, phrase in _PHRASES.items():
        lines, counts[name] = [], 0
        for line in text.split("\n"):
            cut = phrase.sub("", line) if len(line.split()) <= 10 else line
            counts[name] += cut != line
            if not line or cut.strip() or len(line.split()) > 10:
                lines.append(cut)
        text = "\n".join(lines).strip()
    counts["lines_kept"] = sum(bool(line.strip()) for line in text.split("\n"))
    left = len(fasttext_words(text))
    return counts | {"words": words, "words_kept": left, "removed_ratio": _share(words - left, words)}, text
