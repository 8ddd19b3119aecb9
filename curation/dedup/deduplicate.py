"""Deduplication of a run, from the fingerprints of its shards to the documents that are dropped, top to bottom.

Each step is a map of tasks over groups of shards or over partitions; what passes between them are files of the run's
work. How the work is divided depends on the input alone, and so does the result.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from curation.dedup.bands import send_bands
from curation.dedup.bounds import Bounds
from curation.dedup.buckets import send_pairs
from curation.dedup.candidates import find_candidates
from curation.dedup.exact_dedup import ExactDedup
from curation.dedup.fates import follow, settle
from curation.dedup.index import write_index
from curation.dedup.keepers import keepers
from curation.dedup.leaders import Followers, followers
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import Group, ShardInput, addresses_of, divide
from curation.dedup.shuffle import Shuffle
from curation.dedup.verification import BINS, verify
from curation.errors import AccountingError
from curation.manifest import Part
from curation.runner.runner import Runner
from curation.work import Work


class DedupResult(BaseModel):
    """What deduplication decided. `losers` and `clusters` have an entry for each shard, in the order given: the key of
    its file (see `read_losers`, `read_clusters`), or None where it loses nothing or stands for nothing but itself."""

    model_config = ConfigDict(frozen=True)

    losers: tuple[str | None, ...]
    clusters: tuple[str | None, ...]
    kept: tuple[int, ...]
    """Documents that each shard keeps."""
    dropped: dict[str, int]
    """Documents that each stage, by name, drops."""
    candidates: int = 0
    """Different pairs of documents (with different shingle sets) that shared a bucket and were compared."""
    too_unlike: int = 0
    """Candidates whose numbers of shingles alone rule the similarity out."""
    rejected: int = 0
    """Candidates whose exact similarity is below the threshold."""
    verified: int = 0
    """Candidates at or above it."""
    similarities: tuple[int, ...] = (0,) * BINS
    """How many of the rejected and verified have a Jaccard in each of 20 equal bins from 0 to 1."""
    rounds: int = 0
    """Exchanges of fates that the keepers needed."""
    index: tuple[Part, ...] = ()
    """The files of the index, where one was asked for."""


class _Searched(BaseModel):
    """What the search for near-duplicates came to."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    fates: list[Shuffle]
    counts: dict[str, int | tuple[int, ...]]


def deduplicate(
    work: Work,
    shards: Sequence[ShardInput],
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    runner: Runner,
    index: str | None = None,
    bounds: Bounds | None = None,
) -> DedupResult:
    """Decide which documents are dropped as duplicates, and for which kept copy; with the index of the kept documents
    written to the folder `index` of the work's storage, where one is named.

    `work` is a folder of the run for this alone; done twice is the same as done once.
    """
    bounds = bounds or Bounds()
    groups = divide(shards, bounds)
    partitions = bounds.partitions(sum(shard.documents for shard in shards))
    copies = [followers(work, runner, groups, "exact", exact, [], bounds)] if exact else []
    searched = _search(work, runner, groups, minhash, copies, partitions, bounds) if minhash else None

    fates: dict[str, list[Shuffle]] = {}
    near = searched.fates if searched else []
    if exact:
        fates[exact.name] = [follow(work, runner, groups, "exact-fates", copies[0], near, partitions)]
    if minhash:
        fates[minhash.name] = near
    settled, clustered = settle(work, runner, groups, list(fates), list(fates.values()))

    losers = tuple(key for each in settled for key in each.losers)
    lost = [counts for each in settled for counts in each.lost]
    kept = tuple(shard.documents - sum(counts) for shard, counts in zip(shards, lost, strict=True))
    if any(count < 0 for count in kept):
        raise AccountingError("a shard loses more documents than it has")
    return DedupResult(
        losers=losers,
        clusters=tuple(key for each in clustered for key in each.clusters),
        kept=kept,
        dropped={name: sum(counts[number] for counts in lost) for number, name in enumerate(fates)},
        index=write_index(work, runner, groups, losers, kept, exact, minhash, index, bounds) if index else (),
        **(searched.counts if searched else {}),
    )


def _search(
    work: Work,
    runner: Runner,
    groups: Sequence[Group],
    minhash: MinHashDedup,
    copies: Sequence[Followers],
    partitions: int,
    bounds: Bounds,
) -> _Searched:
    """Find and decide near-duplicates among the documents that are no exact copies."""
    twins = followers(work, runner, groups, "twins", minhash, copies, bounds)
    bands = send_bands(work, runner, groups, minhash, [*copies, twins], bounds)
    pairs = send_pairs(work, runner, bands, minhash, bounds)
    found, requests = find_candidates(work, runner, pairs, minhash, addresses_of(groups), bounds)
    verified, edges = verify(work, runner, groups, minhash, found, requests)
    count = sum(each.sent.rows for each in verified)
    fates, rounds = keepers(work, runner, edges, count, partitions, bounds)
    twin_fates = follow(work, runner, groups, "twin-fates", twins, [fates], partitions)
    similarities = [sum(bins) for bins in zip(*(each.similarities for each in verified), strict=True)]
    return _Searched(
        fates=[fates, twin_fates],
        counts={
            "candidates": sum(each.pairs for each in found),
            "too_unlike": sum(each.too_unlike for each in found),
            "rejected": sum(similarities) - count,
            "verified": count,
            "similarities": tuple(similarities or [0] * BINS),
            "rounds": rounds,
        },
    )
