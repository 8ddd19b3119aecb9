"""How much of an item's answer and passage stands around a match of its question."""

from __future__ import annotations

from curation.text.kernels import helper

NEAR = 50  # words behind a question in which an answer of at most SHORT words is looked for
SHORT = 3
WINDOW = 100  # words around a question in which longer answers (or twice their length) and passages are looked for


@helper
def near_share(words, first, last, index, begin, stop, size):
    """The share, by weight, of the parts' words [begin:stop] that stand in words[first:last] in a run of `size`."""
    covered, total, place = 0.0, index.part_weights[stop] - index.part_weights[begin], begin
    while place + size <= stop:
        longest = 0
        for a in range(first, last - size + 1):
            run = 0
            while a + run < last and place + run < stop and words[a + run] == index.part_words[place + run]:
                run += 1
            longest = max(longest, run)
        if longest >= size:
            covered += index.part_weights[place + longest] - index.part_weights[place]
            place += longest
        else:
            place += 1
    return covered / total if total > 0 else 0.0


@helper
def measure_parts(words, begin, stop, index, entry):
    """(share of the answer, share of the passage) around words[begin:stop]; -1 for a part that the entry has not."""
    answer, passage = -1.0, -1.0
    a, b = index.part_ends[2 * entry], index.part_ends[2 * entry + 1]
    if b > a:
        window = NEAR if b - a <= SHORT else max(WINDOW, 2 * (b - a))
        answer = near_share(words, stop, min(len(words), stop + window), index, a, b, min(SHORT, b - a))
    a, b = b, index.part_ends[2 * entry + 2]
    if b > a:
        window = max(WINDOW, b - a)
        passage = near_share(
            words, max(0, begin - window), min(len(words), stop + window), index, a, min(b, a + WINDOW), min(4, b - a)
        )
    return answer, passage
