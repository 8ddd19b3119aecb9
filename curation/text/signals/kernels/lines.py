"""What lines are like: how they begin and end, how long they are, which repeat."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import (
    FEEDS,
    add_key,
    before,
    count_characters,
    count_feeds,
    eight,
    ends_in_dots,
    ends_in_sign,
    first_marked,
    hash_bytes,
    helper,
    kernel,
    mask_controls,
    mask_equal,
    mask_leads,
    most_feeds,
    next_base,
    next_byte,
    strip,
    strip_front,
    table_bits,
)
from curation.text.punctuation import TERMINAL
from curation.text.unicode import LINE_END, WIDE, decode

_HASHES = np.uint64(0x2323232323232323)
_DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)


@kernel
def count_symbols(data, offsets, classes, counts):
    """counts (documents, 5): "#"; "..." and "…"; lines as str.splitlines has them, those that begin with a bullet or a
    dash after white space, and those that end in "..." or "…" before white space."""
    for document in range(len(offsets) - 1):
        a, b = offsets[document], offsets[document + 1]
        i, start, dots, last_dot, hashes, ellipses = a, a, 0, a, 0, 0
        while i < b:
            value = eight(data, i, b)
            mask = mask_controls(value) | mask_equal(value, _HASHES) | mask_equal(value, _DOTS) | mask_leads(value)
            while mask:
                place = i + first_marked(mask)
                mask &= mask - np.uint64(1)
                if place >= b:
                    break
                code, after = decode(data, place)
                hashes += code == 35
                ellipses += code == 0x2026
                if code == 46:
                    dots = dots + 1 if place == last_dot + 1 and dots < 3 else 1
                    last_dot = place
                    ellipses += dots == 3
                elif classes[code] & LINE_END:
                    if code != 10 or place == a or data[place - 1] != 13:
                        finish_line(data, start, place, classes, counts, document)
                    start = after
            i += 8
        if start < b:
            finish_line(data, start, b, classes, counts, document)
        counts[document, 0], counts[document, 1] = hashes, ellipses


@helper
def finish_line(data, a, b, classes, counts, document):
    a, b = strip(data, a, b, classes)
    counts[document, 2] += 1
    if a < b:
        counts[document, 3] += decode(data, a)[0] in (0x2022, 45)
        counts[document, 4] += ends_in_dots(data, a, b) or ends_in_sign(data, a, b)


@kernel
def count_lines(data, offsets, classes, flags, short, wrapped, counts):
    """counts (documents, 6): code points that are not line feeds; line feeds; lines between line feeds that hold more
    than white space; of those, how many end in terminal punctuation, how many have at most `short` code points, and the
    code points of those met before.

    With `wrapped`, a number of columns, a line at least so wide goes on in the next, unless that is blank; line feeds
    are then those between lines that hold more than white space, one each. 0 is off.
    """
    most = most_feeds(data, offsets) + 1
    slots = np.zeros(1 << table_bits(most), np.int32)
    keys = np.empty(most, np.uint64)
    base = 1
    for document in range(len(offsets) - 1):
        start, b = offsets[document], offsets[document + 1]
        feeds = count_feeds(data, start, b)
        bits = table_bits(feeds + 1)
        fresh = 0
        while start <= b:
            i = next_byte(data, start, b, FEEDS)
            length = count_characters(data, start, i)
            part = start
            while wrapped > 0 and goes_on(data, part, i, b, classes, wrapped):
                part = i + 1
                i = next_byte(data, part, b, FEEDS)
                length += count_characters(data, part, i)
            counts[document, 0] += length
            if strip_front(data, start, i, classes) < i:
                counts[document, 2] += 1
                counts[document, 3] += flags[decode(data, before(data, start, i))[0]] & TERMINAL != 0
                counts[document, 4] += length <= short
                if add_key(hash_bytes(data, start, i), fresh, slots, base, bits, keys):
                    fresh += 1
                else:
                    counts[document, 5] += length
            start = i + 1
        counts[document, 1] = max(0, counts[document, 2] - 1) if wrapped > 0 else feeds
        base = next_base(slots, base, fresh)


@helper
def goes_on(data, a, i, b, classes, columns):
    """Whether the line data[a:i] is at least so many columns wide and what follows it up to b begins with a line that
    is not blank."""
    if i - a < columns:  # no character takes more columns than bytes
        return False
    while a < i:
        code, a = decode(data, a)
        columns -= 2 if classes[code] & WIDE else 1
    if columns > 0 or i == b:
        return False
    end = next_byte(data, i + 1, b, FEEDS)
    return strip_front(data, i + 1, end, classes) < end
