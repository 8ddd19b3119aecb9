"""The line filter in the flavour `fineweb`."""

from __future__ import annotations

from curation.rules.c4.kernels.parts import (
    CURLY,
    LOREM,
    POLICIES,
    SCRIPT,
    copy_line,
    find_phrases,
    has_long_word,
    has_words,
)
from curation.text.kernels import ends_in_dots, helper, kernel, line_end, strip

# Columns of `counts`, in the order in which a line is asked; the last two flag the document.
LINES, LONG_WORD, NO_TERMINAL, FEW_WORDS, JAVASCRIPT, POLICY, KEPT, LOREM_IPSUM, CURLY_BRACKET = range(9)
COLUMNS = 9


@kernel
def clean_lines(
    data, offsets, classes, flags, pairs, phrases, citations, max_word, min_words, switches, out, out_offsets, counts
):
    """Fill out (bytes of data,) and out_offsets (documents + 1,) with the kept lines joined by line feeds, and counts.

    `phrases` (k, 20) uint8 rows: meaning, length, where the second letter of a rare pair stands, that letter, and the
    phrase in lower case. `pairs` (k, 2) uint64 rows: the two letters of each such pair, eight times over.
    `citations` (k, 20) uint8 rows: length, what follows the bracket. max_word and min_words are -1 when they are off.
    `switches` (6,): drop lines without a terminal mark, remove citations, look for lorem ipsum, for javascript, for
    policies, for curly brackets.
    """
    o = 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        begin = o
        while i < stop:
            end_of_line, after = line_end(data, i, stop, classes)
            a, b = strip(data, i, end_of_line, classes)
            i = after
            counts[document, LINES] += 1
            if 0 <= max_word < b - a and has_long_word(data, a, b, classes, max_word):
                counts[document, LONG_WORD] += 1
                continue
            start = o + (counts[document, KEPT] > 0)
            end = copy_line(data, a, b, flags, citations, switches[1], out, start)
            found = find_phrases(out, start, end, pairs, phrases)
            if switches[0] and not is_terminated(out, start, end):
                counts[document, NO_TERMINAL] += 1
                continue
            if min_words > 0 and not has_words(data, a, b, classes, min_words):
                counts[document, FEW_WORDS] += 1
                continue
            decided = counts[document, LOREM_IPSUM] + counts[document, CURLY_BRACKET]
            if switches[2] and found & LOREM and not decided:
                counts[document, LOREM_IPSUM] = 1
            elif switches[3] and found & SCRIPT:
                counts[document, JAVASCRIPT] += 1
                continue
            elif switches[5] and found & CURLY and not decided:
                counts[document, CURLY_BRACKET] = 1
            if switches[4] and found & POLICIES:
                counts[document, POLICY] += 1
                continue
            if start > o:
                out[o] = 10
            o = end
            counts[document, KEPT] += 1
        out_offsets[document] = begin
    out_offsets[len(offsets) - 1] = o


@helper
def is_terminated(data, a, b):
    """Whether data[a:b] ends in one of . ? ! " ' and not in an ellipsis."""
    return a < b and data[b - 1] in (46, 63, 33, 34, 39) and not ends_in_dots(data, a, b)
