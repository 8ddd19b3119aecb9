"""Verification: the exact Jaccard similarity of each candidate, from the shingles of the texts themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation.dedup import kernels
from curation.dedup.candidates import CANDIDATES, REQUESTS, Candidates, lot_name
from curation.dedup.fingerprint import shingle_sets
from curation.dedup.meeting import Meeting
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import Group, Rows, ShardInput, places, shard_numbers
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, receive
from curation.dedup.stage import Uint64s
from curation.document import TEXT
from curation.errors import AccountingError
from curation.runner.runner import Runner
from curation.storage import Storage
from curation.work import Work

BINS = 20
EDGES = pa.schema([*CANDIDATES, ("similarity", pa.float64())])
_SETS = pa.schema([("doc", pa.uint64()), ("shingles", pa.large_list(pa.field("item", pa.uint64(), nullable=False)))])


class Verified(BaseModel):
    """What a lot came to: the edges sent, and how many pairs have a similarity in each of BINS equal bins from 0 to 1
    (1 itself in the last)."""

    model_config = ConfigDict(frozen=True)

    sent: Sent
    similarities: tuple[int, ...]


def verify(
    work: Work,
    runner: Runner,
    groups: Sequence[Group],
    minhash: MinHashDedup,
    found: Sequence[Candidates],
    requests: Shuffle,
    meeting: Meeting | None = None,
) -> tuple[list[Verified], Shuffle]:
    """What each lot came to, and the edges: pairs at or above the threshold, in one partition."""
    firsts = tuple(np.cumsum([0, *(each.lots for each in found)]).tolist())
    sets = _bring(work, runner, groups, minhash, firsts, requests, meeting) if firsts[-1] else Shuffle("sets", 0, ())
    lots = [(partition, lot) for partition, each in enumerate(found) for lot in range(each.lots)]
    task = partial(_verify, work, sets, minhash.min_similarity)
    verified = runner.map(task, [(number, *lot) for number, lot in enumerate(lots)])
    return verified, gathered("edges", 1, [each.sent for each in verified])


def _bring(
    work: Work,
    runner: Runner,
    groups: Sequence[Group],
    minhash: MinHashDedup,
    firsts: tuple[int, ...],
    requests: Shuffle,
    meeting: Meeting | None,
) -> Shuffle:
    """The shingle sets that were asked for, by lot; `firsts` has the number of each partition's first lot."""
    sent = runner.map(partial(_bring_group, work, minhash.ngram, firsts, requests), groups)
    if meeting:
        task = partial(_bring_known, work, minhash.ngram, firsts, requests, meeting)
        sent += runner.map(task, range(len(groups), requests.partitions))
    return gathered("sets", firsts[-1], sent)


def _asked(work: Work, firsts: tuple[int, ...], requests: Shuffle, group: int) -> tuple[Uint64s, Rows]:
    """(documents, lots) that ask for them, (requests,) each, in the order of the documents."""
    asked = receive(work, requests, group, REQUESTS)
    docs = numbers(asked, "doc")
    order = np.argsort(docs, kind="stable")
    lots = np.array(firsts)[numbers(asked, "partition")] + numbers(asked, "lot")
    return docs[order], lots[order]


def _bring_known(
    work: Work, ngram: int, firsts: tuple[int, ...], requests: Shuffle, meeting: Meeting, group: int
) -> Sent:
    def bring() -> Sent:
        docs, lots = _asked(work, firsts, requests, group)
        outbox = Outbox(work, "sets", group, firsts[-1])
        if docs.size:
            for mine, text in meeting.known.texts(np.unique(docs)):
                _send_sets(outbox, mine, text, ngram, docs, lots)
        return outbox.close()

    return work.once(f"sets/{group:05d}", Sent, bring)


def _bring_group(work: Work, ngram: int, firsts: tuple[int, ...], requests: Shuffle, group: Group) -> Sent:
    def bring() -> Sent:
        docs, lots = _asked(work, firsts, requests, group.number)
        outbox = Outbox(work, "sets", group.number, firsts[-1])
        for shard in group.shards:
            begin, end = np.searchsorted(shard_numbers(docs), [shard.number, shard.number + 1]).tolist()
            for mine, text in _texts(work.storage, shard, docs[begin:end]):
                _send_sets(outbox, mine, text, ngram, docs[begin:end], lots[begin:end])
        return outbox.close()

    return work.once(f"sets/{group.number:05d}", Sent, bring)


def _texts(storage: Storage, shard: ShardInput, docs: Uint64s) -> Iterator[tuple[Uint64s, pa.LargeStringArray]]:
    """(addresses, texts) of these documents (sorted, repeats allowed), each once, one row group at a time; row groups
    with none of them are not read."""
    if not docs.size:
        return
    docs = np.unique(docs)
    where, begin = places(docs), 0
    with storage.open_seekable(shard.texts) as file, pq.ParquetFile(file) as parquet:
        for number in range(parquet.num_row_groups):
            rows = parquet.metadata.row_group(number).num_rows
            first, last = np.searchsorted(where, [begin, begin + rows]).tolist()
            if last > first:
                text = parquet.read_row_group(number, columns=[TEXT], use_threads=False)[TEXT].combine_chunks()
                yield docs[first:last], text.take(pa.array(where[first:last] - begin))
            begin += rows
    if begin != shard.documents:
        raise ValueError(f"{shard.texts}: {begin} texts, expected {shard.documents}")


def _send_sets(
    outbox: Outbox, docs: Uint64s, text: pa.LargeStringArray, ngram: int, asked: Uint64s, lots: Rows
) -> None:
    """Send the set of each of `docs` to every lot that `asked` for it."""
    sets = list(shingle_sets(text, ngram))
    first, last = np.searchsorted(asked, docs), np.searchsorted(asked, docs, side="right")
    wanted = np.repeat(np.arange(docs.size), last - first)
    ends = np.concatenate([[0], np.cumsum([sets[i].size for i in wanted])]).astype(np.int64)
    values = np.concatenate([np.zeros(0, np.uint64), *(sets[i] for i in wanted)])
    lists = pa.LargeListArray.from_arrays(pa.array(ends), pa.array(values), type=_SETS.field("shingles").type)
    outbox.add(pa.RecordBatch.from_arrays([pa.array(docs[wanted]), lists], schema=_SETS), lots[first[0] : last[-1]])


def _verify(work: Work, sets: Shuffle, min_similarity: float, item: tuple[int, int, int]) -> Verified:
    number, partition, lot = item

    def verify_lot() -> Verified:
        with pa.ipc.open_stream(work.storage.read(work.key(lot_name(partition, lot)))) as stream:
            pairs = stream.read_all()
        similarity = _similarities(pairs, receive(work, sets, number, _SETS))
        bins = np.bincount(np.minimum((similarity * BINS).astype(np.int64), BINS - 1), minlength=BINS)
        edges = pairs.append_column("similarity", pa.array(similarity)).filter(pa.array(similarity >= min_similarity))
        outbox = Outbox(work, "edges", number, 1)
        for batch in edges.to_batches():
            outbox.add(batch, 0)
        return Verified(sent=outbox.close(), similarities=tuple(bins.tolist()))

    return work.once(f"edges/{number:05d}", Verified, verify_lot)


def _similarities(pairs: pa.Table, sets: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The Jaccard similarity of each pair, (pairs,)."""
    sets = sets.combine_chunks()
    docs, lists = numbers(sets, "doc"), sets["shingles"].combine_chunks()
    values, ends = lists.values.to_numpy(), lists.offsets.to_numpy()
    order = np.argsort(docs)
    sides = [_places_of(numbers(pairs, name), docs, order) for name in ("better", "worse")]
    shared = np.empty(pairs.num_rows, np.int64)
    kernels.overlaps(values, ends, sides[0], sides[1], shared)
    sizes = np.diff(ends)
    return np.asarray(shared / (sizes[sides[0]] + sizes[sides[1]] - shared))


def _places_of(wanted: Uint64s, docs: Uint64s, order: Rows) -> Rows:
    """Where each wanted document is in `docs`, whose ascending order is `order`."""
    place = np.searchsorted(docs[order], wanted)
    if wanted.size and (not docs.size or (docs[order][np.minimum(place, docs.size - 1)] != wanted).any()):
        raise AccountingError("the shingles of a candidate did not come")
    return order[place]
