"""What the kernels of this family share: bytes of ASCII, rows that grow, and texts with places replaced."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import count_characters, inlined, kernel


@kernel
def enlarged(out, count):
    """The rows that are filled, with room for as many again."""
    larger = np.empty((2 * len(out), out.shape[1]), np.int64)
    larger[:count] = out[:count]
    return larger


@inlined
def is_digit(byte):
    return 48 <= byte <= 57


@inlined
def is_upper(byte):
    return 65 <= byte <= 90


@inlined
def is_letter(byte):
    return 97 <= byte | 32 <= 122


@inlined
def is_word(byte):
    """A letter or digit of ASCII, or the underscore."""
    return is_letter(byte) or is_digit(byte) or byte == 95


@inlined
def byte_at(data, i, a, stop):
    """data[i] within data[a:stop], a blank outside."""
    return data[i] if a <= i < stop else np.uint8(32)


@kernel
def splice(data, offsets, starts, ends, replacements, replacement_ends, out, out_offsets):
    """Fill out and out_offsets (documents + 1,) with the texts in which data[starts[k]:ends[k]] is replaced by the k-th
    replacement, which ends at replacement_ends[k]; places are in order and do not overlap."""
    o, k, taken = 0, 0, 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        out_offsets[document] = o
        while i < stop:
            is_next = k < len(starts) and starts[k] < stop
            until = starts[k] if is_next else stop
            out[o : o + until - i] = data[i:until]
            o += until - i
            i = until
            if is_next:
                width = replacement_ends[k] - taken
                out[o : o + width] = replacements[taken : replacement_ends[k]]
                o += width
                taken = replacement_ends[k]
                i = ends[k]
                k += 1
    out_offsets[len(offsets) - 1] = o


@kernel
def code_points(data, offsets, documents, places, out):
    """Fill out (places,) with how many code points stand before each place in its document; places are in order."""
    document, i, points = -1, 0, 0
    for k in range(len(places)):
        if documents[k] != document:
            document = documents[k]
            i, points = offsets[document], 0
        points += count_characters(data, i, places[k])
        i = places[k]
        out[k] = points
