"""Deduplication as anybody would write it for a corpus that fits in a loop. The tests compare the real one with it."""

from __future__ import annotations

from dataclasses import dataclass

from curation.dedup import ExactDedup, MinHashDedup
from curation.dedup.shingle import normalised, shingles


@dataclass(frozen=True)
class Document:
    """`place` is (shard, place in it); a larger `rank` is kept rather."""

    place: tuple[int, int]
    source: str
    text: str
    rank: float


Fates = dict[tuple[int, int], tuple[str, tuple[int, int], float]]
"""Place of a dropped document → (stage, place of the survivor, similarity)."""


def jaccard(left: str, right: str, ngram: int) -> float:
    a, b = shingles(left, ngram), shingles(right, ngram)
    return len(a & b) / len(a | b) if a | b else 0.0


def deduplicated(documents: list[Document], exact: ExactDedup | None, minhash: MinHashDedup | None) -> Fates:
    """The fates, if every pair that may be compared were a candidate."""
    ordered = sorted(documents, key=lambda d: (-d.rank, d.place))
    copies: Fates = {}
    if exact:
        first: dict[tuple[str, str], Document] = {}
        for document in ordered:
            scope = document.source if exact.scope == "source" else ""
            leader = first.setdefault((scope, normalised(document.text)), document)
            if leader is not document:
                copies[document.place] = (exact.name, leader.place, 1.0)
    near: Fates = {}
    if minhash:
        kept: list[Document] = []
        for document in ordered:
            if document.place in copies:
                continue
            alike = [
                (jaccard(document.text, other.text, minhash.ngram), -i)
                for i, other in enumerate(kept)
                if minhash.scope == "corpus" or other.source == document.source
            ]
            best = max(alike, default=(0.0, 0))
            if best[0] >= minhash.min_similarity:
                near[document.place] = (minhash.name, kept[-best[1]].place, best[0])
            else:
                kept.append(document)
    led = {
        place: (stage, *near[leader][1:]) if leader in near else (stage, leader, similarity)
        for place, (stage, leader, similarity) in copies.items()
    }
    return led | near
