"""The fast splitter: from a text to the byte spans of its words, in time proportional to its bytes."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import GOLDEN, TOPS, before, eight, first_marked, helper, inlined, kernel, mask_letters
from curation.text.unicode import decode

# Kinds of code points, for the splitter (words.py builds the table).
BLANK, PREFIX, SUFFIX, LOWER, UPPER, BEFORE_STOP, ICON = 1, 2, 4, 8, 16, 32, 64
UNSPACED, QUOTE, LETTER, MARK, CURRENCY = 128, 256, 512, 1024, 2048

PIECES = 2048  # slots of the table of pieces: 2**11
CUTS = 4096  # slots of the table that says which hashes a piece of letters has that is cut: 2**12
NOT_A_WORD = 14 << 4  # an action: the piece is only a unit
UNIT = 1 << 8  # an action (after the shift by 4): it may be taken off behind a number

_GOLDEN = np.uint64(GOLDEN)
_ZERO = np.uint64(0)
_LAST = np.uint64(0xFFFFFFFFFFFFFFFF)
_CUT_SHIFT = np.uint64(64 - 12)


@kernel
def split_words(data, offsets, kinds, keys, actions, cuts, counts, starts, ends):
    """Fill the spans of every document's words; counts (documents + 1,) gets where each document's begin."""
    words = 0
    for document in range(len(offsets) - 1):
        base, stop = offsets[document], offsets[document + 1]
        i = base
        while i < stop:
            key = eight(data, i, stop)
            size = first_marked(~mask_letters(key) & TOPS)
            if size < 8:  # what most words are: letters, and one space behind them
                behind = (key >> np.uint64(8 * size)) & np.uint64(255)
                if behind in (32, 10):
                    if size:
                        words = write_word(i, i + size, key, base, cuts, keys, actions, words, starts, ends)
                    i += size + 1
                    continue
            byte = data[i]
            if byte < 0x80 and kinds[byte] & BLANK:
                i += 1
                continue
            a = i
            i += size
            while size == 8 and i < stop and data[i] < 0x80 and kinds[data[i]] & LETTER:
                i += 1
            letters = i  # data[a:letters] are letters, data[letters:i] the rest of the piece
            while i < stop:
                byte = data[i]
                kind, after = kinds[byte], i + 1
                if byte >= 0x80:
                    code, after = decode(data, i)
                    kind = kinds[code]
                if kind & BLANK:
                    break
                if letters == i and kind & LETTER:
                    letters = after
                i = after
            if i == a:
                _, i = decode(data, i)
            elif letters == i or (
                letters > a and i - letters == 1 and is_plain_end(data, a, letters, kinds, keys, actions)
            ):
                words = write_word(a, letters, key, base, cuts, keys, actions, words, starts, ends)
                if letters < i:
                    starts[words], ends[words] = letters - base, i - base
                    words += 1
            else:
                words = split_piece(data, base, a, i, kinds, keys, actions, words, starts, ends)
        counts[document + 1] = words


@inlined
def write_word(a, b, key, base, cuts, keys, actions, words, starts, ends):
    """Write data[a:b], all letters, of which the key holds the first eight; in two if it is such a piece."""
    if b - a <= 8:
        key &= _LAST >> np.uint64(64 - 8 * (b - a))
        if cuts[np.int64((key * _GOLDEN) >> _CUT_SHIFT)]:
            action = find_key(key, b - a, keys, actions)
            cut = (action >> 4) & 15 if is_word_piece(action) else 0
            if cut:
                starts[words], ends[words] = a - base, a + cut - base
                words += 1
                a += cut
    starts[words], ends[words] = a - base, b - base
    return words + 1


@helper
def find_piece(data, a, b, keys, actions):
    """The action (length, cut, UNIT) of data[a:b] in the table of pieces, 0 if it is not there."""
    if b - a > 8 or a == b:
        return 0
    return find_key(eight(data, a, b), b - a, keys, actions)


@helper
def find_key(key, size, keys, actions):
    """The action of the piece whose bytes, up to 8, the key holds."""
    slot = np.int64((key * _GOLDEN) >> np.uint64(53))
    while keys[slot] != _ZERO:
        if keys[slot] == key and actions[slot] & 15 == size:
            return actions[slot]
        slot = (slot + 1) & (PIECES - 1)
    return 0


@helper
def is_word_piece(action):
    """Whether a piece of this action is taken as it is, its punctuation not looked at."""
    return action != 0 and action & NOT_A_WORD << 4 != NOT_A_WORD << 4


@helper
def is_digit(byte):
    return 48 <= byte <= 57


@helper
def prefix_end(data, a, b, kinds):
    """The end of the punctuation that begins data[a:b], a if there is none."""
    code, after = decode(data, a)
    if kinds[code] & PREFIX:
        return after
    if code == 43:  # + but not of +7
        return after if after == b or not is_digit(data[after]) else a
    if code == 46 and after < b and data[after] == 46:
        while after < b and data[after] == 46:
            after += 1
        return after
    return a


@helper
def suffix_start(data, a, b, kinds, keys, actions):
    """The beginning of the punctuation, possessive or unit that ends data[a:b], b if there is none."""
    if a == b:
        return b
    last = before(data, a, b)
    code, _ = decode(data, last)
    if code == 46:
        dots = last
        while dots > a and data[dots - 1] == 46:
            dots -= 1
        if last - dots >= 1:
            return dots
        if last == a:
            return b
        previous = before(data, a, last)
        kind = kinds[decode(data, previous)[0]]
        if kind & BEFORE_STOP:
            return last
        if kind & UPPER and previous > a and kinds[decode(data, before(data, a, previous))[0]] & UPPER:
            return last
        return b
    kind = kinds[code]
    if kind & SUFFIX:
        return last
    if code in (115, 83):  # 's
        if last - a >= 1 and data[last - 1] == 39:
            return last - 1
        if last - a >= 3 and data[last - 3] == 0xE2 and data[last - 2] == 0x80 and data[last - 1] == 0x99:
            return last - 3
    if last > a and (code == 43 or kind & CURRENCY) and is_digit(data[last - 1]):
        return last
    start = last
    while start > a and b - start < 5 and not is_digit(data[start - 1]):
        start -= 1
    if start > a and start < b and is_digit(data[start - 1]) and find_piece(data, start, b, keys, actions) & UNIT << 4:
        return start
    return b


@helper
def is_address(data, a, b, kinds):
    """Whether data[a:b] is a web or mail address: [scheme://][user@]host.tld[:port][/...]."""
    host = a
    if a + 2 < b:
        i = a
        while i < b and (
            kinds[data[i]] & LETTER or is_digit(data[i]) or data[i] == 43 or data[i] == 45 or data[i] == 46
        ):
            i += 1
        if i - a >= 2 and i + 2 < b and data[i] == 58 and data[i + 1] == 47 and data[i + 2] == 47:
            host = i + 3
    if is_host(data, host, b, kinds):
        return True
    found = False
    for i in range(host + 1, b):
        found |= data[i] == 64 and is_host(data, i + 1, b, kinds)
    return found


@helper
def is_host(data, a, b, kinds):
    """Whether data[a:b] begins with host.tld and goes on as an address may."""
    i, label, labels = a, a, 0
    while i < b:
        byte = data[i]
        if byte == 46:
            if i == label or i - label > 256 or is_inner(data[label]) or is_inner(data[i - 1]):
                return False
            labels += 1
            label = i + 1
        elif not (byte >= 0x80 or kinds[byte] & LETTER or is_digit(byte) or is_inner(byte)):
            break
        i += 1
    end, letters, i = i, 0, label
    while i < end:
        code, i = decode(data, i)
        if not kinds[code] & LOWER:
            return False
        letters += 1
    if labels == 0 or letters < 2 or letters > 63:
        return False
    if end < b and data[end] == 58:
        digits = end + 1
        while digits < b and is_digit(data[digits]):
            digits += 1
        if digits - end < 3 or digits - end > 6:
            return False
        end = digits
    return end == b or data[end] == 47 or data[end] == 63 or data[end] == 35


@helper
def is_inner(byte):
    """_ and -, which may stand inside a host's label only."""
    return byte in (95, 45)


@helper
def contraction_start(data, a, b):
    """Where the last of n't 'll 're 've 'd 'm begins in data[a:b], b if there is none with a letter before it."""
    for size in range(1, 3):  # bytes behind the apostrophe
        quote = b - size - 1
        if quote <= a:
            return b
        width = 1
        if data[quote] == 0x99 and quote - 2 > a and data[quote - 1] == 0x80 and data[quote - 2] == 0xE2:
            quote, width = quote - 2, 3
        elif data[quote] != 39:
            continue
        first, second = data[quote + width], data[b - 1]
        if size == 1:
            if first == 116 and data[quote - 1] == 110 and quote - 1 > a:
                return quote - 1
            return quote if first in (100, 109) else b
        if (first == 108 and second == 108) or (first in (114, 118) and second == 101):
            return quote
        return b
    return b


@helper
def infix_end(data, i, b, before_kind, before_digit, kinds):
    """The end of what splits a word at data[i] (which is inside the word), i if nothing does."""
    code, after = decode(data, i)
    kind = kinds[code]
    if kind & ICON:
        return after
    if code == 46:
        if after < b and data[after] == 46:
            while after < b and data[after] == 46:
                after += 1
            return after
        if after < b and before_kind & (LOWER | QUOTE) and kinds[decode(data, after)[0]] & (UPPER | QUOTE):
            return after
        return i
    if after == b:
        return i
    is_letter = before_kind & (LOWER | UPPER)
    following = kinds[decode(data, after)[0]] & (LOWER | UPPER)
    if code == 44:
        return after if is_letter and following else i
    if code in (58, 60, 61, 62, 47):  # : < = > /
        return after if (is_letter or before_digit) and following else i
    if code in (45, 0x2013, 0x2014, 126) and (is_letter or before_digit):  # hyphens, dashes, ~
        run = after
        while run < b and data[run] == 45 and code == 45 and run - i < 3:
            run += 1
        if code == 0x2014 and run + 3 < b and decode(data, run)[0] == 0x2014:
            run += 3
        if run < b and kinds[decode(data, run)[0]] & (LOWER | UPPER):
            return run
    if code in (45, 43, 42, 94) and before_digit:  # - + * ^
        return after if is_digit(data[after]) or data[after] == 45 else i
    return i


@helper
def split_inside(data, base, a, b, kinds, words, starts, ends):
    """Write the words of data[a:b], whose ends are clean, and return their new number."""
    word = a
    code, i = decode(data, a)
    kind = kinds[code]
    digit = is_digit(code)
    if kind & UNSPACED:
        while i < b and kinds[decode(data, i)[0]] & MARK:
            _, i = decode(data, i)
        starts[words], ends[words] = word - base, i - base
        words += 1
        word = i
    while i < b:
        code, after = decode(data, i)
        here = kinds[code]
        if here & UNSPACED:
            cut = after
            while cut < b and kinds[decode(data, cut)[0]] & MARK:
                _, cut = decode(data, cut)
        elif here & LETTER or is_digit(code):
            cut = i
        else:
            cut = infix_end(data, i, b, kind, digit, kinds)
        if cut > i:
            if i > word:
                starts[words], ends[words] = word - base, i - base
                words += 1
            starts[words], ends[words] = i - base, cut - base
            words += 1
            word = cut
            after = cut
        kind, digit = here, is_digit(code)
        i = after
    if b > word:
        starts[words], ends[words] = word - base, b - base
        words += 1
    return words


@helper
def split_piece(data, base, a, b, kinds, keys, actions, words, starts, ends):
    """Write the words of data[a:b], which holds no white space, and return their new number."""
    spare = words + (b - a)  # suffixes wait at the far end of the room that this piece can fill
    taken = 0
    action = 0
    while a < b:
        action = find_piece(data, a, b, keys, actions)
        if is_word_piece(action):
            break
        front = prefix_end(data, a, b, kinds)
        moved = front > a
        if moved:
            starts[words], ends[words] = a - base, front - base
            words += 1
            a = front
            action = find_piece(data, a, b, keys, actions)
            if is_word_piece(action):
                break
        back = suffix_start(data, a, b, kinds, keys, actions)
        if back < b:
            taken += 1
            starts[spare - taken], ends[spare - taken] = back - base, b - base
            b = back
        elif not moved:
            action = 0
            break
    if a < b and is_word_piece(action):
        cut = (action >> 4) & 15
        if cut:
            starts[words], ends[words] = a - base, a + cut - base
            words += 1
        starts[words], ends[words] = a + cut - base, b - base
        words += 1
    elif a < b:
        words = split_core(data, base, a, b, kinds, words, starts, ends)
    for i in range(spare - taken, spare):
        starts[words], ends[words] = starts[i], ends[i]
        words += 1
    return words


@helper
def split_core(data, base, a, b, kinds, words, starts, ends):
    """Write the words of data[a:b], clean at both ends: an address, a contraction, or a word with what splits it."""
    plain, apostrophe, dotted = True, False, False
    for i in range(a, b):
        byte = data[i]
        if not (byte < 0x80 and (kinds[byte] & LETTER or is_digit(byte))):
            plain = False
            apostrophe |= byte in (39, 0x99)
            dotted |= byte == 46
    if plain or (dotted and is_address(data, a, b, kinds)):
        starts[words], ends[words] = a - base, b - base
        return words + 1
    second, third = b, b
    if apostrophe:
        second = contraction_start(data, a, b)
        if second < b:
            third = second
            second = contraction_start(data, a, third)
    words = split_inside(data, base, a, second, kinds, words, starts, ends)
    if second < third:
        starts[words], ends[words] = second - base, third - base
        words += 1
    if third < b:
        starts[words], ends[words] = third - base, b - base
        words += 1
    return words


@helper
def is_plain_end(data, a, b, kinds, keys, actions):
    """Whether the one byte at b, behind nothing but the letters data[a:b], is a word of its own: most marks are."""
    byte = data[b]
    if byte == 46:
        return b - a > 1 and kinds[data[b - 1]] & LOWER and not find_piece(data, a, b + 1, keys, actions)
    return byte in (44, 58, 59, 41, 34, 63, 33)  # , : ; ) " ? !
