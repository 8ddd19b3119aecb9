"""Kernels of fastText's prediction, over UTF-8 bytes.

They follow fastText's own arithmetic (facebookresearch/fastText, `dictionary.cc` and `loss.cc`, commit 1142dc4): the
hash's sign extension, the end-of-line token, float32 sums, `log(p + 1e-5)`.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from curation.text.kernels import helper, inlined
from curation.text.lanes import LANES, MARKS, ONES, count_bits, first_mark, load_word, prefetch

BLANK = 0x20
HASH_START, HASH_PRIME = np.uint32(2166136261), np.uint32(16777619)  # FNV-1a, 32 bits
WORD_NGRAM_PRIME = np.uint64(116049371)
SLOT_PRIME = np.uint64(2654435769)
HIERARCHICAL_SOFTMAX, SOFTMAX = 1, 3
LEAST_SCORE = np.float32(math.log(1e-5))  # a probability of 0, as fastText takes logarithms; its tree stops there
END_OF_LINE, END_OF_LINE_BYTES = np.uint64(int.from_bytes(b"</s>", "little")), 4
LESS, GREATER = np.uint8(ord("<")), np.uint8(ord(">"))
LABEL_PREFIX = np.frombuffer(b"__label__", np.uint8)
TOKEN_BYTES = 32  # the longest token that a memory keeps: four words of eight bytes
FACTS, SUM = 4, 16  # where a memory's record has its facts (uint64) and its sum (float32)
END = 1 << 40  # what stands for the length of the end of a line
BLOCK = 32  # tokens whose records are asked for before the first of them is read
MIX_A, MIX_B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)  # odd numbers, as in xxHash
MIX_C, MIX_D = np.uint64(0x165667B19E3779F9), np.uint64(0x85EBCA77C2B2AE63)


@nb.njit(cache=True, nogil=True)
def slots_of(keys):
    """An open-addressing table (a power of two,) int32 of the positions in `keys` (uint32), -1 where empty."""
    size = 2
    while size < 2 * keys.size:
        size *= 2
    table = np.full(size, -1, np.int32)
    for position in range(keys.size):
        slot = _first_slot(keys[position], size)
        while table[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        table[slot] = position
    return table


@nb.njit(cache=True, nogil=True)
def hashes_of(data, offsets):
    """fastText's hash of each word, (words,) uint32."""
    hashes = np.empty(offsets.size - 1, np.uint32)
    for word in range(hashes.size):
        value = HASH_START
        for i in range(offsets[word], offsets[word + 1]):
            value = _hashed(value, data[i])
        hashes[word] = value
    return hashes


@nb.njit(cache=True, nogil=True)
def _space(offsets, network):
    """What `_hidden` works in, with room for the longest of these documents: the bytes of a block's tokens (BLOCK, 4)
    uint64; where each begins, its length and its slot (BLOCK, 3) int64; a token between `<` and `>`, uint8; a ring of
    the hashes of word n-grams that go on (word_ngrams - 1,) uint64."""
    longest = 0
    for d in range(offsets.size - 1):
        longest = max(longest, offsets[d + 1] - offsets[d])
    ring = np.zeros(max(network.word_ngrams - 1, 0), np.uint64)
    return np.empty((BLOCK, 4), np.uint64), np.empty((BLOCK, 3), np.int64), np.empty(longest + 3, np.uint8), ring


@nb.njit(cache=True, nogil=True)
def predict(data, offsets, network, memory):
    """(labels (documents, 2) int32, probabilities (documents, 2) float64): the two likeliest, best first.

    -1 and 0 where there is none: no word that the model knows, or no second label that is at all likely. `network` and
    `memory` are the Network and Memory of `curation.text.fasttext`; a memory serves one thread, and never changes
    the result.
    """
    documents = offsets.size - 1
    labels = np.full((documents, 2), -1, np.int32)
    probabilities = np.zeros((documents, 2), np.float64)
    hidden = np.empty(network.rows.shape[1], np.float32)
    output = np.empty(network.outputs.shape[0] + 1, np.float32)
    stack = np.empty(network.left.size + 2, np.int32)
    scores = np.empty(network.left.size + 2, np.float32)
    space = _space(offsets, network)
    for d in range(documents):
        if _hidden(data, offsets[d], offsets[d + 1], network, memory, space, hidden) == 0:
            continue
        best = (np.float32(-np.inf), np.float32(-np.inf), np.int64(-1), np.int64(-1))
        if network.loss == HIERARCHICAL_SOFTMAX:
            best = _search_tree(network, hidden, stack, scores, best)
        else:
            _outputs(network, hidden, output)
            for label in range(network.outputs.shape[0]):
                best = _better(best, _log(output[label]), np.int64(label))
        labels[d, 0], labels[d, 1] = best[2], best[3]
        probabilities[d, 0] = min(1.0, math.exp(np.float64(best[0])))
        probabilities[d, 1] = min(1.0, math.exp(np.float64(best[1])))
    return labels, probabilities


@nb.njit(cache=True, nogil=True)
def score(data, offsets, label, network, memory):
    """(documents,) float64: the probability of one label, as `predict` gives it; 0 without a word that is known."""
    documents = offsets.size - 1
    scores = np.zeros(documents, np.float64)
    hidden = np.empty(network.rows.shape[1], np.float32)
    output = np.empty(network.outputs.shape[0] + 1, np.float32)
    space = _space(offsets, network)
    for d in range(documents):
        if _hidden(data, offsets[d], offsets[d + 1], network, memory, space, hidden) == 0:
            continue
        if network.loss == HIERARCHICAL_SOFTMAX:
            logarithm = _leaf(network, hidden, label)
        else:
            _outputs(network, hidden, output)
            logarithm = _log(output[label])
        scores[d] = min(1.0, math.exp(np.float64(logarithm)))
    return scores


@helper
def _hidden(data, start, stop, network, memory, space, hidden):
    """The mean of the rows of the words, subwords and word n-grams of one line, into `hidden`; how many rows."""
    block_words, block_places, framed, ring = space
    records, sums = memory.records, memory.sums
    hidden[:] = 0
    count = words = 0
    i, is_last = start, False
    while not is_last:
        tokens, i, is_last = _read_block(data, i, stop, records, block_words, block_places)
        for one in range(tokens):
            length, slot = block_places[one, 1], block_places[one, 2]
            if length > TOKEN_BYTES or not _is_remembered(records, slot, block_words, one):
                if length == END:
                    _remember_end(network, records, sums, slot)
                else:
                    _remember(one, tokens, data, network, memory, block_words, block_places, framed)
            facts = records[slot, FACTS]
            count += int(facts & np.uint64(0xFFFFFFFF)) >> 1
            for j in range(hidden.size):
                hidden[j] += sums[slot, SUM + j]
            if ring.size and facts & np.uint64(1):
                count += _add_word_ngrams(np.int32(facts >> np.uint64(32)), words, network, ring, hidden)
                words += 1
    if count:
        scale = np.float32(1.0 / count)
        for j in range(hidden.size):
            hidden[j] *= scale
    return count


@inlined
def _read_block(data, i, stop, records, block_words, block_places):
    """(how many tokens, where they end, whether the line ends there): the next tokens from i on, the end of the line
    the last of them, with the length END.

    Each one's bytes go to `block_words`; where it begins, its length and its slot to `block_places`. Their records are
    asked for, so that they are at hand when they are read.
    """
    last_slot = records.shape[0] - 1  # for tokens too long to keep
    for one in range(BLOCK):
        while i < stop and _is_blank(data[i]):
            i += 1
        begin = i
        length, first, second, third, fourth = -1, np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
        if begin + 2 * LANES <= data.size:
            first, second = load_word(data, begin), load_word(data, begin + LANES)
            length = min(_first_blank(first, second), stop - begin)
            if length == 2 * LANES or not (begin + length == stop or _is_blank(data[begin + length])):
                length = -1
            first, second = _first_bytes(first, second, length)
            i += length
        if length < 0:  # a long one, the last of the data, or one with control characters
            i = begin
            while i < stop and not _is_blank(data[i]):
                part, byte = (i - begin) >> 3, np.uint64(data[i]) << np.uint64(8 * ((i - begin) & 7))
                first |= byte if part == 0 else np.uint64(0)
                second |= byte if part == 1 else np.uint64(0)
                third |= byte if part == 2 else np.uint64(0)
                fourth |= byte if part == 3 else np.uint64(0)
                i += 1
            length = i - begin
        if length == 0 or (first == END_OF_LINE and length == END_OF_LINE_BYTES):
            block_places[one, 1], block_places[one, 2] = END, last_slot
            return one + 1, i, True
        key = first * MIX_A + second * MIX_B + third * MIX_C + fourth * MIX_D
        key = (key ^ (key >> np.uint64(32))) * MIX_A
        slot = np.int64(key >> np.uint64(40)) & (last_slot - 1)
        if length > TOKEN_BYTES:
            slot = last_slot
        prefetch(records, slot)
        block_words[one, 0], block_words[one, 1] = first, second
        block_words[one, 2], block_words[one, 3] = third, fourth
        block_places[one, 0], block_places[one, 1], block_places[one, 2] = begin, length, slot
    return BLOCK, i, False


@nb.njit(cache=True, nogil=True, inline="always")
def _first_blank(first, second):
    """The byte, 0 to 15, of sixteen that is the first blank or control character; 16 where there is none."""
    length = first_mark((first - ONES * np.uint64(BLANK + 1)) & ~first & MARKS)
    if length == LANES:
        length += first_mark((second - ONES * np.uint64(BLANK + 1)) & ~second & MARKS)
    return length


@nb.njit(cache=True, nogil=True, inline="always")
def _first_bytes(first, second, length):
    """The first bytes of sixteen, zeros behind them; none for a negative length."""
    low, high = min(max(length, 0), LANES), max(length - LANES, 0)
    first &= ((np.uint64(1) << np.uint64(4 * low)) << np.uint64(4 * low)) - np.uint64(1)
    second &= (np.uint64(1) << np.uint64(8 * high)) - np.uint64(1)
    return first, second


@inlined
def _is_remembered(records, slot, block_words, one):
    apart = (
        (records[slot, 0] ^ block_words[one, 0])
        | (records[slot, 1] ^ block_words[one, 1])
        | (records[slot, 2] ^ block_words[one, 2])
        | (records[slot, 3] ^ block_words[one, 3])
    )
    return apart == 0


@inlined
def _add_word_ngrams(value, words, network, ring, hidden):
    """Adds to `hidden` the rows of the n-grams that end with a word of this hash, before which `words` stood; how
    many."""
    signed = np.uint64(np.int64(value))
    added = 0
    for back in range(1, min(ring.size, words) + 1):
        place = (words - back) % ring.size
        ring[place] = ring[place] * WORD_NGRAM_PRIME + signed
        bucket = np.int64(ring[place] % np.uint64(network.buckets))
        is_kept, row = _kept_row(network, bucket)
        if is_kept:
            added += 1
            for j in range(hidden.size):
                hidden[j] += network.rows[row, j]
    ring[words % ring.size] = signed
    return added


@helper
def _remember_end(network, records, sums, slot):
    """The record of the end of a line, to this slot."""
    has_row = network.end_of_line >= 0
    records[slot, FACTS] = np.uint64(network.end_of_line_hash) << np.uint64(32) | np.uint64(2 * has_row + 1)
    for j in range(network.rows.shape[1]):
        sums[slot, SUM + j] = network.rows[network.end_of_line, j] if has_row else np.float32(0)


@helper
def _remember(first, end, data, network, memory, block_words, block_places, framed):
    """Makes the records of those tokens of a block, from the first to before `end`, that have none. Of several that
    share a slot the first is remembered."""
    records, sums, dim = memory.records, memory.sums, network.rows.shape[1]
    for one in range(end - 1, first - 1, -1):
        begin, length, slot = block_places[one, 0], block_places[one, 1], block_places[one, 2]
        if one > first and (length > TOKEN_BYTES or _is_remembered(records, slot, block_words, one)):
            continue  # those that are too long share a slot
        value = _frame(data, begin, length, framed)
        word = _find_word(framed, length, value, network)
        is_label = length >= LABEL_PREFIX.size and _equal(framed, 1, LABEL_PREFIX, 0, LABEL_PREFIX.size)
        is_word = word < network.words and (word >= 0 or not is_label)
        added = int(is_word and word >= 0)
        for j in range(dim):
            sums[slot, SUM + j] = network.rows[word, j] if added else np.float32(0)
        if is_word:
            added += _add_characters(framed, length + 2, network, memory, slot)
        for part in range(FACTS):
            records[slot, part] = block_words[one, part]
        records[slot, FACTS] = np.uint64(value) << np.uint64(32) | np.uint64(added) << np.uint64(1) | np.uint64(is_word)


@inlined
def _frame(data, begin, length, framed):
    """Puts a token between `<` and `>`; its hash."""
    value = HASH_START
    framed[0] = LESS
    for k in range(length):
        framed[k + 1] = data[begin + k]
        value = _hashed(value, data[begin + k])
    framed[length + 1] = GREATER
    return value


@inlined
def _find_word(framed, length, value, network):
    """The entry of the dictionary that is framed[1:length + 1], whose hash is `value`; -1 where there is none."""
    slots, offsets = network.word_slots, network.word_offsets
    place = _first_slot(value, slots.size)
    while slots[place] >= 0:
        word = np.int64(slots[place])
        begin, end = offsets[word], offsets[word + 1]
        if end - begin == length and _equal(framed, 1, network.word_data, begin, length):
            return word
        place = (place + 1) & (slots.size - 1)
    return np.int64(-1)


@inlined
def _add_characters(framed, size, network, memory, slot):
    """Adds the rows of the n-grams of characters of framed[:size] to the sum of this slot; how many."""
    chosen = memory.chosen
    added = choices = 0
    for first in range(size):
        if framed[first] & 0xC0 != 0x80:
            choices = _choose(framed, first, size, network, chosen, choices)
        if choices + network.max_n > chosen.size - 3 or first == size - 1:
            choices = _choose_rows(network, chosen, choices)
            _add_rows(network.rows, chosen, choices, memory.sums, slot)
            added += choices
            choices = 0
    return added


@inlined
def _choose(framed, first, size, network, chosen, choices):
    """Puts the buckets of the n-grams that begin at `first` behind those that are chosen; how many there are then."""
    min_n, buckets, per_bucket = network.min_n, np.int64(network.buckets), 1.0 / network.buckets
    gram = HASH_START
    k = first
    for n in range(1, network.max_n + 1):
        if k == size:
            break
        gram = _hashed(gram, framed[k])
        k += 1
        while framed[k] & 0xC0 == 0x80 and k < size - 1:
            gram = _hashed(gram, framed[k])
            k += 1
        if n < min_n or (n == 1 and (first == 0 or k == size)):
            continue
        bucket = np.int64(gram)  # modulo buckets; exact for 32 bits, since it is never near an edge
        bucket -= np.int64((np.float64(bucket) + 0.5) * per_bucket) * buckets
        chosen[choices] = bucket
        choices += 1
    return choices


@inlined
def _choose_rows(network, chosen, size):
    """Puts the rows of those of the chosen buckets that are kept in front; how many. A loop of its own, so short that
    the processor waits for many loads at a time."""
    choices = 0
    for c in range(size):
        is_kept, chosen[choices] = _kept_row(network, np.int64(chosen[c]))
        choices += is_kept  # without a branch, which would often be guessed wrong
    return choices


@inlined
def _add_rows(rows, chosen, size, sums, slot):
    """Adds the chosen rows one after the other, four in a turn: a sum that was just written is long in coming back.

    The last turn is filled up with the last row, which is all zeros; `chosen` has room for that.
    """
    for c in range(size, size + 3):
        chosen[c] = rows.shape[0] - 1
    for c in range(0, size, 4):
        row_a, row_b, row_c, row_d = chosen[c], chosen[c + 1], chosen[c + 2], chosen[c + 3]
        for j in range(rows.shape[1]):
            two = (sums[slot, SUM + j] + rows[row_a, j]) + rows[row_b, j]
            sums[slot, SUM + j] = (two + rows[row_c, j]) + rows[row_d, j]


@inlined
def _kept_row(network, bucket):
    """(1 where pruning has left this bucket of n-grams its row, else 0; that row)"""
    kept = network.kept_buckets
    if kept.size == 0:
        return 1, network.words + bucket
    bits, bit = kept[bucket >> 6, 0], np.uint64(bucket & 63)
    below = count_bits(bits & ((np.uint64(1) << bit) - np.uint64(1)))
    return np.int64(bits >> bit) & 1, network.words + np.int64(kept[bucket >> 6, 1]) + below


@nb.njit(cache=True, nogil=True)
def _search_tree(network, hidden, stack, scores, best):
    """The two likeliest leaves of the tree, branches that cannot reach them left out."""
    leaves = network.left.size // 2 + 1
    stack[0] = network.left.size - 1
    scores[0] = 0
    depth = 1
    while depth:
        depth -= 1
        node, score = stack[depth], scores[depth]
        if score < best[1] or score < LEAST_SCORE:
            continue
        if network.left[node] < 0:
            best = _better(best, score, np.int64(node))
            continue
        f = _dot(network.outputs, node - leaves, hidden)
        f = np.float32(1.0 / np.float64(np.float32(1) + np.exp(-f)))
        stack[depth] = network.right[node]
        scores[depth] = score + _log(f)
        stack[depth + 1] = network.left[node]
        scores[depth + 1] = score + _log(np.float32(1.0 - np.float64(f)))
        depth += 2
    return best


@nb.njit(cache=True, nogil=True)
def _leaf(network, hidden, label):
    """The logarithm of a leaf's probability: the sum over the branches above it."""
    leaves = network.left.size // 2 + 1
    node, total = label, np.float32(0)
    for parent in range(leaves, network.left.size):  # children stand before their parents
        if network.left[parent] != node and network.right[parent] != node:
            continue
        f = _dot(network.outputs, parent - leaves, hidden)
        f = np.float32(1.0 / np.float64(np.float32(1) + np.exp(-f)))
        total += _log(f) if network.right[parent] == node else _log(np.float32(1.0 - np.float64(f)))
        node = parent
    return total


@nb.njit(cache=True, nogil=True)
def _outputs(network, hidden, output):
    """Each label's probability into `output`: softmax, or each by itself (fastText's table of the sigmoid)."""
    labels = network.outputs.shape[0]
    for label in range(labels):
        output[label] = _dot(network.outputs, label, hidden)
    if network.loss == SOFTMAX:
        highest = output[0]
        for label in range(labels):
            highest = max(highest, output[label])
        total = np.float32(0)
        for label in range(labels):
            output[label] = np.exp(output[label] - highest)
            total += output[label]
        for label in range(labels):
            output[label] /= total
        return
    for label in range(labels):
        x = output[label]
        if x < -8:
            output[label] = 0
        elif x > 8:
            output[label] = 1
        else:
            step = np.int64((x + np.float32(8)) * np.float32(512) / np.float32(8) / np.float32(2))
            output[label] = 1.0 / (1.0 + math.exp(8.0 - np.float64(step) / 32.0))


@nb.njit(cache=True, nogil=True, inline="always")
def _better(best, score, label):
    """The two best of three: (score, second score, label, second label); of equals the later, as fastText's heap."""
    if score >= best[0]:
        return score, best[0], label, best[2]
    if score >= best[1]:
        return best[0], score, best[2], label
    return best


@nb.njit(cache=True, nogil=True, inline="always")
def _log(p):
    return np.float32(math.log(np.float64(p) + 1e-5))


@nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dot(rows, row, vector):
    total = np.float32(0)
    for j in range(vector.size):
        total += rows[row, j] * vector[j]
    return total


@nb.njit(cache=True, nogil=True, inline="always")
def _hashed(value, byte):
    """One step of FNV-1a; fastText takes the byte as signed, so bytes from 0x80 on flip the upper 24 bits too."""
    return np.uint32((value ^ np.uint32(np.int8(byte))) * HASH_PRIME)


@nb.njit(cache=True, nogil=True, inline="always")
def _is_blank(byte):
    """Where fastText ends a word: space, \\n, \\r, \\t, \\v, \\f, \\0."""
    return byte == BLANK or 9 <= byte <= 13 or byte == 0


@nb.njit(cache=True, nogil=True, inline="always")
def _equal(a, a_begin, b, b_begin, length):
    for i in range(length):  # noqa: SIM110 (numba compiles no generator)
        if a[a_begin + i] != b[b_begin + i]:
            return False
    return True


@nb.njit(cache=True, nogil=True, inline="always")
def _first_slot(key, size):
    return np.int64((np.uint64(key) * SLOT_PRIME) >> np.uint64(15)) & (size - 1)
