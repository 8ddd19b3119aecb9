"""A supervised model of fastText as arrays, and what it says of texts, without the GIL."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from curation.text.fasttext import kernels

MEMORY_BYTES = 32 << 20
MOST_CHOICES = 512
LINE_BYTES = 64

Array = np.ndarray[Any, np.dtype[Any]]


class Network(NamedTuple):
    """A model as kernels take it. Rows of `rows` are words, then the kept buckets of n-grams in their order; those of
    `outputs` are labels, or inner nodes of the tree (`left` and `right`, leaves first, -1 below a leaf)."""

    rows: Array  # (words + kept buckets + 1, dim) float32, from a cache line's beginning; the last is zeros
    outputs: Array  # (labels, dim) float32
    left: Array  # (2 * labels - 1,) int32; (0,) unless the loss is the hierarchical softmax
    right: Array
    word_data: Array  # uint8: words, then labels, as the dictionary holds them
    word_offsets: Array  # (words + labels + 1,) int64
    word_slots: Array  # table of them by hash, int32
    kept_buckets: Array  # (buckets / 64, 2) uint64: which of 64 are kept, a bit each; how many below them. (0, 2): all
    end_of_line: int  # the word that fastText sets at a line's end, -1 where the dictionary has none
    end_of_line_hash: np.uint32
    words: int
    buckets: int
    min_n: int
    max_n: int
    word_ngrams: int
    loss: int


class Memory(NamedTuple):
    """What one thread remembers of the tokens it met: each one's sum of rows. Only speed depends on it.

    A record is a token (32 bytes, zeros after its end), its facts and, from the second cache line on, its sum. The
    facts are fastText's hash (the upper 32 bits), how many rows it adds, and whether it is a word (the lowest bit).
    """

    records: Array  # (slots + 1, words) uint64; the last is for what is not kept
    sums: Array  # (slots + 1, 2 * words) float32, the same bytes
    chosen: Array  # int32, where the kernel lists a token's rows


@dataclass(frozen=True)
class Predictions:
    """The two likeliest labels of each document, best first; -1 and 0.0 where there is none."""

    labels: Array  # (documents, 2) int32, positions in the model's `labels`
    probabilities: Array  # (documents, 2) float64


@dataclass(frozen=True)
class Model:
    """A supervised model: its labels without `__label__`, and the digest of its file."""

    labels: tuple[str, ...]
    sha256: str
    network: Network
    _threads: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    def predict(self, data: Array, offsets: Array) -> Predictions:
        """What fastText's own `predict(text, k=2)` says of each document; line ends count as blanks.

        Document d is data[offsets[d]:offsets[d + 1]] in UTF-8, uint8. Runs without the GIL, safe in many threads.
        """
        return Predictions(*kernels.predict(*_own(data, offsets), self.network, self._memory()))

    def score(self, data: Array, offsets: Array, label: str) -> Array:
        """The probability of this label for each document, (documents,) float64, as `predict` would give it; 0 where
        the model knows no word of it. Raises ValueError where it has no such label."""
        scores: Array = kernels.score(*_own(data, offsets), self.labels.index(label), self.network, self._memory())
        return scores

    def _memory(self) -> Memory:
        if not hasattr(self._threads, "memory"):
            self._threads.memory = _empty_memory(self.network.rows.shape[1], self.network.max_n)
        memory: Memory = self._threads.memory
        return memory


def aligned(shape: tuple[int, int], kind: type[np.generic]) -> Array:
    """Zeros that begin where a cache line does."""
    size = np.dtype(kind).itemsize * shape[0] * shape[1]
    space = np.zeros(size + LINE_BYTES, np.uint8)
    first = -space.ctypes.data % LINE_BYTES
    return space[first : first + size].view(kind).reshape(shape)


def _own(data: Array, offsets: Array) -> tuple[Array, Array]:
    """Both as arrays that could be written, so that the kernels are compiled for one kind."""
    return data if data.flags.writeable else data.copy(), np.array(offsets, np.int64)


def _empty_memory(dim: int, max_n: int) -> Memory:
    words = LINE_BYTES // 8 * (1 + -(-4 * dim // LINE_BYTES))
    slots = 1 << max(8, (MEMORY_BYTES // (8 * words)).bit_length() - 1)
    records = aligned((slots + 1, words), np.uint64)
    return Memory(records, records.view(np.float32), np.zeros(MOST_CHOICES + max_n + 3, np.int32))
