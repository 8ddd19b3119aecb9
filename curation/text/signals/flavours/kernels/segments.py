"""Lines and paragraphs and their copies, and marks."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import (
    FEEDS,
    add_key,
    count_characters,
    count_feeds,
    eight,
    ends_in_dots,
    ends_in_sign,
    find_slot,
    first_marked,
    hash_bytes,
    helper,
    kernel,
    mask_equal,
    mask_leads,
    most_feeds,
    next_base,
    next_byte,
    strip,
    table_bits,
)
from curation.text.unicode import decode

_HASHES = np.uint64(0x2323232323232323)
_DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)

SEGMENTS, CHARACTERS, COPIES, COPY_CHARACTERS, BULLETS, ELLIPSES = range(6)


@kernel
def count_copies(data, offsets, classes, feeds, dclm, counts):
    """counts (documents, 6): segments; their code points; those that occur more than once, all copies counted; their
    code points; those that begin with a bullet, those that end in an ellipsis.

    Segments are what stands between so many line feeds (1 or 2). With `dclm` they are stripped and those of white space
    only left out; bullets are "●", "•", "*" and "-", an ellipsis is "...", ". . ." or "…". Without, bullets are "*" and
    "-", and "…" alone is an ellipsis.
    """
    most = most_feeds(data, offsets) + 1
    slots = np.zeros(1 << table_bits(most), np.int32)
    keys = np.empty(most, np.uint64)
    often = np.empty(most, np.int32)
    base = 1
    for document in range(len(offsets) - 1):
        start, stop = offsets[document], offsets[document + 1]
        bits = table_bits(count_feeds(data, start, stop) + 1)
        fresh = segments = characters = copies = copy_characters = bullets = ellipses = 0
        while start <= stop:
            end = separator(data, start, stop, feeds)
            a, b = strip(data, start, end, classes) if dclm else (start, end)
            start = end + feeds if end < stop else stop + 1
            if dclm and a == b:
                continue
            segments += 1
            length = count_characters(data, a, b)
            characters += length
            if a < b:
                code = decode(data, a)[0]
                bullets += code in (42, 45) or (dclm and code in (0x2022, 0x25CF))
                ellipses += ends_in_ellipsis(data, a, b, dclm)
            key = hash_bytes(data, a, b)
            if add_key(key, fresh, slots, base, bits, keys):
                often[fresh] = 1
                fresh += 1
                continue
            slot = slots[find_slot(key, slots, base, bits, keys)] - base
            often[slot] += 1
            times = 2 if often[slot] == 2 else 1  # the first copy counts when the second one comes
            copies += times
            copy_characters += times * length
        counts[document, SEGMENTS], counts[document, CHARACTERS] = segments, characters
        counts[document, COPIES], counts[document, COPY_CHARACTERS] = copies, copy_characters
        counts[document, BULLETS], counts[document, ELLIPSES] = bullets, ellipses
        base = next_base(slots, base, fresh)


@helper
def separator(data, a, b, feeds):
    """Where the first so many (1 or 2) line feeds in a row begin in data[a:b], b if there are none."""
    while True:
        a = next_byte(data, a, b, FEEDS)
        if a == b or feeds == 1:
            return a
        if a + 1 < b and data[a + 1] == 10:
            return a
        a += 1


@helper
def ends_in_ellipsis(data, a, b, dclm):
    if ends_in_sign(data, a, b):
        return True
    if not dclm or b == a or data[b - 1] != 46:
        return False
    is_spaced = b - a >= 5 and data[b - 2] == 32 and data[b - 3] == 46 and data[b - 4] == 32 and data[b - 5] == 46
    return is_spaced or ends_in_dots(data, a, b)


@kernel
def count_marks(data, offsets, marks):
    """marks (documents,): "#", "…", and what str.count finds of "..." and of ". . ."."""
    for document in range(len(offsets) - 1):
        a, b = offsets[document], offsets[document + 1]
        i, dots, spaced, last, found = a, 0, 0, a - 3, 0
        while i < b:
            value = eight(data, i, b)
            mask = mask_equal(value, _HASHES) | mask_equal(value, _DOTS) | mask_leads(value)
            while mask:
                place = i + first_marked(mask)
                mask &= mask - np.uint64(1)
                if place >= b:
                    break
                byte = data[place]
                if byte == 46:
                    dots = dots + 1 if place == last + 1 and dots < 3 else 1
                    follows = place == last + 2 and data[place - 1] == 32
                    spaced = spaced + 1 if follows and spaced < 3 else 1
                    last = place
                    found += (dots == 3) + (spaced == 3)
                else:
                    found += byte == 35 or (byte == 0xE2 and decode(data, place)[0] == 0x2026)
            i += 8
        marks[document] = found
