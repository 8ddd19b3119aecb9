"""Kernels of fastText's prediction, over UTF-8 bytes.

They follow fastText's own arithmetic (facebookresearch/fastText, `dictionary.cc` and `loss.cc`, commit 1142dc4): the
hash's sign extension, the end-of-line token, float32 sums, `log(p + 1e-5)`.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

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
def _buffers(offsets):
    """What `_hidden` writes its blocks to, with room for the longest of these documents."""
    longest = 0
    for d in range(offsets.size - 1):
        longest = max(longest, offsets[d + 1] - offsets[d])
    return np.empty((BLOCK, 4), np.uint64), np.empty((BLOCK, 3), np.int64), np.empty(longest + 3, np.uint8)


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
    block_words, block_places, framed = _buffers(offsets)
    for d in range(documents):
        if _hidden(data, offsets[d], offsets[d + 1], network, memory, block_words, block_places, framed, hidden) == 0:
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
    block_words, block_places, framed = _buffers(offsets)
    for d in range(documents):
        if _hidden(data, offsets[d], offsets[d + 1], network, memory, block_words, block_places, framed, hidden) == 0:
            continue
        if network.loss == HIERARCHICAL_SOFTMAX:
            logarithm = _leaf(network, hidden, label)
        else:
            _outputs(network, hidden, output)
            logarithm = _log(output[label])
        scores[d] = min(1.0, math.exp(np.float64(logarithm)))
    return scores


@nb.njit(cache=True, nogil=True)
def _hidden(data, start, stop, network, memory, block_words, block_places, framed, hidden):
    """The mean of the rows of the words, subwords and word n-grams of one line, into `hidden`; how many rows.

    One body, since numba counts references to every array that a call is given, which costs more than a token does.
    `block_words` (BLOCK, 4) uint64, `block_places` (BLOCK, 3) int64 and `framed` uint8 (as long as the longest document
    and 3 more) are space to work in.
    """
    records, sums = memory.records, memory.sums
    rows, kept, first_row, buckets = network.rows, network.bucket_rows, network.words, np.int64(network.buckets)
    bits, ranks = network.bucket_bits, network.bucket_ranks
    word_slots, word_offsets, word_data = network.word_slots, network.word_offsets, network.word_data
    min_n, max_n, dim = network.min_n, network.max_n, rows.shape[1]
    end_of_line, end_of_line_hash = network.end_of_line, network.end_of_line_hash
    chosen = memory.chosen
    per_bucket = 1.0 / buckets
    last_slot = records.shape[0] - 1  # for tokens too long to keep
    running = np.zeros(max(network.word_ngrams - 1, 0), np.uint64)  # a ring: hashes of n-grams that go on
    hidden[:] = 0
    count = words = 0
    i = start
    is_last = False
    while not is_last:
        block = 0
        while block < BLOCK:
            while i < stop and _is_blank(data[i]):
                i += 1
            begin = i
            length = TOKEN_BYTES
            first_word = second_word = third_word = fourth_word = np.uint64(0)
            if begin + 2 * LANES <= data.size:
                first_word, second_word = load_word(data, begin), load_word(data, begin + LANES)
                length = first_mark((first_word - ONES * np.uint64(BLANK + 1)) & ~first_word & MARKS)
                if length == LANES:
                    length += first_mark((second_word - ONES * np.uint64(BLANK + 1)) & ~second_word & MARKS)
                length = min(length, stop - begin)
            if length < 2 * LANES and (begin + length == stop or _is_blank(data[begin + length])):
                low, high = min(length, LANES), max(length - LANES, 0)
                first_word &= ((np.uint64(1) << np.uint64(4 * low)) << np.uint64(4 * low)) - np.uint64(1)
                second_word &= (np.uint64(1) << np.uint64(8 * high)) - np.uint64(1)
                i += length
            else:  # a long one, the last of the data, or one with control characters
                first_word = second_word = np.uint64(0)
                while i < stop and not _is_blank(data[i]):
                    place, byte = (i - begin) >> 3, np.uint64(data[i]) << np.uint64(8 * ((i - begin) & 7))
                    first_word |= byte if place == 0 else np.uint64(0)
                    second_word |= byte if place == 1 else np.uint64(0)
                    third_word |= byte if place == 2 else np.uint64(0)
                    fourth_word |= byte if place == 3 else np.uint64(0)
                    i += 1
                length = i - begin
            key = first_word * MIX_A + second_word * MIX_B + third_word * MIX_C + fourth_word * MIX_D
            key = (key ^ (key >> np.uint64(32))) * MIX_A
            slot = np.int64(key >> np.uint64(40)) & (last_slot - 1)
            if length > TOKEN_BYTES:
                slot = last_slot
            prefetch(records, slot)
            block_words[block, 0] = first_word
            block_words[block, 1] = second_word
            block_words[block, 2] = third_word
            block_words[block, 3] = fourth_word
            block_places[block, 0] = begin
            block_places[block, 1] = length
            block_places[block, 2] = slot
            block += 1
            if length == 0:
                break
        for one in range(block):
            first_word, second_word = block_words[one, 0], block_words[one, 1]
            third_word, fourth_word = block_words[one, 2], block_words[one, 3]
            begin, length, slot = block_places[one, 0], block_places[one, 1], block_places[one, 2]
            apart = (
                (records[slot, 0] ^ first_word)
                | (records[slot, 1] ^ second_word)
                | (records[slot, 2] ^ third_word)
                | (records[slot, 3] ^ fourth_word)
            )
            is_last = length == 0 or (first_word == END_OF_LINE and length == END_OF_LINE_BYTES)
            if not is_last and (apart or length > TOKEN_BYTES):
                value = HASH_START
                framed[0] = LESS
                for k in range(length):
                    framed[k + 1] = data[begin + k]
                    value = _hashed(value, data[begin + k])
                framed[length + 1] = GREATER
                for j in range(dim):
                    sums[slot, SUM + j] = 0
                added = 0
                word = np.int64(-1)
                place = _first_slot(value, word_slots.size)
                while word_slots[place] >= 0:
                    candidate = np.int64(word_slots[place])
                    offset = word_offsets[candidate]
                    if word_offsets[candidate + 1] - offset == length and _equal(
                        data, begin, word_data, offset, length
                    ):
                        word = candidate
                        break
                    place = (place + 1) & (word_slots.size - 1)
                is_label = length >= LABEL_PREFIX.size and _equal(data, begin, LABEL_PREFIX, 0, LABEL_PREFIX.size)
                is_word = word < first_row and (word >= 0 or not is_label)
                if is_word and word >= 0:
                    added = 1
                    for j in range(dim):
                        sums[slot, SUM + j] += rows[word, j]
                choices = 0
                for first in range(length + 2 if is_word else 0):  # the n-grams of "<" + token + ">"
                    if framed[first] & 0xC0 == 0x80:
                        continue
                    gram = HASH_START
                    k = first
                    for n in range(1, max_n + 1):
                        if k > length + 1:
                            break
                        gram = _hashed(gram, framed[k])
                        k += 1
                        while framed[k] & 0xC0 == 0x80 and k <= length:
                            gram = _hashed(gram, framed[k])
                            k += 1
                        if n < min_n or (n == 1 and (first == 0 or k > length + 1)):
                            continue
                        bucket = np.int64(gram)  # modulo buckets; exact for 32 bits, since it is never near an edge
                        bucket -= np.int64((np.float64(bucket) + 0.5) * per_bucket) * buckets
                        chosen[choices] = bucket  # then kept or overwritten: a branch would often be guessed wrong
                        if bits.size:
                            choices += int(bits[bucket >> 6] >> np.uint64(bucket & 63)) & 1
                        else:
                            choices += 1
                    if choices + max_n > chosen.size or first == length + 1:
                        added += choices
                        for c in range(choices):
                            row = np.int64(chosen[c])
                            if bits.size:
                                below = bits[row >> 6] & ((np.uint64(1) << np.uint64(row & 63)) - np.uint64(1))
                                row = np.int64(kept[ranks[row >> 6] + count_bits(below)])
                            row += first_row
                            for j in range(dim):
                                sums[slot, SUM + j] += rows[row, j]
                        choices = 0
                records[slot, 0] = first_word
                records[slot, 1] = second_word
                records[slot, 2] = third_word
                records[slot, 3] = fourth_word
                records[slot, FACTS] = (
                    np.uint64(value) << np.uint64(32) | np.uint64(added) << np.uint64(1) | np.uint64(is_word)
                )
            if is_last:
                slot = last_slot
                records[slot, FACTS] = np.uint64(end_of_line_hash) << np.uint64(32) | np.uint64(1)
                for j in range(dim):
                    sums[slot, SUM + j] = 0
                if end_of_line >= 0:
                    records[slot, FACTS] |= np.uint64(2)
                    for j in range(dim):
                        sums[slot, SUM + j] = rows[end_of_line, j]
            for j in range(hidden.size):
                hidden[j] += sums[slot, SUM + j]
            count += int(records[slot, FACTS] & np.uint64(0xFFFFFFFF)) >> 1
            if running.size and records[slot, FACTS] & np.uint64(1):
                signed = np.uint64(np.int64(np.int32(records[slot, FACTS] >> np.uint64(32))))
                for back in range(1, min(running.size, words) + 1):
                    place = (words - back) % running.size
                    running[place] = running[place] * WORD_NGRAM_PRIME + signed
                    row = np.int64(running[place] % np.uint64(buckets))
                    if bits.size:
                        if not bits[row >> 6] >> np.uint64(row & 63) & np.uint64(1):
                            continue
                        below = bits[row >> 6] & ((np.uint64(1) << np.uint64(row & 63)) - np.uint64(1))
                        row = np.int64(kept[ranks[row >> 6] + count_bits(below)])
                    count += 1
                    for j in range(dim):
                        hidden[j] += rows[first_row + row, j]
                running[words % running.size] = signed
                words += 1
            if is_last:
                break
    if count:
        scale = np.float32(1.0 / count)
        for j in range(dim):
            hidden[j] *= scale
    return count


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
