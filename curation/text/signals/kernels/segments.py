"""Paragraphs and lines that repeat."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import (
    BASE,
    FEEDS,
    ZERO,
    add_key,
    count_characters,
    count_feeds,
    hash_bytes,
    kernel,
    mix,
    most_feeds,
    next_base,
    next_byte,
    strip,
    table_bits,
)

_BASE = np.uint64(BASE)


@kernel
def repeated_segments(data, offsets, classes, counts):
    """counts (documents, 7): code points; paragraphs (the stripped text cut at two or more line feeds), those met
    before and their code points; lines (the text cut at one or more line feeds), those met before and theirs."""
    most = most_feeds(data, offsets) + 1
    bits = table_bits(most)
    line_slots, paragraph_slots = np.zeros(1 << bits, np.int32), np.zeros(1 << bits, np.int32)
    line_keys, paragraph_keys = np.empty(most, np.uint64), np.empty(most, np.uint64)
    base = 1
    for document in range(len(offsets) - 1):
        a, b = offsets[document], offsets[document + 1]
        bits = table_bits(count_feeds(data, a, b) + 1)
        first, last = strip(data, a, b, classes)
        characters = lines = fresh_lines = repeated_lines = line_characters = 0
        paragraphs = fresh_paragraphs = repeated_paragraphs = paragraph_characters = 0
        key, length = ZERO, 0  # of the paragraph so far
        start = a
        while start <= b:
            run = i = next_byte(data, start, b, FEEDS)
            size = count_characters(data, start, i)
            while run < b and data[run] == 10:
                run += 1
            line = hash_bytes(data, start, i)
            lines += 1
            if add_key(line, fresh_lines, line_slots, base, bits, line_keys):
                fresh_lines += 1
            else:
                repeated_lines += 1
                line_characters += size
            characters += size + run - i
            if (start < last and i > first) or (lines == 1 and first == last):
                if start < first or i > last:  # a line that the strip cuts is another one in its paragraph
                    left, right = max(start, first), min(i, last)
                    line, size = hash_bytes(data, left, right), count_characters(data, left, right)
                key = mix(key * _BASE + line)
                length += size
                if i >= last or run - i > 1:
                    paragraphs += 1
                    if add_key(key, fresh_paragraphs, paragraph_slots, base, bits, paragraph_keys):
                        fresh_paragraphs += 1
                    else:
                        repeated_paragraphs += 1
                        paragraph_characters += length
                    key, length = ZERO, 0
                else:
                    length += 1  # the line feed
            if i == b:
                break
            start = run
        counts[document, 0] = characters
        counts[document, 1], counts[document, 2] = paragraphs, repeated_paragraphs
        counts[document, 3] = paragraph_characters
        counts[document, 4], counts[document, 5], counts[document, 6] = lines, repeated_lines, line_characters
        next_base(paragraph_slots, base, lines)
        base = next_base(line_slots, base, lines)
