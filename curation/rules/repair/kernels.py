"""Which texts may have something to repair: never no where ftfy would change one, seldom yes where it would not."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import eight, first_marked, helper, kernel, mask_controls, mask_equal, mask_not_ascii
from curation.text.unicode import WORD, decode

# Kinds of characters, after ftfy's categories of mojibake; each is one or none of them.
(
    OTHER,
    BAD,
    LAW,
    CURRENCY,
    OPENING,
    CLOSING,
    NUMERIC,
    UPPER,
    LOWER,
    LETTER,
    BOX,
    DEGREE,
    LEAD,
    PLAIN,
    KINDS,
) = range(15)

ALONE, NOT_BEFORE_ASCII_LETTER, BEFORE_BLANK = 1, 2, 4  # flags: what of a character by itself, and with what follows it

_AMPERSANDS = np.uint64(0x2626262626262626)
_DELETES = np.uint64(0x7F7F7F7F7F7F7F7F)


@kernel
def find_suspects(data, offsets, signs, kinds, pairs, classes, entities, found):
    """Fill found (documents,), bool.

    signs and kinds (0x110000,) uint8: the flags, and the kind, of each code point. pairs (KINDS, KINDS) uint8: 1 where
    two neighbours are suspect, 2 where they are if a letter or digit follows. `entities` says whether `&lt;` and the
    like are looked for.
    """
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        found[document] = False
        last = OTHER
        while i < stop and not found[document]:
            value = eight(data, i, stop)
            mask = mask_not_ascii(value) | mask_controls(value) | mask_equal(value, _DELETES)
            mask |= mask_equal(value, _AMPERSANDS)
            place = i + first_marked(mask)
            if place > i:
                last = OTHER
            if place >= min(i + 8, stop):
                i += 8
                continue
            code, i = decode(data, place)
            following = 32
            if i < stop:
                following, _ = decode(data, i)
            sign, kind = signs[code], kinds[code]
            if code == 38:
                found[document] = entities and (following == 35 or is_letter(following) or 48 <= following <= 57)
            elif sign:
                found[document] = (
                    sign & ALONE != 0
                    or (sign & NOT_BEFORE_ASCII_LETTER != 0 and not is_letter(following))
                    or (sign & BEFORE_BLANK != 0 and following == 32)
                )
            pair = pairs[last, kind]
            found[document] |= pair == 1 or (pair == 2 and classes[following] & WORD != 0)
            last = kind


@helper
def is_letter(code):
    return 65 <= code <= 90 or 97 <= code <= 122
