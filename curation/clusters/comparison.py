"""Two texts beside each other, word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from curation.manifest import Frozen

COMPARED = 20_000
"""How many characters of each text are compared."""
WORDS = 1_500
"""How many words at most of what is left between a common beginning and end: the work grows with the square."""
WORD = re.compile(r"\s*\S+|\s+\Z")
"""A word with the white space before it; or the white space at the end."""


class Stretch(Frozen):
    """Consecutive words of both texts, with the white space before them."""

    kept: str
    dropped: str
    is_same: bool
    """Whether the words are the same, whatever stands between them."""


class Comparison(Frozen):
    """What two texts share: the stretches of either, one after the other, are that text as far as it was compared."""

    stretches: tuple[Stretch, ...]
    is_cut: bool
    """Whether something behind the compared part was left out."""


def compare(kept: str, dropped: str) -> Comparison:
    """The words of two texts, as far as COMPARED characters."""
    texts = [text[:COMPARED] for text in (kept, dropped)]
    a, b = (WORD.findall(text) for text in texts)
    is_cut = any(len(text) > COMPARED for text in (kept, dropped))
    begin = _common(a, b)
    end = _common(a[begin:][::-1], b[begin:][::-1])
    middle = [words[begin : len(words) - end] for words in (a, b)]
    if any(len(words) > WORDS for words in middle):
        middle, end, is_cut = [words[:WORDS] for words in middle], 0, True
    # Words that come very often begin no match, else two texts of few different words would take minutes.
    one, other = ([word.strip() for word in words] for words in middle)
    matcher = SequenceMatcher(a=one, b=other)
    stretches = [
        _stretch(a[:begin], b[:begin], is_same=True),
        *(
            _stretch(middle[0][a1:a2], middle[1][b1:b2], is_same=operation == "equal")
            for operation, a1, a2, b1, b2 in matcher.get_opcodes()
        ),
        _stretch(a[len(a) - end :], b[len(b) - end :], is_same=True),
    ]
    return Comparison(stretches=tuple(each for each in stretches if each.kept or each.dropped), is_cut=is_cut)


def _stretch(kept: list[str], dropped: list[str], *, is_same: bool) -> Stretch:
    return Stretch(kept="".join(kept), dropped="".join(dropped), is_same=is_same)


def _common(a: list[str], b: list[str]) -> int:
    """How many words at the beginning agree but for white space."""
    pairs = zip(a, b, strict=False)
    return next((n for n, (x, y) in enumerate(pairs) if x.strip() != y.strip()), min(len(a), len(b)))
