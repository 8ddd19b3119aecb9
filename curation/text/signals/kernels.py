"""The counts: what words, sequences of words, paragraphs and lines are like.

Word spans are int32, in bytes from the beginning of their document: those of document d are starts[i]:ends[i] for i in
spans[d]:spans[d + 1]. Every kernel runs in time proportional to the bytes, with scratch memory in proportion to the
largest document; what repeats is found by 64-bit hashes.
"""

from __future__ import annotations

import numpy as np

from curation.text.kernels import (
    BASE,
    add_key,
    count_characters,
    count_feeds,
    find_slot,
    hash_bytes,
    helper,
    kernel,
    mix,
    most_feeds,
    next_base,
    strip,
    table_bits,
)
from curation.text.punctuation import IS_PUNCTUATION, SENTENCE_END, SYMBOL, TERMINAL
from curation.text.unicode import ALPHA, LINE_END, SPACE, decode

_BASE = np.uint64(BASE)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)


@kernel
def count_words(data, offsets, spans, starts, ends, classes, flags, wanted, wanted_offsets, counts):
    """counts (documents, 4): words that hold more than symbols, and the code points of those; words with a letter; how
    many of the wanted words occur. `wanted` and `wanted_offsets` are texts, like data and offsets."""
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
    """Make grams of n words from those of n - 1, and group them.

    The index of the first of the most frequent ones, -1 if none occurs twice.
    """
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
    """The code points of n-grams met before, from left to right without overlap; negates `times` of those it meets."""
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


@kernel
def count_symbols(data, offsets, classes, counts):
    """counts (documents, 5): "#"; "..." and "…"; lines as str.splitlines has them, those that begin with a bullet or a
    dash after white space, and those that end in "..." or "…" before white space."""
    for document in range(len(offsets) - 1):
        a, b = offsets[document], offsets[document + 1]
        i, dots, hashes, ellipses, returned = a, 0, 0, 0, False
        first, last, start = (
            np.int32(-1),
            a,
            a,
        )  # of the line: its first visible code point, the end of its last, its beginning
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
            first = np.int32(code) if visible and first < 0 else first
            last = after if visible else last
            i = after
            if kind & LINE_END:
                if code != 10 or not returned:
                    finish_line(data, start, first, last, counts, document)
                start, first = after, np.int32(-1)
            returned = code == 13
        if start < b:
            finish_line(data, start, first, last, counts, document)
        counts[document, 0], counts[document, 1] = hashes, ellipses


@helper
def finish_line(data, start, first, last, counts, document):
    counts[document, 2] += 1
    counts[document, 3] += first in (0x2022, 45)
    counts[document, 4] += last - start >= 3 and (
        (data[last - 1] == 46 and data[last - 2] == 46 and data[last - 3] == 46)
        or (data[last - 1] == 0xA6 and data[last - 2] == 0x80 and data[last - 3] == 0xE2)
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
