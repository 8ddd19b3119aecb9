"""The open cluster of an entry in a document, and how it grows; what is known of it stands in a row of `state`."""

from __future__ import annotations

from curation.text.kernels import helper

# The document (from 1) where the entry was seen last, and of its open cluster there the word of the document and the
# place in the item behind it, those where it begins, how many words, and the longest run of them.
SEEN, STOP, PLACE, BEGIN, FROM, MATCHED, RUN = range(7)
STATES = 7


@helper
def run_length(words, j, index, entry, place):
    """How many words from words[j] on are those of the entry from this place on."""
    base, stop = index.ends[entry], index.ends[entry + 1]
    a, b = j, base + place
    while a < len(words) and b < stop and words[a] == index.words[b]:
        a += 1
        b += 1
    return a - j


@helper
def begin_cluster(words, j, length, misses, index, state, weights, entry, place):
    """Open the cluster of an entry with the run of words at j; with `misses` it goes on to the left, over so many words
    that differ, as long as two in a row are equal again."""
    base = index.ends[entry]
    a, total, longest = place, length, length
    while a > 0 and j - (place - a) > 0 and words[j - (place - a) - 1] == index.words[base + a - 1]:
        a -= 1
        total += 1
        longest += 1
    weight = index.weights[base + place + length] - index.weights[base + a]
    first, missed = a, 0
    while a > 1 and j - (place - a) > 1 and missed < misses:
        b = base + a - 1
        k = j - (place - a) - 1
        if words[k] == index.words[b] and words[k - 1] == index.words[b - 1]:
            while a > 0 and j - (place - a) > 0 and words[j - (place - a) - 1] == index.words[base + a - 1]:
                a -= 1
                total += 1
                weight += index.weights[base + a + 1] - index.weights[base + a]
            first, missed = a, 0
        else:
            a -= 1
            missed += 1
    state[entry, BEGIN], state[entry, FROM] = j - (place - first), first
    state[entry, STOP], state[entry, PLACE] = j + length, place + length
    state[entry, MATCHED], state[entry, RUN] = total, longest
    weights[entry] = weight
    expand(words, misses, index, state, weights, entry)


@helper
def extend_cluster(words, j, length, misses, index, state, weights, entry, place):
    """Go on with the open cluster at the run of words at j, whose place in the item is not before the cluster's end."""
    base = index.ends[entry]
    first, stop = place, state[entry, STOP]
    while (
        first > state[entry, PLACE]
        and j - (place - first) > stop
        and words[j - (place - first) - 1] == index.words[base + first - 1]
    ):
        first -= 1
    run = place + length - first
    state[entry, MATCHED] += run
    state[entry, RUN] = max(state[entry, RUN], run)
    weights[entry] += index.weights[base + place + length] - index.weights[base + first]
    state[entry, STOP], state[entry, PLACE] = j + length, place + length
    expand(words, misses, index, state, weights, entry)


@helper
def expand(words, misses, index, state, weights, entry):
    """Go on to the right of the open cluster, over at most `misses` words that differ, as long as two in a row are
    equal again."""
    base, stop = index.ends[entry], index.ends[entry + 1]
    a, b, missed = state[entry, STOP], base + state[entry, PLACE], 0
    while missed < misses and a + 1 < len(words) and b + 1 < stop:
        if words[a] == index.words[b] and words[a + 1] == index.words[b + 1]:
            run = run_length(words, a, index, entry, b - base)
            state[entry, MATCHED] += run
            state[entry, RUN] = max(state[entry, RUN], run)
            weights[entry] += index.weights[b + run] - index.weights[b]
            a += run
            b += run
            state[entry, STOP], state[entry, PLACE], missed = a, b - base, 0
        else:
            a += 1
            b += 1
            missed += 1
