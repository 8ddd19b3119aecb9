"""The line filter in the flavours `dolma` and `dclm`."""

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
from curation.text.kernels import FEEDS, count_characters, ends_in_dots, helper, kernel, next_byte, strip

# Columns of `counts`, in the order in which a line is asked; then what flags or measures the document.
LINES, LONG_WORD, NO_TERMINAL, FEW_WORDS, JAVASCRIPT_LINES, POLICY, KEPT = range(7)
LOREM_IPSUM, CURLY_BRACKET, JAVASCRIPT, CHARACTERS = range(7, 11)
COLUMNS = 11


@kernel
def clean_as_dolma(data, offsets, classes, pairs, phrases, needs_terminal, min_words, out, out_offsets, counts):
    """Fill out and out_offsets with the lines that are kept, as they are, each with its line feed; and counts.

    Lines stand between line feeds. "{", "lorem ipsum" and "javascript" are looked for in all of them. `pairs`,
    `phrases` and min_words as in `clean_lines`.
    """
    o = 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        out_offsets[document] = o
        counts[document, CHARACTERS] = count_characters(data, i, stop)
        while i <= stop:
            end = next_byte(data, i, stop, FEEDS)
            after = min(end + 1, stop)
            counts[document, LINES] += 1
            found = find_phrases(data, i, end, pairs, phrases)
            counts[document, LOREM_IPSUM] |= found & LOREM != 0
            counts[document, CURLY_BRACKET] |= found & CURLY != 0
            counts[document, JAVASCRIPT] |= found & SCRIPT != 0
            a, b = strip(data, i, end, classes)
            if needs_terminal and not (a < b and data[b - 1] in (46, 63, 33, 34)):
                counts[document, NO_TERMINAL] += 1
            elif min_words > 0 and not has_words(data, a, b, classes, min_words):
                counts[document, FEW_WORDS] += 1
            else:
                counts[document, KEPT] += a < b
                for k in range(i, after):
                    out[o] = data[k]
                    o += 1
            i = end + 1
    out_offsets[len(offsets) - 1] = o


@kernel
def clean_as_dclm(
    data, offsets, classes, flags, pairs, phrases, citations, max_word, min_words, switches, out, out_offsets, counts
):
    """Fill out and out_offsets with the lines that are kept, joined by line feeds, and counts.

    Lines stand between line feeds; those that are empty, before or after citations are removed, stay. Arguments as in
    `clean_lines`, but for `switches` (4,): drop lines without a terminal mark, remove citations, drop lines with
    javascript, drop lines with policies.
    """
    o = 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        out_offsets[document] = o
        counts[document, CHARACTERS] = count_characters(data, i, stop)
        begins = True
        while i <= stop:
            a, b = i, next_byte(data, i, stop, FEEDS)
            i = b + 1
            counts[document, LINES] += 1
            if 0 <= max_word < b - a and has_long_word(data, a, b, classes, max_word):
                counts[document, LONG_WORD] += 1
                continue
            start = o if begins else o + 1
            end = copy_line(data, a, b, flags, citations, switches[1], out, start)
            if start < end:
                if switches[0] and not ends_a_sentence(out, start, end, classes):
                    counts[document, NO_TERMINAL] += 1
                    continue
                if min_words > 0 and not has_words(out, start, end, classes, min_words):
                    counts[document, FEW_WORDS] += 1
                    continue
                found = find_phrases(out, start, end, pairs, phrases)
                counts[document, LOREM_IPSUM] |= found & LOREM != 0
                if switches[2] and found & SCRIPT:
                    counts[document, JAVASCRIPT_LINES] += 1
                    continue
                counts[document, CURLY_BRACKET] |= found & CURLY != 0
                if switches[3] and found & POLICIES:
                    counts[document, POLICY] += 1
                    continue
                first, last = strip(out, start, end, classes)
                counts[document, KEPT] += first < last
            if not begins:
                out[o] = 10
            begins = False
            o = end
    out_offsets[len(offsets) - 1] = o


@helper
def ends_a_sentence(data, a, b, classes):
    """Whether data[a:b] ends in one of . ! ? " but for white space, and not in "..."."""
    a, b = strip(data, a, b, classes)
    return a < b and data[b - 1] in (46, 33, 63, 34) and not ends_in_dots(data, a, b)
