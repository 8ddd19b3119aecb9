"""Deduplication as anybody would write it for a corpus that fits in a loop. The tests compare the real one with it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from curation.dedup import ExactDedup, MinHashDedup
from curation.dedup.shingle import normalised, shingles

Place = tuple[int, int]


@dataclass(frozen=True)
class Document:
    """`place` is (shard, place in it); a larger `rank` is kept rather."""

    place: Place
    source: str
    text: str
    rank: float


Fates = dict[Place, tuple[str, Place, float]]
"""Place of a dropped document → (stage, place of the survivor, similarity)."""


def jaccard(left: str, right: str, ngram: int) -> float:
    a, b = shingles(left, ngram), shingles(right, ngram)
    return len(a & b) / len(a | b) if a | b else 0.0


def keep_order(document: Document) -> tuple[float, Place]:
    """What sorts the best first."""
    return (-document.rank, document.place)


def deduplicated(
    documents: Sequence[Document],
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    known: Sequence[Document] = (),
    replaces: bool = False,
) -> Fates:
    """The fates, if every pair that may be compared were a candidate; of the known documents only where a new copy
    `replaces` them. Known documents are not compared with each other."""
    standing = {document.place for document in known}
    if replaces:
        ordered = sorted([*known, *documents], key=keep_order)
    else:
        ordered = [*sorted(known, key=keep_order), *sorted(documents, key=keep_order)]

    copies: dict[Place, Place] = {}
    if exact:
        copies |= _followers(ordered, standing, lambda text: normalised(text), exact.scope)
    twins: dict[Place, Place] = {}
    near: Fates = {}
    if minhash:
        ngram = minhash.ngram
        leaders = [document for document in ordered if document.place not in copies]
        twins = _followers(leaders, standing, lambda text: frozenset(shingles(text, ngram)), minhash.scope)
        near = _near([document for document in leaders if document.place not in twins], standing, minhash)
        near |= {place: (minhash.name, *_fate(leader, near)) for place, leader in twins.items()}
    return near | {place: (exact.name if exact else "", *_fate(leader, near)) for place, leader in copies.items()}


def _fate(leader: Place, near: Fates) -> tuple[Place, float]:
    return near[leader][1:] if leader in near else (leader, 1.0)


def _followers(
    ordered: Sequence[Document], standing: set[Place], key: Callable[[str], Hashable], scope: str
) -> dict[Place, Place]:
    """Follower → leader, the first with its key; a document without any (an empty set of shingles) has none."""
    first: dict[tuple[str, Hashable], Document] = {}
    followers = {}
    for document in ordered:
        value = key(document.text)
        if value == frozenset():
            continue
        leader = first.setdefault((document.source if scope == "source" else "", value), document)
        if leader is not document and not {document.place, leader.place} <= standing:
            followers[document.place] = leader.place
    return followers


def _near(ordered: Sequence[Document], standing: set[Place], minhash: MinHashDedup) -> Fates:
    """The fates of documents, given in the order in which they are decided."""
    fates: Fates = {}
    kept: list[Document] = []
    for document in ordered:
        alike = [
            (-jaccard(document.text, other.text, minhash.ngram), keep_order(other))
            for other in kept
            if (minhash.scope == "corpus" or other.source == document.source)
            and not {document.place, other.place} <= standing
        ]
        similarity, (_, survivor) = min(alike, default=(0.0, (0.0, (0, 0))))
        if -similarity >= minhash.min_similarity:
            fates[document.place] = (minhash.name, survivor, -similarity)
        else:
            kept.append(document)
    return fates
