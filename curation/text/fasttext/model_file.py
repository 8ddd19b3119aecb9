"""A model's file, `.bin` or `.ftz`, read into arrays.

The layout is that of facebookresearch/fastText (`fasttext.cc`, `dictionary.cc`, `quantmatrix.cc`; versions 11 and 12):
plain or quantised, pruned or not, every loss.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any, NamedTuple

import numpy as np

from curation.errors import ModelError
from curation.text.fasttext import kernels
from curation.text.fasttext.model import Array, Model, Network, aligned

LABEL_PREFIX = bytes(kernels.LABEL_PREFIX).decode()
END_OF_LINE = b"</s>"
MAGIC, SUPERVISED = 793712314, 3
BEGINNING = struct.pack("<i", MAGIC)
HIERARCHICAL_SOFTMAX, LOSSES = 1, 4
CENTROIDS = 256
MOST_COUNTS = 10**14  # fastText marks what is not yet in the tree of labels with a count of 1e15
MOST_PRUNED_BUCKETS = 1 << 26
MOST_BYTES = 2 << 30
"""Of a model's file; a larger one is not to be read."""


def parse_model(data: bytes, name: str) -> Model:
    """The model in these bytes of a .bin or .ftz file; `name` stands in errors. Raises ModelError."""
    return _ModelFile(data, name).model()


class _ModelFile:
    """A model's file, read from front to back; every length is checked before it is believed."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self._position = 0

    def model(self) -> Model:
        arguments = self._arguments()
        dictionary = self._dictionary()
        rows, is_quantised = self._matrix(may_be_quantised=True)
        outputs, _ = self._matrix(may_be_quantised=is_quantised)
        self._expect(self._position == len(self._data), f"{len(self._data) - self._position} bytes follow its end")
        network = self._network(arguments, dictionary, rows, outputs)
        return Model(dictionary.labels(self._name), hashlib.sha256(self._data).hexdigest(), network)

    def _arguments(self) -> _Arguments:
        magic, version = self._numbers("ii")
        self._expect(magic == MAGIC, "not a fastText model (its first bytes are others)")
        self._expect(version in (11, 12), f"version {version} of the format, expected 11 or 12")
        dim, _, _, _, _, word_ngrams, loss, kind, buckets, min_n, max_n, _, _ = self._numbers("12id")
        self._expect(kind == SUPERVISED, "word vectors, expected a supervised model (a classifier)")
        self._expect(1 <= loss <= LOSSES, f"unknown loss {loss}")
        self._expect(1 <= dim <= 1 << 16 and buckets >= 0, f"dim {dim}, bucket {buckets}")
        max_n = 0 if version == 11 else max_n  # as fastText: old classifiers have no character n-grams
        self._expect(max(min_n, max_n, word_ngrams) <= 1 << 10, f"minn {min_n}, maxn {max_n}, wordNgrams {word_ngrams}")
        return _Arguments(dim, word_ngrams, loss, buckets, min_n, max_n)

    def _dictionary(self) -> _Dictionary:
        size, words, labels, _, pruned = self._numbers("iiiqq")
        self._expect(words >= 0 and labels >= 1 and size == words + labels, f"{size} entries: {words} + {labels}")
        self._expect(-1 <= pruned <= len(self._data) // 8, f"{pruned} buckets kept by pruning")
        entries, counts = [], []
        for number in range(size):
            entries.append(self._until_nul())
            count, kind = self._numbers("qb")
            self._expect(kind == int(number >= words), f"entry {number} of its dictionary is of type {kind}")
            counts.append(count)
        label_counts = counts[words:]
        self._expect(min(label_counts) >= 0 and sum(label_counts) < MOST_COUNTS, "a label's count is out of range")
        pairs = self._array(np.int32, 2 * max(pruned, 0)).reshape(-1, 2)
        return _Dictionary(entries, words, label_counts, pairs, is_pruned=pruned >= 0)

    def _matrix(self, *, may_be_quantised: bool) -> tuple[Array, bool]:
        (is_quantised,) = self._numbers("?")
        if is_quantised and may_be_quantised:
            return self._quantised_rows(), True
        rows, dim = self._numbers("qq")
        self._expect(rows >= 0 and dim >= 1, f"a matrix of {rows} x {dim}")
        return self._array(np.float32, rows * dim).reshape(rows, dim), False

    def _quantised_rows(self) -> Array:
        has_norms, rows, dim, size = self._numbers("?qqi")
        self._expect(rows >= 0 and dim >= 1 and size >= 0, f"a quantised matrix of {rows} x {dim}")
        codes = self._array(np.uint8, size)
        values = self._centroids(codes, rows, dim)
        if has_norms:
            values *= self._centroids(self._array(np.uint8, rows), rows, 1)
        return values

    def _centroids(self, codes: Array, rows: int, dim: int) -> Array:
        """The rows (rows, dim) that product-quantised codes stand for."""
        total, parts, width, last = self._numbers("4i")
        consistent = total == dim and parts >= 1 and width >= 1 and 1 <= last <= width
        self._expect(consistent and (parts - 1) * width + last == dim, f"a quantiser of {parts} x {width} for {dim}")
        self._expect(codes.size == rows * parts, f"{codes.size} codes for {rows} x {parts}")
        centroids = self._array(np.float32, dim * CENTROIDS)
        codes = codes.reshape(rows, parts)
        values = np.empty((rows, dim), np.float32)
        for part in range(parts):
            first = part * width
            size = last if part == parts - 1 else width
            table = centroids[first * CENTROIDS : (first + size) * CENTROIDS].reshape(CENTROIDS, size)
            values[:, first : first + size] = table[codes[:, part]]
        return values

    def _network(self, arguments: _Arguments, dictionary: _Dictionary, rows: Array, outputs: Array) -> Network:
        labels = len(dictionary.label_counts)
        has_ngrams = arguments.max_n > 0 or arguments.word_ngrams > 1
        self._expect(rows.shape[1] == outputs.shape[1] == arguments.dim, f"rows of {rows.shape[1]}, {outputs.shape[1]}")
        self._expect(outputs.shape[0] == labels, f"{outputs.shape[0]} rows of output for {labels} labels")
        self._expect(arguments.buckets > 0 or not has_ngrams, "n-grams without buckets")
        bucket_rows = self._bucket_rows(dictionary, arguments.buckets)
        needed = int(bucket_rows.max(initial=-1)) + 1 if dictionary.is_pruned else arguments.buckets * has_ngrams
        self._expect(rows.shape[0] >= dictionary.words + needed, f"{rows.shape[0]} rows, expected more")
        self._expect(bool(np.isfinite(rows).all() and np.isfinite(outputs).all()), "a weight is not a finite number")
        if dictionary.is_pruned:
            rows = rows[np.concatenate([np.arange(dictionary.words), dictionary.words + bucket_rows[bucket_rows >= 0]])]
        aligned_rows = aligned((len(rows) + 1, arguments.dim), np.float32)
        aligned_rows[:-1] = rows
        left, right = _tree(dictionary.label_counts if arguments.loss == HIERARCHICAL_SOFTMAX else [])
        word_data, word_offsets = _joined(dictionary.entries)
        end_of_line_hash = kernels.hashes_of(*_joined([END_OF_LINE]))[0]
        return Network(
            rows=aligned_rows,
            outputs=outputs,
            left=left,
            right=right,
            word_data=word_data,
            word_offsets=word_offsets,
            word_slots=kernels.slots_of(kernels.hashes_of(word_data, word_offsets)),
            kept_buckets=_kept(bucket_rows >= 0),
            end_of_line=_position(dictionary.entries[: dictionary.words], END_OF_LINE),
            end_of_line_hash=end_of_line_hash,
            words=dictionary.words,
            buckets=max(arguments.buckets, 1),
            min_n=arguments.min_n,
            max_n=arguments.max_n,
            word_ngrams=arguments.word_ngrams,
            loss=arguments.loss,
        )

    def _bucket_rows(self, dictionary: _Dictionary, buckets: int) -> Array:
        """(buckets,) int32, each one's row after those of words, -1 if pruned; (0,) where none is."""
        if not dictionary.is_pruned:
            return np.zeros(0, np.int32)
        kept, rows = dictionary.pruned.T
        self._expect(buckets <= MOST_PRUNED_BUCKETS, f"{buckets} buckets, pruned; at most {MOST_PRUNED_BUCKETS}")
        self._expect(bool((dictionary.pruned >= 0).all() and (kept < buckets).all()), "a kept bucket is out of range")
        every = np.full(max(buckets, 1), -1, np.int32)
        every[kept] = rows
        return every

    def _numbers(self, layout: str) -> tuple[Any, ...]:
        size = struct.calcsize("<" + layout)
        return struct.unpack("<" + layout, self._take(size))

    def _array(self, kind: type[np.generic], count: int) -> Array:
        return np.frombuffer(self._take(count * np.dtype(kind).itemsize), kind).copy()

    def _until_nul(self) -> bytes:
        end = self._data.find(b"\0", self._position)
        self._expect(end >= 0, "it ends within a word")
        word = self._data[self._position : end]
        self._position = end + 1
        return word

    def _take(self, size: int) -> memoryview:
        left = len(self._data) - self._position
        self._expect(size <= left, f"it ends after {len(self._data)} bytes, {size - left} too few")
        self._position += size
        return memoryview(self._data)[self._position - size : self._position]

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise ModelError(f"{self._name}: {otherwise}")


class _Arguments(NamedTuple):
    dim: int
    word_ngrams: int
    loss: int
    buckets: int
    min_n: int
    max_n: int


class _Dictionary(NamedTuple):
    entries: list[bytes]  # words, then labels
    words: int
    label_counts: list[int]
    pruned: Array  # (pruned buckets, 2) int32: bucket, row
    is_pruned: bool

    def labels(self, name: str) -> tuple[str, ...]:
        try:
            return tuple(entry.decode().removeprefix(LABEL_PREFIX) for entry in self.entries[self.words :])
        except UnicodeDecodeError as error:
            raise ModelError(f"{name}: a label is not UTF-8") from error


def _joined(words: list[bytes]) -> tuple[Array, Array]:
    """(data uint8, offsets (words + 1,) int64)"""
    offsets = np.zeros(len(words) + 1, np.int64)
    np.cumsum([len(word) for word in words], out=offsets[1:])
    return np.frombuffer(b"".join(words), np.uint8).copy(), offsets


def _kept(flags: Array) -> Array:
    """(flags / 64, 2) uint64: 64 flags, the first lowest, and how many are set before them."""
    packed = np.packbits(flags, bitorder="little")
    bits = np.pad(packed, (0, -packed.size % 8)).view(np.uint64)
    counts = np.bitwise_count(bits).astype(np.uint64)
    return np.stack([bits, np.cumsum(counts) - counts], axis=1)


def _position(words: list[bytes], word: bytes) -> int:
    return words.index(word) if word in words else -1


def _tree(counts: list[int]) -> tuple[Array, Array]:
    """(left, right) children (2 * labels - 1,) int32 of fastText's Huffman tree; counts fall from label to label."""
    labels = len(counts)
    size = max(2 * labels - 1, 0)
    left, right = np.full(size, -1, np.int32), np.full(size, -1, np.int32)
    weights = counts + [10 * MOST_COUNTS] * (size - labels)
    leaf, node = labels - 1, labels
    for parent in range(labels, size):
        children = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                children.append(leaf)
                leaf -= 1
            else:
                children.append(node)
                node += 1
        left[parent], right[parent] = children
        weights[parent] = weights[children[0]] + weights[children[1]]
    return left, right
