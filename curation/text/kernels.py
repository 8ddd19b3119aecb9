"""The scan of the text: words, lines and what repeats, over Arrow's buffers.

Everywhere `data` is uint8, `offsets` int64 (documents + 1,), and a text is valid UTF-8. Word spans are int32, in bytes from
the beginning of their document. Every kernel runs in time proportional to the bytes (words and their n-grams are hashed
to 64 bits and looked up by open addressing), with scratch memory in proportion to the largest document.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from curation.text.punctuation import IS_PUNCTUATION, SENTENCE_END, SYMBOL, TERMINAL
from curation.text.unicode import ALPHA, LINE_END, SPACE, decode

kernel = nb.njit(cache=True, nogil=True)
helper = nb.njit(cache=True, nogil=True, _nrt=False)  # allocates nothing; reference counts would cost five times the work

# Kinds of code points, for the splitter (words.py builds the table).
BLANK, PREFIX, SUFFIX, LOWER, UPPER, BEFORE_STOP, ICON = 1, 2, 4, 8, 16, 32, 64
UNSPACED, QUOTE, LETTER, MARK, CURRENCY = 128, 256, 512, 1024, 2048

PIECES = 2048  # slots of the table of pieces: 2**11
NOT_A_WORD = 14 << 4  # an action: the piece is only a unit
UNIT = 1 << 8  # an action (after the shift by 4): it may be taken off behind a number

GOLDEN = 0x9E3779B97F4A7C15
_GOLDEN = np.uint64(GOLDEN)
_BASE = np.uint64(0xD1342543DE82EF95)  # of the polynomials mod 2**64; odd, so that it has an inverse
_INVERSE = np.uint64(pow(0xD1342543DE82EF95, -1, 1 << 64))
_BASE_2 = np.uint64(pow(0xD1342543DE82EF95, 2, 1 << 64))
_BASE_4 = np.uint64(pow(0xD1342543DE82EF95, 4, 1 << 64))
_FOUR_ONES = np.uint64(sum(pow(0xD1342543DE82EF95, k, 1 << 64) for k in range(4)) % (1 << 64))
_ONE = np.uint64(1)
_ZERO = np.uint64(0)


# Words.


@helper
def find_piece(data, a, b, keys, actions):
    """The action (length, cut, UNIT) of data[a:b] in the table of pieces, 0 if it is not there."""
    if b - a > 8 or a == b:
        return 0
    key = _ZERO
    for i in range(a, b):
        key = (key << np.uint64(8)) | np.uint64(data[i])
    return find_key(key, b - a, keys, actions)


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
def before(data, a, b):
    """Where the code point that ends at b begins, not before a."""
    b -= 1
    while b > a and data[b] & 0xC0 == 0x80:
        b -= 1
    return b


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
    if code == 115 or code == 83:  # 's
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
        while i < b and (kinds[data[i]] & LETTER or is_digit(data[i]) or data[i] == 43 or data[i] == 45 or data[i] == 46):
            i += 1
        if i - a >= 2 and i + 2 < b and data[i] == 58 and data[i + 1] == 47 and data[i + 2] == 47:
            host = i + 3
    if is_host(data, host, b, kinds):
        return True
    for i in range(host + 1, b):
        if data[i] == 64 and is_host(data, i + 1, b, kinds):
            return True
    return False


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
    return byte == 95 or byte == 45


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
            return quote if first == 100 or first == 109 else b
        if (first == 108 and second == 108) or ((first == 114 or first == 118) and second == 101):
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
    if code == 58 or code == 60 or code == 62 or code == 61 or code == 47:
        return after if (is_letter or before_digit) and following else i
    if code == 45 or code == 0x2013 or code == 0x2014 or code == 126:
        if is_letter or before_digit:
            run = after
            while run < b and data[run] == 45 and code == 45 and run - i < 3:
                run += 1
            if code == 0x2014 and run + 3 < b and decode(data, run)[0] == 0x2014:
                run += 3
            if run < b and kinds[decode(data, run)[0]] & (LOWER | UPPER):
                return run
    if (code == 45 or code == 43 or code == 42 or code == 94) and before_digit:
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
            apostrophe |= byte == 39 or byte == 0x99
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
    """Whether the one byte at b, behind nothing but the letters data[a:b], is a word of its own: most of all marks are."""
    byte = data[b]
    if byte == 46:
        return b - a > 1 and kinds[data[b - 1]] & LOWER and not find_piece(data, a, b + 1, keys, actions)
    return byte == 44 or byte == 58 or byte == 59 or byte == 41 or byte == 34 or byte == 63 or byte == 33


@kernel
def split_words(data, offsets, kinds, keys, actions, counts, starts, ends):
    """Fill the spans of every document's words; counts (documents + 1,) gets where each document's begin."""
    words = 0
    for document in range(len(offsets) - 1):
        base, stop = offsets[document], offsets[document + 1]
        i = base
        while i < stop:
            byte = data[i]
            if byte < 0x80 and kinds[byte] & BLANK:
                i += 1
                continue
            a, key = i, _ZERO
            while i < stop and data[i] < 0x80 and kinds[data[i]] & LETTER:
                key = (key << np.uint64(8)) | np.uint64(data[i])
                i += 1
            letters, size = i, i - a  # data[a:letters] are letters, data[letters:i] the rest of the piece
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
            elif letters == i or (letters > a and i - letters == 1 and is_plain_end(data, a, letters, kinds, keys, actions)):
                action = 0
                if letters - a <= 8 and letters - a == size:
                    action = find_key(key, size, keys, actions)
                cut = (action >> 4) & 15 if is_word_piece(action) else 0
                if cut:
                    starts[words], ends[words] = a - base, a + cut - base
                    words += 1
                starts[words], ends[words] = a + cut - base, letters - base
                words += 1
                if letters < i:
                    starts[words], ends[words] = letters - base, i - base
                    words += 1
            else:
                words = split_piece(data, base, a, i, kinds, keys, actions, words, starts, ends)
        counts[document + 1] = words


# What the words are.


@kernel
def count_words(data, offsets, spans, starts, ends, classes, flags, wanted, wanted_offsets, counts):
    """counts (documents, 4): words that hold more than symbols, and the code points of those; words with a letter; how many
    of the wanted words occur. `wanted` and `wanted_offsets` are texts, like data and offsets."""
    bits = table_bits(len(wanted_offsets))
    slots = np.zeros(1 << bits, np.int32)
    keys = np.empty(len(wanted_offsets), np.uint64)
    fresh = longest = 0
    for i in range(len(wanted_offsets) - 1):
        longest = max(longest, wanted_offsets[i + 1] - wanted_offsets[i])
        fresh += add_key(hash_bytes(wanted, wanted_offsets[i], wanted_offsets[i + 1]), fresh, slots, 1, bits, keys)
    met = np.full(len(wanted_offsets), -1, np.int64)  # the last document that each wanted word was met in
    for document in range(len(offsets) - 1):
        base = offsets[document]
        whole = characters = alphabetic = distinct = 0
        for word in range(spans[document], spans[document + 1]):
            length, classed, flagged = 0, np.uint8(0), np.uint8(255)
            i, stop = base + starts[word], base + ends[word]
            while i < stop:
                code, i = decode(data, i)
                length += 1
                classed |= classes[code]
                flagged &= flags[code]
            alphabetic += classed & ALPHA != 0
            if not flagged & SYMBOL:
                whole += 1
                characters += length
            if ends[word] - starts[word] <= longest:
                place = slots[find_slot(hash_bytes(data, base + starts[word], stop), slots, 1, bits, keys)] - 1
                if place >= 0 and met[place] != document:
                    met[place] = document
                    distinct += 1
        counts[document, 0] = whole
        counts[document, 1] = characters
        counts[document, 2] = alphabetic
        counts[document, 3] = distinct


@helper
def hash_bytes(data, a, b):
    """A 64-bit hash of data[a:b]: a polynomial in its bytes, four at a time so that multiplications overlap."""
    value = _ZERO
    while a + 4 <= b:
        left = np.uint64(data[a]) * _BASE + np.uint64(data[a + 1])
        right = np.uint64(data[a + 2]) * _BASE + np.uint64(data[a + 3])
        value = value * _BASE_4 + (left * _BASE_2 + right + _FOUR_ONES)
        a += 4
    while a < b:
        value = value * _BASE + np.uint64(data[a]) + _ONE
        a += 1
    return mix(value)


@helper
def mix(value):
    value = (value ^ (value >> np.uint64(32))) * _GOLDEN
    return value ^ (value >> np.uint64(29))


@helper
def table_bits(items):
    """The logarithm of the size of a table that these items fill to a quarter at most."""
    bits = 4
    while (1 << bits) < 4 * items:
        bits += 1
    return bits


# What repeats.


@kernel
def repeated_grams(data, offsets, spans, starts, ends, counts):
    """counts (documents, 9): code points in sequences of n words that repeat, for n = 2 to 10.

    For n = 2, 3, 4: the length of the most frequent n words joined by spaces, times how often they occur (of equally
    frequent ones the first counts). For n = 5 to 10, from left to right: the lengths of the n words, joined by nothing, that
    were met before; the words so counted are passed over.

    An n-gram that repeats begins with an (n - 1)-gram that repeats, so each n looks only at the places that were left.
    """
    most = 1
    for document in range(len(offsets) - 1):
        most = max(most, spans[document + 1] - spans[document])
    lengths = np.empty(most + 1, np.int32)  # code points before each word
    words = np.empty(most, np.uint64)  # hashes
    places = np.empty(most, np.int32)  # where an n-gram begins that may repeat, ascending
    grams = np.empty(most, np.uint64)  # for each place, the hash of the n words
    firsts = np.empty(most, np.int32)  # for each place, the index of the first place of the same n-gram
    times = np.empty(most, np.int32)  # at those indices, how often it occurs
    slots = np.zeros(1 << table_bits(most), np.int32)
    base = 1
    for document in range(len(offsets) - 1):
        size = spans[document + 1] - spans[document]
        hash_words(data, offsets[document], spans[document], size, starts, ends, lengths, words)
        for i in range(size):
            grams[i], places[i] = words[i], i
        left = size
        for n in range(2, min(size, 10) + 1):
            while left and places[left - 1] + n > size:
                left -= 1
            best = group(n, left, places, words, grams, firsts, times, slots, base)
            base = next_base(slots, base, left)
            if n < 5:
                first = places[best] if best >= 0 else 0
                often = times[best] if best >= 0 else 1
                counts[document, n - 2] = (lengths[first + n] - lengths[first] + n - 1) * often
            else:
                counts[document, n - 2] = met_before(n, left, places, firsts, times, lengths)
            left = keep_repeated(left, places, grams, firsts, times)


@helper
def hash_words(data, base, first, size, starts, ends, lengths, words):
    """Fill lengths (size + 1,) and words (size,) of one document."""
    characters = 0
    for word in range(size):
        lengths[word] = characters
        value = _ZERO
        for i in range(base + starts[first + word], base + ends[first + word]):
            byte = data[i]
            value = value * _BASE + np.uint64(byte) + _ONE
            characters += byte & 0xC0 != 0x80
        words[word] = mix(value)
    lengths[size] = characters


@helper
def group(n, left, places, words, grams, firsts, times, slots, base):
    """Make grams of n words from those of n - 1, and group them; the index of the first of the most frequent ones, -1 if
    none occurs twice."""
    bits = table_bits(left)
    best = -1
    for k in range(left):
        gram = grams[k] * _BASE + words[places[k] + n - 1]
        slot = find_slot(gram, slots, base, bits, grams)
        grams[k] = gram
        if slots[slot] < base:
            slots[slot] = base + k
            firsts[k], times[k] = k, 1
            continue
        first = slots[slot] - base
        firsts[k] = first
        times[first] += 1
        if best < 0 or times[first] > times[best] or (times[first] == times[best] and first < best):
            best = first
    return best


@helper
def met_before(n, left, places, firsts, times, lengths):
    """The code points of n-grams met before, from left to right without overlap; spoils `times` of those that it meets."""
    characters = after = 0
    for k in range(left):
        first = firsts[k]
        if places[k] < after or times[first] == 1:
            continue
        if times[first] > 0:
            times[first] = -times[first]  # met
        else:
            characters += lengths[places[k] + n] - lengths[places[k]]
            after = places[k] + n
    return characters


@helper
def keep_repeated(left, places, grams, firsts, times):
    """Keep the places whose n-gram occurs more than once; how many there are."""
    kept = 0
    for k in range(left):
        if times[firsts[k]] != 1:
            places[kept], grams[kept] = places[k], grams[k]
            kept += 1
    return kept


# Hash tables: slots hold base + an index of keys; what is below base was left by an earlier use and means empty, so that a
# table is never cleared.


@helper
def find_slot(key, slots, base, bits, keys):
    """The slot of this key, or the empty one where it would go."""
    shift, mask = np.uint64(64 - bits), (1 << bits) - 1
    slot = np.int64((key * _GOLDEN) >> shift)
    while slots[slot] >= base and keys[slots[slot] - base] != key:
        slot = (slot + 1) & mask
    return slot


@helper
def add_key(key, index, slots, base, bits, keys):
    """Whether this key is new; if it is, it is put at this index."""
    slot = find_slot(key, slots, base, bits, keys)
    if slots[slot] >= base:
        return False
    slots[slot] = base + index
    keys[index] = key
    return True


@helper
def next_base(slots, base, used):
    """The base behind a use of this many keys, with room for as many again."""
    if base < 1 << 30:
        return base + used
    for slot in range(len(slots)):
        slots[slot] = 0
    return 1


@helper
def count_feeds(data, a, b):
    feeds = 0
    for i in range(a, b):
        feeds += data[i] == 10
    return feeds


@helper
def most_feeds(data, offsets):
    """The most line feeds that any document has."""
    most = 0
    for document in range(len(offsets) - 1):
        most = max(most, count_feeds(data, offsets[document], offsets[document + 1]))
    return most


@kernel
def repeated_segments(data, offsets, classes, counts):
    """counts (documents, 7): code points; paragraphs (the stripped text cut at two or more line feeds), those met before and
    their code points; lines (the text cut at one or more line feeds), those met before and their code points."""
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
        key, length = _ZERO, 0  # of the paragraph so far
        start = a
        while start <= b:
            i, size = start, 0
            while i < b and data[i] != 10:
                size += data[i] & 0xC0 != 0x80
                i += 1
            run = i
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
            if start < last and i > first or lines == 1 and first == last:
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
                    key, length = _ZERO, 0
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


@helper
def strip(data, a, b, classes):
    """data[a:b] without the white space at its ends."""
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
    return a, b


@helper
def count_characters(data, a, b):
    characters = 0
    for i in range(a, b):
        characters += data[i] & 0xC0 != 0x80
    return characters


# Lines.


@kernel
def count_symbols(data, offsets, classes, counts):
    """counts (documents, 5): "#"; "..." and "…"; lines as str.splitlines has them, those that begin with a bullet or a dash
    after white space, and those that end in "..." or "…" before white space."""
    for document in range(len(offsets) - 1):
        a, b = offsets[document], offsets[document + 1]
        i, dots, hashes, ellipses, returned = a, 0, 0, 0, False
        first, last, start = 0, a, a  # of the line: its first visible code point, the end of its last, its beginning
        while i < b:
            code, after = np.int32(data[i]), i + 1
            if code >= 0x80:
                code, after = decode(data, i)
                ellipses += code == 0x2026
            kind = classes[code]
            dots = (dots + 1) * (code == 46)
            ellipses += dots == 3
            dots = 0 if dots == 3 else dots
            hashes += code == 35
            visible = kind & SPACE == 0  # without a branch: words are short, and a wrong guess is dear
            first = code if visible and first == 0 else first
            last = after if visible else last
            i = after
            if kind & LINE_END:
                if code != 10 or not returned:
                    finish_line(data, start, first, last, counts, document)
                start, first = after, 0
            returned = code == 13
        if start < b:
            finish_line(data, start, first, last, counts, document)
        counts[document, 0], counts[document, 1] = hashes, ellipses


@helper
def finish_line(data, start, first, last, counts, document):
    counts[document, 2] += 1
    counts[document, 3] += first == 0x2022 or first == 45
    counts[document, 4] += last - start >= 3 and (
        (data[last - 1] == 46 and data[last - 2] == 46 and data[last - 3] == 46)
        or (data[last - 1] == 0xA6 and data[last - 2] == 0x80 and data[last - 3] == 0xE2)
    )


@kernel
def count_lines(data, offsets, classes, flags, short, counts):
    """counts (documents, 6): code points that are not line feeds; line feeds; lines between line feeds that hold more than
    white space; of those, how many end in terminal punctuation, how many have at most `short` code points, and the code
    points of those met before."""
    most = most_feeds(data, offsets) + 1
    slots = np.zeros(1 << table_bits(most), np.int32)
    keys = np.empty(most, np.uint64)
    base = 1
    for document in range(len(offsets) - 1):
        start = i = offsets[document]
        b = offsets[document + 1]
        feeds = count_feeds(data, i, b)
        bits = table_bits(feeds + 1)
        fresh = 0
        counts[document, 1] = feeds
        while start <= b:
            length, blank, code = 0, True, 0
            while i < b and data[i] != 10:
                code, i = decode(data, i)
                length += 1
                blank &= classes[code] & SPACE != 0
            counts[document, 0] += length
            if not blank:
                counts[document, 2] += 1
                counts[document, 3] += flags[code] & TERMINAL != 0
                counts[document, 4] += length <= short
                if add_key(hash_bytes(data, start, i), fresh, slots, base, bits, keys):
                    fresh += 1
                else:
                    counts[document, 5] += length
            i += 1
            start = i
        base = next_base(slots, base, fresh)


@kernel
def count_sentences(data, offsets, spans, starts, ends, flags, sentences):
    """sentences (documents,) holds the number of lines, each a text of its own; gets that of their sentences.

    As spaCy's Sentencizer has it: behind a word that is one of the marks that end a sentence, the first word that is not
    punctuation begins another (and so does white space other than one space).
    """
    for document in range(len(offsets) - 1):
        base, stop = offsets[document], offsets[document + 1]
        ended = False
        last = base
        for word in range(spans[document], spans[document + 1] + 1):
            closing = word == spans[document + 1]
            a = stop if closing else base + starts[word]
            if ended and (a - last > 1 or (a - last == 1 and data[last] != 32)):
                feed = last
                while feed < a and data[feed] != 10:
                    feed += 1
                if feed - last > 1 or (feed - last == 1 and data[last] != 32):
                    sentences[document] += 1
                    ended = False
                if feed < a:
                    ended = False
            if closing:
                break
            b = base + ends[word]
            last = b
            code, after = decode(data, a)
            if after == b and flags[code] & SENTENCE_END:
                ended = True
            elif ended and not is_punctuation(data, a, b, flags):
                sentences[document] += 1
                ended = False


@helper
def is_punctuation(data, a, b, flags):
    while a < b:
        code, a = decode(data, a)
        if not flags[code] & IS_PUNCTUATION:
            return False
    return True
