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
from curation.dedup.fates import settle
from curation.dedup.following import follow
from curation.dedup.keepers import keepers
from curation.dedup.known import Known
from curation.dedup.leaders import Followers, followers
from curation.dedup.meeting import BetterCopies, Meeting, addresses_with_known
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import Addresses, Group, ShardInput, divide
from curation.dedup.shuffle import Shuffle
from curation.dedup.verification import BINS, verify
from curation.errors import AccountingError
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
    """Documents that each stage, by name, drops; known ones, which `replaced` lists, not counted."""
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
    replaced: str | None = None
    """The key of the known documents that are dropped now (see `read_replaced`), None where none is."""
    grown: str | None = None
    """The key of the known documents that stand for more now (see `read_grown`), None where none does."""


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
    bounds: Bounds | None = None,
    known: Known | None = None,
    better_copies: BetterCopies = "stay",
) -> DedupResult:
    """Decide which documents are dropped as duplicates, and for which kept copy.

    With `known`, new documents are compared with those too. What is known stays kept, or, with `better_copies` of
    `replace`, is dropped for a new copy that the stage's `keep` prefers.

    `work` is a folder of the run for this alone; done twice is the same as done once. Raises ValueError unless the
    numbers of the shards ascend from `known.pieces`, or from 0.
    """
    bounds = bounds or Bounds()
    groups = divide(shards, bounds)
    if known and shards and shards[0].number < known.pieces:
        raise ValueError(f"new shards begin at number {shards[0].number}, expected at least {known.pieces}")
    meeting = Meeting(known, better_copies) if known else None
    addresses = addresses_with_known(groups, meeting)
    partitions = bounds.partitions(sum(shard.documents for shard in shards))
    copies = [followers(work, runner, groups, "exact", exact, [], bounds, meeting)] if exact else []
    searched = (
        _search(work, runner, groups, addresses, minhash, copies, partitions, bounds, meeting) if minhash else None
    )

    fates: dict[str, list[Shuffle]] = {}
    near = searched.fates if searched else []
    if exact:
        fates[exact.name] = [follow(work, runner, "exact-fates", copies[0], near, partitions)]
    if minhash:
        fates[minhash.name] = near
    settlement = settle(work, runner, groups, addresses, list(fates), list(fates.values()), meeting)

    losers = tuple(key for each in settlement.settled for key in each.losers)
    clusters = tuple(key for each in settlement.clustered for key in each.clusters)
    lost = [counts for each in settlement.settled for counts in each.lost]
    kept = tuple(shard.documents - sum(counts) for shard, counts in zip(shards, lost, strict=True))
    if any(count < 0 for count in kept):
        raise AccountingError("a shard loses more documents than it has")
    return DedupResult(
        losers=losers,
        clusters=clusters,
        kept=kept,
        dropped={name: sum(counts[number] for counts in lost) for number, name in enumerate(fates)},
        replaced=settlement.replaced,
        grown=settlement.grown,
        **(searched.counts if searched else {}),
    )


def _search(
    work: Work,
    runner: Runner,
    groups: Sequence[Group],
    addresses: Addresses,
    minhash: MinHashDedup,
    copies: Sequence[Followers],
    partitions: int,
    bounds: Bounds,
    meeting: Meeting | None,
) -> _Searched:
    """Find and decide near-duplicates among the documents that are no exact copies."""
    twins = followers(work, runner, groups, "twins", minhash, copies, bounds, meeting)
    without = [*copies, twins]
    bands = send_bands(work, runner, groups, minhash, without, bounds)
    pairs = send_pairs(work, runner, bands, minhash, without, bounds, meeting)
    found, requests = find_candidates(work, runner, pairs, minhash, addresses, bounds)
    verified, edges = verify(work, runner, groups, minhash, found, requests, meeting)
    count = sum(each.sent.rows for each in verified)
    fates, rounds = keepers(work, runner, edges, count, partitions, bounds)
    twin_fates = follow(work, runner, "twin-fates", twins, [fates], partitions)
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
