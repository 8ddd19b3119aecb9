"""Sentences."""

from __future__ import annotations

from curation.text.kernels import helper, kernel
from curation.text.punctuation import IS_PUNCTUATION, SENTENCE_END
from curation.text.unicode import decode


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
