"""Counts of source files, and phrases in their first lines."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import eight, find_sorted, helper, kernel, line_end
from curation.text.unicode import SPACE, WORD, decode

CHARACTERS, ALPHANUMERIC, BLANKS, LINES, LINE_CHARACTERS, LONGEST, COLUMNS = range(7)


@kernel
def count_files(data, offsets, classes, counts):
    """counts (documents, COLUMNS): code points; those that are letters or digits, and white space; lines as
    str.splitlines has them, their code points without line ends, and those of the longest."""
    for document in range(len(offsets) - 1):
        a, stop = offsets[document], offsets[document + 1]
        while a < stop:
            b, after = line_end(data, a, stop, classes)
            length, alphanumeric, blanks = count_characters(data, a, b, classes)
            ends, _, ends_blank = count_characters(data, b, after, classes)
            counts[document, CHARACTERS] += length + ends
            counts[document, ALPHANUMERIC] += alphanumeric
            counts[document, BLANKS] += blanks + ends_blank
            counts[document, LINES] += 1
            counts[document, LINE_CHARACTERS] += length
            counts[document, LONGEST] = max(counts[document, LONGEST], length)
            a = after


@helper
def count_characters(data, a, b, classes):
    """Code points of data[a:b], how many are letters or digits, and how many white space."""
    length = alphanumeric = blanks = 0
    while a < b:
        code, a = decode(data, a)
        length += 1
        alphanumeric += classes[code] & WORD != 0 and code != 95
        blanks += classes[code] & SPACE != 0
    return length, alphanumeric, blanks


@kernel
def find_phrases(data, offsets, most, keys, begins, phrases, phrase_offsets, places):
    """places (documents, phrases) int32 gets at which byte of a document each phrase begins first, -1 where it does not
    within the first `most` bytes.

    A phrase is some words of small letters and digits with one blank between, eight bytes at least; whatever else
    stands between words of a text, a blank is in its place. phrases and phrase_offsets hold them, sorted by their first
    eight bytes (as `eight` reads them); keys are those first bytes, each once, and begins (keys + 1,) where they begin.
    """
    plain, origin = np.zeros(most + 8, np.uint8), np.empty(most + 8, np.int64)
    for document in range(len(offsets) - 1):
        a = offsets[document]
        size = 0
        for i in range(a, min(offsets[document + 1], a + most)):
            byte = data[i]
            if 65 <= byte <= 90:
                byte |= 32
            if not (97 <= byte <= 122 or 48 <= byte <= 57):
                if size == 0 or plain[size - 1] == 32:
                    continue
                byte = 32
            plain[size], origin[size] = byte, i - a
            size += 1
        for i in range(size):
            if i and plain[i - 1] != 32:
                continue
            found = find_sorted(keys, eight(plain, i, size))
            if found < 0:
                continue
            for phrase in range(begins[found], begins[found + 1]):
                first, length = phrase_offsets[phrase], phrase_offsets[phrase + 1] - phrase_offsets[phrase]
                same = 8
                while same < length and i + same < size and plain[i + same] == phrases[first + same]:
                    same += 1
                is_whole = same == length and (i + same == size or plain[i + same] == 32)
                if is_whole and places[document, phrase] < 0:
                    places[document, phrase] = origin[i]
