"""Words after UAX 29."""

from __future__ import annotations

from curation.text.kernels import TOPS, eight, first_marked, helper, kernel, mask_letters
from curation.text.signals.flavours.breaks import (
    DOUBLE_QUOTE,
    EXTEND,
    HEBREW,
    JOINER,
    KATAKANA,
    LETTER,
    MID_BOTH,
    MID_LETTER,
    MID_NUMBER,
    NUMERIC,
    QUOTE,
)
from curation.text.unicode import WORD, decode


@kernel
def split_unicode_words(data, offsets, classes, breaks, counts, starts, ends):
    """Fill the spans of the words of every document, after UAX 29, that begin with a letter or digit; counts
    (documents + 1,) gets where each document's begin. `breaks` as `breaks.breaks` gives them."""
    words = 0
    for document in range(len(offsets) - 1):
        base, stop = offsets[document], offsets[document + 1]
        i = base
        while i < stop:
            code = decode(data, i)[0]
            end = word_end(data, i, stop, breaks)
            starts[words], ends[words] = i - base, end - base
            words += code != 95 and classes[code] & WORD != 0
            i = end
        counts[document + 1] = words


@helper
def word_end(data, i, stop, breaks):
    """Where the word that begins at data[i] ends. White space is a word as any other sign."""
    code, i = decode(data, i)
    kind = breaks[code]
    while True:
        if kind == LETTER and i < stop:
            value = eight(data, i, stop)
            more = first_marked(~mask_letters(value) & TOPS)
            i += more
            if more == 8:
                continue
        i = behind_marks(data, i, stop, breaks)
        if i == stop or kind not in (LETTER, HEBREW, NUMERIC, KATAKANA, JOINER):
            return i
        code, after = decode(data, i)
        following = breaks[code]
        if holds_together(kind, following):
            kind, i = following, after
            continue
        after = behind_marks(data, after, stop, breaks)
        if after < stop:
            code, behind = decode(data, after)
            if holds_across(kind, following, breaks[code]):
                kind, i = breaks[code], behind
                continue
        return after if kind == HEBREW and following == QUOTE else i


@helper
def behind_marks(data, i, stop, breaks):
    """Where the marks that belong to the character before data[i] end."""
    while i < stop and data[i] >= 0x80:
        code, after = decode(data, i)
        if breaks[code] != EXTEND:
            break
        i = after
    return i


@helper
def holds_together(a, b):
    """Whether no word ends between characters of these classes (WB 5, 8 to 10, 13 to 13b)."""
    if b == JOINER:
        return True
    if a == JOINER:
        return b in (LETTER, HEBREW, NUMERIC, KATAKANA)
    if a == KATAKANA:
        return b == KATAKANA
    return b in (LETTER, HEBREW, NUMERIC)


@helper
def holds_across(a, sign, b):
    """Whether this sign between characters of these classes ends no word (WB 6, 7, 7b, 7c, 11, 12)."""
    if a in (LETTER, HEBREW) and b in (LETTER, HEBREW):
        return sign in (MID_LETTER, MID_BOTH, QUOTE) or (sign == DOUBLE_QUOTE and a == HEBREW and b == HEBREW)
    return a == NUMERIC and b == NUMERIC and sign in (MID_NUMBER, MID_BOTH, QUOTE)
