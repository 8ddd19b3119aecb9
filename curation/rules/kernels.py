"""The line filter of C4, over Arrow's buffers."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import before, helper, kernel
from curation.text.punctuation import DECIMAL
from curation.text.unicode import LINE_END, SPACE, decode

# Columns of `counts`, in the order in which a line is asked; the last two flag the document.
LINES, LONG_WORD, NO_TERMINAL, FEW_WORDS, JAVASCRIPT, POLICY, KEPT, LOREM_IPSUM, CURLY_BRACKET = range(9)
COLUMNS = 9

# What a line may hold, as bits; SPACE (2) and LINE_END (32) are those of `curation.text.unicode`.
LOREM, SCRIPT, POLICIES, CURLY, BRACKET, ANCHOR = 1, 4, 8, 16, 64, 128


@kernel
def clean_lines(
    data, offsets, classes, flags, kinds, phrases, citations, max_word, min_words, switches, out, out_offsets, counts
):
    """Fill out (bytes of data,) and out_offsets (documents + 1,) with the kept lines joined by line feeds, and counts.

    `kinds` (256,): what each byte may mean: of ASCII, SPACE and LINE_END, and what a line may hold. `phrases` (k, 20)
    uint8 rows: meaning, length, where the rare letter stands that is looked for, that letter, the phrase in lower case.
    `citations` (k, 20) uint8 rows: length, what follows the bracket. max_word and min_words are -1 when they are off.
    `switches` (6,): drop lines without a terminal mark, remove citations, look for lorem ipsum, for javascript, for
    policies, for curly brackets.
    """
    o = 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        begin = o
        while i < stop:
            # One line, as str.splitlines has it: its visible part is data[a:b].
            start_of_line, b, words, longest_word = i, i, 0, 0
            code, held = np.int32(0), np.uint8(0)
            word = 0  # code points of the word that is being read
            while i < stop:
                code, after = np.int32(data[i]), i + 1
                kind = kinds[code]
                if code >= 0x80:
                    code, after = decode(data, i)
                    kind |= classes[code] & (SPACE | LINE_END)
                held |= kind
                visible = 1 - ((kind & SPACE) >> 1)  # without a branch: words are short, and a wrong guess is dear
                words += visible & (word == 0)
                word = (word + 1) * visible
                longest_word = max(longest_word, word)
                i = after
                b = i if visible else b
                if kind & LINE_END:
                    break
            a = start_of_line
            while a < b and is_space(data, a, classes):
                _, a = decode(data, a)
            if code == 13 and i < stop and data[i] == 10:
                i += 1
            counts[document, LINES] += 1
            if max_word >= 0 and longest_word > max_word:
                counts[document, LONG_WORD] += 1
                continue
            start = o + (counts[document, KEPT] > 0)
            end = copy_line(data, a, b, flags, citations, held & BRACKET and switches[1], out, start)
            found = (held & CURLY) | (find_phrases(out, start, end, kinds, phrases) if held & ANCHOR else 0)
            if switches[0] and not is_terminated(out, start, end):
                counts[document, NO_TERMINAL] += 1
                continue
            if words < min_words:
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
def is_space(data, i, classes):
    return classes[decode(data, i)[0]] & SPACE != 0


@helper
def copy_line(data, a, b, flags, citations, remove, out, start):
    """Copy data[a:b] to out[start:], without its citations if they are to be removed; the end there."""
    if not remove:
        for i in range(b - a):
            out[start + i] = data[a + i]
        return start + b - a
    while a < b:
        if data[a] == 91:
            after = citation_end(data, a, b, flags, citations)
            if after > a:
                a = after
                continue
        out[start] = data[a]
        start += 1
        a += 1
    return start


@helper
def find_phrases(data, a, b, kinds, phrases):
    """The bits of the phrases in data[a:b], whatever their case; each is looked for at its rare letter."""
    found = 0
    for i in range(a, b):
        if not kinds[data[i]] & ANCHOR:
            continue
        letter, width = lowered(data, i, a)
        for row in range(len(phrases)):
            if width and phrases[row, 3] == letter and holds(data, a, i, b, phrases, row):
                found |= phrases[row, 0]
    return found


@helper
def lowered(data, i, a):
    """The lower case of the ASCII character whose last byte is data[i], and its width in bytes; else (0, 0)."""
    byte = data[i]
    if byte < 0x80:
        return byte | 32 if 65 <= byte <= 90 else byte, 1
    if byte == 0xAA and i - a >= 2 and data[i - 1] == 0x84 and data[i - 2] == 0xE2:
        return 107, 3
    return 0, 0


@helper
def holds(data, a, i, b, phrases, row):
    """Whether the phrase of this row stands in data[a:b] with its rare letter at i."""
    place = np.int64(phrases[row, 2])
    k, before_it = place, i
    while k >= 0:
        if before_it < a:
            return False
        letter, width = lowered(data, before_it, a)
        if letter != phrases[row, 4 + k] or not width:
            return False
        before_it -= width
        k -= 1
    k, behind = place + 1, i + 1
    while k < phrases[row, 1]:
        if behind + 2 < b and data[behind] == 0xE2:
            behind += 2
        if behind >= b or lowered(data, behind, a)[0] != phrases[row, 4 + k]:
            return False
        behind += 1
        k += 1
    return True


@helper
def citation_end(data, a, b, flags, citations):
    """The end of [12], [], [edit] or [citation needed] at data[a], a if it is none of them."""
    i = a + 1
    while i < b:
        code, after = decode(data, i)
        if code == 93:
            return after
        if not flags[code] & DECIMAL:
            break
        i = after
    i = a + 1
    for row in range(len(citations)):
        length = np.int64(citations[row, 0])
        k = 0
        while k < length and i + k < b and data[i + k] == citations[row, 1 + k]:
            k += 1
        if k == length:
            return i + k
    return a


@helper
def is_terminated(data, a, b):
    """Whether data[a:b] ends in one of . ? ! " ' and not in an ellipsis."""
    if a == b:
        return False
    last = data[b - 1]
    if last == 46:
        return not (b - a >= 3 and data[b - 2] == 46 and data[b - 3] == 46)
    return last in (63, 33, 34, 39)


@kernel
def strip_texts(data, offsets, classes):
    """Take the white space off both ends of every text, in place."""
    o = 0
    for document in range(len(offsets) - 1):
        a, b = offsets[document], offsets[document + 1]
        while a < b:
            code, after = decode(data, a)
            if not classes[code] & SPACE:
                break
            a = after
        while b > a:
            last = before(data, a, b)
            if not classes[decode(data, last)[0]] & SPACE:
                break
            b = last
        offsets[document] = o
        if o < a:
            for i in range(a, b):
                data[o + i - a] = data[i]
        o += b - a
    offsets[len(offsets) - 1] = o
