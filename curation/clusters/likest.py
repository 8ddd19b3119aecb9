"""The kept documents that a text is a copy of, or most like: asked of the dedup index, of which only buckets are read
that the text falls into."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from curation.dedup import ExactDedup, MinHashDedup, fingerprints
from curation.dedup.bands import band_keys
from curation.dedup.fingerprint import KEY_HIGH, KEY_LOW, SHINGLES, shingle_sets, signatures_of
from curation.dedup.index import OpenIndex
from curation.dedup.stage import Uint64s
from curation.document import ID, ROW, SHARD, document_batch
from curation.manifest import Frozen
from curation.report import EXCERPT

COMPARED = 32
"""How many candidates are compared at most: those that share most bands."""
SHOWN = 5


class Alike(Frozen):
    """A kept document."""

    id: str
    source: str
    shard: str
    row: int
    similarity: float
    """Jaccard, of the sets of shingles; 1 of an exact copy."""
    is_exact: bool
    """Whether the texts are equal but for case and white space."""
    excerpt: str
    """How it begins."""


class Likest(Frozen):
    """What of the kept documents is like a text."""

    has_exact: bool
    """Whether the recipe looks for exact copies."""
    has_near: bool
    """… for near ones."""
    min_similarity: float | None
    """From which the recipe takes documents for copies; null where it does not look for near ones."""
    candidates: int
    """How many kept documents share a band with it, or are an exact copy."""
    compared: int
    """How many of them were compared."""
    nearest: tuple[Alike, ...]
    """The most similar of these first."""


def likest(index: OpenIndex, exact: ExactDedup | None, minhash: MinHashDedup | None, text: str, source: str) -> Likest:
    """The kept documents nearest to a text as a document of this source, within the scope of the stages. Documents
    below the similarity that bands find with some chance are mostly not seen."""
    exact = exact and exact.model_copy(update=_NO_POLICY)
    minhash = minhash and minhash.model_copy(update=_NO_POLICY)
    prints = fingerprints(document_batch([text], source=source, shard=""), exact, minhash)
    copies = _exact_copies(index, exact, prints, source) if exact else _NONE
    shared: dict[int, int] = {}
    if minhash and prints[SHINGLES][0].as_py():
        keys = band_keys(signatures_of(prints), minhash, minhash.salt(source)).ravel()
        docs, counts = np.unique(index.hits("bands", np.unique(keys)).docs, return_counts=True)
        shared = dict(zip(docs.tolist(), counts.tolist(), strict=True))
    order = sorted(shared, key=lambda doc: (-shared[doc], doc))
    chosen = list(dict.fromkeys([*copies.tolist(), *order]))[:COMPARED]
    found = _compared(index, minhash, text, np.array(sorted(chosen), np.uint64), set(copies.tolist()))
    return Likest(
        has_exact=exact is not None,
        has_near=minhash is not None,
        min_similarity=minhash.min_similarity if minhash else None,
        candidates=len(shared.keys() | set(copies.tolist())),
        compared=len(chosen),
        nearest=tuple(sorted(found, key=lambda each: (not each.is_exact, -each.similarity, each.id))[:SHOWN]),
    )


_NO_POLICY: dict[str, Any] = {"keep": "longest", "quality": None}
"""A keep policy that needs no other stage's values; no key depends on it."""
_NONE = np.zeros(0, np.uint64)


def _exact_copies(index: OpenIndex, exact: ExactDedup, prints: pa.RecordBatch, source: str) -> Uint64s:
    high = prints[KEY_HIGH].to_numpy() ^ np.uint64(exact.salt(source))
    hits = index.hits("exact", high)
    return np.asarray(hits.docs[hits.low == prints[KEY_LOW][0].as_py()])


def _compared(
    index: OpenIndex, minhash: MinHashDedup | None, text: str, docs: Uint64s, copies: set[int]
) -> list[Alike]:
    """Of these kept documents (different, ascending) how like the text each is."""
    if not docs.size:
        return []
    names, sources = index.names(docs).to_pylist(), index.sources(docs)
    texts: dict[int, str] = {}
    for mine, column in index.texts(docs):
        texts |= zip(mine.tolist(), column.to_pylist(), strict=True)
    found = []
    for doc, name, of_source in zip(docs.tolist(), names, sources, strict=True):
        similarity = 1.0 if doc in copies or minhash is None else jaccard(text, texts[doc], minhash.ngram)
        found.append(
            Alike(
                id=name[ID],
                source=of_source,
                shard=name[SHARD],
                row=name[ROW],
                similarity=similarity,
                is_exact=doc in copies,
                excerpt=texts[doc][:EXCERPT],
            )
        )
    return found


def jaccard(one: str, other: str, ngram: int) -> float:
    """The similarity of two texts' sets of shingles, 0 to 1; 0 where one has no words."""
    a, b = shingle_sets(pa.array([one, other], pa.large_string()), ngram)
    shared = np.intersect1d(a, b, assume_unique=True).size
    return float(shared / (a.size + b.size - shared)) if a.size and b.size else 0.0
