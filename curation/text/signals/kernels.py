"""The counts: what words, sequences of words, paragraphs and lines are like.

Word spans are int32, in bytes from the beginning of their document: those of document d are starts[i]:ends[i] for i in
spans[d]:spans[d + 1]. Every kernel runs in time proportional to the bytes, with scratch memory in proportion to the
largest document; what repeats is found by 64-bit hashes.
"""

from __future__ import annotations

import numpy as np

from curation.text.kernels import (
    BASE,
    FEEDS,
    ZERO,
    add_key,
    before,
    count_characters,
    count_feeds,
    eight,
    find_slot,
    first_marked,
    hash_bytes,
    helper,
    inlined,
    kernel,
    mask_controls,
    mask_digits,
    mask_equal,
    mask_leads,
    mask_letters,
    mask_not_ascii,
    mix,
    most_feeds,
    next_base,
    next_byte,
    strip,
    strip_front,
    table_bits,
)
from curation.text.punctuation import IS_PUNCTUATION, SENTENCE_END, SYMBOL, TERMINAL
from curation.text.unicode import ALPHA, LINE_END, decode

MET = -(1 << 31)  # in `firsts`: this n-gram was met

_BASE = np.uint64(BASE)
_HASHES = np.uint64(0x2323232323232323)
_DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)


@kernel
def count_words(data, offsets, spans, starts, ends, classes, flags, wanted, wanted_offsets, counts):
    """counts (documents, 4): words that hold more than symbols, and the code points of those; words with a letter; how
    many of the wanted words occur. `wanted` and `wanted_offsets` are texts, like data and offsets."""
    bits = table_bits(len(wanted_offsets)) + 1
    table = np.zeros(1 << bits, np.uint64)  # the hashes of those that are wanted, 0 where there is none
    places = np.empty(len(wanted_offsets), np.int64)  # where they stand
    fresh = 0
    for i in range(len(wanted_offsets) - 1):
        key = hash_bytes(wanted, wanted_offsets[i], wanted_offsets[i + 1])
        place = find_place(key, table, bits)
        if table[place] != key:
            table[place] = key
            places[fresh] = place
            fresh += 1
    met = np.full(1 << bits, -1, np.int64)  # the last document in which a word came to each place
    for document in range(len(offsets) - 1):
        base = offsets[document]
        whole = characters = alphabetic = 0
        for word in range(spans[document], spans[document + 1]):
            start, stop = base + starts[word], base + ends[word]
            length, has_letter, is_symbol = look_at_word(data, start, stop, classes, flags)
            alphabetic += has_letter
            whole += not is_symbol
            characters += 0 if is_symbol else length
            # Without a branch, for who could guess which words are wanted: what no one asks for is marked too.
            met[find_place(hash_bytes(data, start, stop), table, bits)] = document
        counts[document, 0] = whole
        counts[document, 1] = characters
        counts[document, 2] = alphabetic
        for i in range(fresh):
            counts[document, 3] += met[places[i]] == document


@inlined
def find_place(key, table, bits):
    """Where this key stands, or the empty place where it would."""
    place = np.int64(key >> np.uint64(64 - bits))
    while (table[place] != key) & (table[place] != ZERO):
        place = (place + 1) & ((1 << bits) - 1)
    return place


@inlined
def look_at_word(data, i, stop, classes, flags):
    """The code points of data[i:stop], whether one is a letter, and whether all are symbols."""
    length, has_letter, has_other = stop - i, False, False
    while i < stop:
        value = eight(data, i, stop)
        if mask_not_ascii(value):
            break
        letters = mask_letters(value)
        has_letter |= letters != ZERO
        has_other |= (letters | mask_digits(value)) != ZERO  # of ASCII, all the rest are symbols
        i += 8
    if i < stop:
        length -= stop - i
        while i < stop:
            code, i = decode(data, i)
            length += 1
            has_letter |= classes[code] & ALPHA != 0
            has_other |= flags[code] & SYMBOL == 0
    return length, has_letter, not has_other


@kernel
def repeated_grams(data, offsets, spans, starts, ends, counts):
    """counts (documents, 9): code points in sequences of n words that repeat, for n = 2 to 10.

    For n = 2, 3, 4: the length of the most frequent n words joined by spaces, times how often they occur (of equally
    frequent ones the first counts). For n = 5 to 10, from left to right: the lengths of the n words, joined by nothing,
    that were met before; the words so counted are passed over.

    An n-gram that repeats begins with an (n - 1)-gram that repeats, so each n looks only at the places that were left.
    """
    most = 1
    for document in range(len(offsets) - 1):
        most = max(most, spans[document + 1] - spans[document])
    places = np.empty(most, np.int32)  # where an n-gram begins that may repeat, ascending
    grams = np.empty(most, np.uint64)  # for each place, the hash of the n words
    firsts = np.empty(most, np.int32)  # for each place, that of the same n-gram's first; at the first one, -times
    slots = np.zeros(1 << table_bits(most), np.int32)
    base = 1
    for document in range(len(offsets) - 1):
        begin, first, size = offsets[document], spans[document], spans[document + 1] - spans[document]
        for i in range(size):
            places[i] = i
            grams[i] = hash_bytes(data, begin + starts[first + i], begin + ends[first + i])
        left = size
        for n in range(2, min(size, 10) + 1):
            while left and places[left - 1] + n > size:
                left -= 1
            if n == 2:
                for k in range(left):
                    grams[k] = grams[k] * _BASE + grams[k + 1]
            else:
                for k in range(left):
                    word = first + places[k] + n - 1
                    grams[k] = grams[k] * _BASE + hash_bytes(data, begin + starts[word], begin + ends[word])
            best = group(left, grams, firsts, slots, base)
            base = next_base(slots, base, left)
            if n < 5:
                word = first + (places[best] if best >= 0 else 0)
                often = -firsts[best] if best >= 0 else 1
                characters = count_in_words(data, begin, word, word + n, starts, ends)
                counts[document, n - 2] = (characters + n - 1) * often
            else:
                counts[document, n - 2] = met_before(n, left, places, firsts, data, begin, first, starts, ends)
            left = keep_repeated(left, places, grams, firsts)


@helper
def count_in_words(data, begin, word, end, starts, ends):
    """The code points of these words of the document that begins at `begin`."""
    characters = 0
    for i in range(word, end):
        characters += count_characters(data, begin + starts[i], begin + ends[i])
    return characters


@helper
def group(left, grams, firsts, slots, base):
    """Group the n-grams by their hashes.

    The index of the first of the most frequent ones, -1 if none occurs twice.
    """
    bits = table_bits(left)
    best = -1
    for k in range(left):
        slot = find_slot(grams[k], slots, base, bits, grams)
        if slots[slot] < base:
            slots[slot] = base + k
            firsts[k] = -1
            continue
        first = slots[slot] - base
        firsts[k] = first
        firsts[first] -= 1
        if best < 0 or firsts[first] < firsts[best] or (firsts[first] == firsts[best] and first < best):
            best = first
    return best


@helper
def met_before(n, left, places, firsts, data, begin, word, starts, ends):
    """The code points of n-grams met before, from left to right without overlap; marks the firsts of those it meets.

    `begin` and `word` are where the document and its words begin.
    """
    characters = after = 0
    for k in range(left):
        first = firsts[k] if firsts[k] >= 0 else k
        if places[k] < after or firsts[first] == -1:
            continue
        if firsts[first] == MET:
            characters += count_in_words(data, begin, word + places[k], word + places[k] + n, starts, ends)
            after = places[k] + n
        firsts[first] = MET
    return characters


@helper
def keep_repeated(left, places, grams, firsts):
    """Keep the places whose n-gram occurs more than once; how many there are."""
    kept = 0
    for k in range(left):  # without a branch
        places[kept], grams[kept] = places[k], grams[k]
        kept += firsts[k] != -1
    return kept


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
        counts[document, 4] += b - a >= 3 and (
            (data[b - 1] == 46 and data[b - 2] == 46 and data[b - 3] == 46)
            or (data[b - 1] == 0xA6 and data[b - 2] == 0x80 and data[b - 3] == 0xE2)
        )


@kernel
def count_lines(data, offsets, classes, flags, short, counts):
    """counts (documents, 6): code points that are not line feeds; line feeds; lines between line feeds that hold more
    than white space; of those, how many end in terminal punctuation, how many have at most `short` code points, and the
    code points of those met before."""
    most = most_feeds(data, offsets) + 1
    slots = np.zeros(1 << table_bits(most), np.int32)
    keys = np.empty(most, np.uint64)
    base = 1
    for document in range(len(offsets) - 1):
        start, b = offsets[document], offsets[document + 1]
        feeds = count_feeds(data, start, b)
        bits = table_bits(feeds + 1)
        fresh = 0
        counts[document, 1] = feeds
        while start <= b:
            i = next_byte(data, start, b, FEEDS)
            length = count_characters(data, start, i)
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
        base = next_base(slots, base, fresh)


@kernel
def count_sentences(data, offsets, spans, starts, ends, flags, sentences):
    """sentences (documents,) holds the number of lines, each a text of its own; gets that of their sentences.

    As spaCy's Sentencizer has it: behind a word that is one of the marks that end a sentence, the first word that is
    not punctuation begins another (and so does white space other than one space).
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
