"""The figures of deduplication, one command each, on one core.

    .venv/bin/python benchmarks/dedup.py signatures TEXTS.jsonl.gz...   tokenise + lower + 5-grams + 112 permutations,
                                                                        against datasketch in the same run
    .venv/bin/python benchmarks/dedup.py keepers [DOCUMENTS]            bands to keepers, in memory, made-up bands
    .venv/bin/python benchmarks/dedup.py recall NEARDUPS                found pairs by similarity, on labelled pairs
    .venv/bin/python benchmarks/dedup.py memory [DOCUMENTS]             a whole run over made-up texts: seconds, peak

Kernels are compiled before any clock starts.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from datasketch import MinHash

from curation.dedup import (
    ExactDedup,
    MinHashDedup,
    ShardInput,
    deduplicate,
    fingerprints,
    read_losers,
    shingle,
    write_fingerprints,
)
from curation.dedup.bands import band_keys
from curation.dedup.buckets import bucket_pairs
from curation.dedup.candidates import first_of_each
from curation.dedup.fingerprint import signatures_of
from curation.dedup.keepers import DROPPED, KEPT, decide_all, survivors
from curation.document import ID, TEXT, document_batch
from curation.runner.local import LocalRunner
from curation.work import Work

MINHASH = MinHashDedup()
EXACT = ExactDedup()
Result = TypeVar("Result")


def main() -> None:
    """Run the figure that the first argument names."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    figures: dict[str, Callable[[list[str]], None]] = {
        "signatures": signatures,
        "keepers": keepers,
        "recall": recall,
        "memory": memory,
    }
    if len(sys.argv) < 2 or sys.argv[1] not in figures:
        raise SystemExit(__doc__)
    figures[sys.argv[1]](sys.argv[2:])


def signatures(paths: list[str]) -> None:
    """Documents a second of 3,000 characters each, cut from the texts."""
    texts = [
        text[begin : begin + 3000]
        for path in paths
        for text in (record["text"] for record in records(Path(path)))
        for begin in range(0, len(text) - 2999, 3000)
    ][:4000]
    batch = document_batch(texts, source="bench", shard="bench")
    size = sum(len(text.encode()) for text in texts)
    fingerprints(batch.slice(0, 8), EXACT, MINHASH)
    seconds = best_of(5, partial(fingerprints, batch, EXACT, MINHASH))
    ours = len(texts) / seconds
    print(
        f"signatures and exact keys: {ours:,.0f} docs/s, {size / seconds / 1e6:.0f} MB/s, "
        f"{len(texts)} documents of {size / len(texts):.0f} bytes"
    )
    some = texts[:200]
    for name, make in (
        ("datasketch, sha1", {}),
        ("datasketch, our hash in Python", {"hashfunc": shingle.shingle_hash32}),
    ):
        begin = time.perf_counter()
        made = MinHash.bulk((shingle.shingles(text, 5) for text in some), num_perm=112, scheme="affine32", **make)
        rate = len(some) / (time.perf_counter() - begin)
        print(f"{name}: {rate:,.0f} docs/s over {len(some)} documents; {ours / rate:.0f} times slower")
    mine = signatures_of(fingerprints(batch.slice(0, len(some)), None, MINHASH))
    same = all((minhash.hashvalues == row).all() for minhash, row in zip(made, mine, strict=True))
    print(f"signatures equal to datasketch's bit for bit: {same}")


def keepers(arguments: list[str]) -> None:
    """Bands to keepers of made-up documents, of which a fifth are near-duplicates of others.

    Included: grouping all band keys into buckets, pairs, each pair once, the greedy decision, the survivors. Not
    included: reading and writing files, and the similarities themselves, which are made up (nine in ten pass).
    """
    count = int(arguments[0]) if arguments else 1_000_000
    keys, priority = made_up_bands(count)
    docs = np.arange(count, dtype=np.uint64)
    few, few_priority = made_up_bands(1000)
    keep(few, docs[:1000], few_priority)
    seconds, (pairs, edges, dropped) = timed(partial(keep, keys, docs, priority))
    print(
        f"bands to keepers: {count:,} documents x {keys.shape[1]} bands in {seconds:.2f} s on one core; "
        f"{pairs:,} different pairs, {edges:,} edges, {dropped:,} dropped"
    )


def keep(
    keys: np.ndarray[Any, Any], docs: np.ndarray[Any, Any], priority: np.ndarray[Any, Any]
) -> tuple[int, int, int]:
    """(pairs, edges, dropped) of documents with these band keys, (documents, bands)."""
    bands = keys.shape[1]
    rows = np.repeat(docs, bands), np.repeat(priority, bands)
    found = list(bucket_pairs(keys.ravel(), *rows, MINHASH.max_bucket))
    better, worse = (rows[0][np.concatenate([pair[side] for pair in found])] for side in (0, 1))
    once = first_of_each(better, worse)
    better, worse = better[once].astype(np.int64), worse[once].astype(np.int64)
    similarity = 0.67 + (better * 31 + worse * 17) % 300 / 1000
    edge = similarity >= MINHASH.min_similarity
    pairs, better, worse, similarity = better.size, better[edge], worse[edge], similarity[edge]
    fate = np.full(docs.size, KEPT, np.int8)
    fate[worse] = 0
    decide_all(better, worse, priority[worse], docs, fate)
    usable = (fate[worse] == DROPPED) & (fate[better] == KEPT)
    named = survivors(better[usable], worse[usable], similarity[usable], priority[better[usable]], docs)
    dropped = int((fate == DROPPED).sum())
    if named.size != dropped:
        raise SystemExit(f"{dropped} dropped, {named.size} survivors named")
    return pairs, int(better.size), dropped


def made_up_bands(count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(keys (documents, 14), priority (documents,)): a fifth of the documents take each key of another document with
    the chance that documents of similarity 0.7 to 1 do; one key in a thousand is shared at random."""
    draw = np.random.default_rng(0)
    keys = draw.integers(0, 1 << 64, (count, MINHASH.bands), np.uint64)
    copies = draw.choice(count, count // 5, replace=False)
    shares = draw.random((copies.size, MINHASH.bands)) < draw.uniform(0.7, 1, (copies.size, 1)) ** MINHASH.rows
    others = keys[draw.integers(0, count, copies.size)]
    keys[copies] = np.where(shares, others, keys[copies])
    chance = draw.random(keys.shape) < 0.001
    keys[chance] = draw.choice(keys[chance], int(chance.sum()))
    return keys, draw.integers(100, 20_000, count).astype(np.uint64)


def recall(arguments: list[str]) -> None:
    """What is found of labelled pairs, by true similarity; NEARDUPS holds docs-* and neardups.jsonl.gz.

    `candidate` is the share of pairs that share a bucket, `one gone` the share of which at least one document is
    dropped: the rule drops one of every pair at or above 0.7 whose better one is kept.
    """
    folder = Path(arguments[0])
    documents = [record for path in sorted(folder.glob("docs-*")) for record in records(path)]
    pairs = list(records(folder / "neardups.jsonl.gz"))
    texts = [document["text"] for document in documents]
    with tempfile.TemporaryDirectory() as name:
        work = Work(name, "run")
        inputs = [write_shard(work, 0, texts)]
        result = deduplicate(work.under("dedup"), inputs, None, MINHASH, LocalRunner())
        lost = read_losers(work.storage, result.losers[0] or "")["row"].to_pylist()
    dropped = {documents[row]["id"] for row in lost}
    place = {document["id"]: row for row, document in enumerate(documents)}
    prints = fingerprints(document_batch(texts, source="s", shard="s"), None, MINHASH)
    keys = band_keys(signatures_of(prints), MINHASH, 0)
    print(f"{len(documents)} documents, {len(dropped)} dropped")
    print(f"{result.candidates} candidates, {result.verified} verified (equal shingle sets stand for each other)")
    print("  Jaccard       pairs  expected  candidate  one gone")
    for low, high in ((0.7, 0.75), (0.75, 0.8), (0.775, 0.825), (0.8, 0.85), (0.85, 0.9), (0.9, 1.01), (0.5, 0.7)):
        mine = [pair for pair in pairs if low <= pair["jaccard"] < high]
        shared = [(keys[place[p["id_a"]]] == keys[place[p["id_b"]]]).any() for p in mine]
        gone = [p["id_a"] in dropped or p["id_b"] in dropped for p in mine]
        curve = [1 - (1 - p["jaccard"] ** MINHASH.rows) ** MINHASH.bands for p in mine]
        figures = (float(np.mean(values)) for values in (curve, shared, gone))
        print(f"  {low:.3f}-{min(high, 1):.3f}  {len(mine):5}  " + "   ".join(f"{figure:7.4f}" for figure in figures))


def memory(arguments: list[str]) -> None:
    """A whole run, files and all, over made-up documents of about 80 words in shards of 20,000, a fifth of them
    near-duplicates; the peak is of this one process, which does every task after the other."""
    count = int(arguments[0]) if arguments else 200_000
    with tempfile.TemporaryDirectory() as name:
        work = Work(name, "run")
        with get_context("fork").Pool(1) as pool:  # so that making the input counts for nothing
            inputs = [pool.apply(write_made_up, (work, number)) for number in range(count // 20_000)]
        before = peak_mb()
        seconds, result = timed(partial(deduplicate, work.under("dedup"), inputs, EXACT, MINHASH, LocalRunner()))
        stored = sum(path.stat().st_size for path in Path(name, "run", "dedup").rglob("*") if path.is_file())
    print(
        f"{count:,} documents: {seconds:.1f} s, {count / seconds:,.0f} docs/s, peak {peak_mb():.0f} MB "
        f"({before:.0f} MB before), {stored / count:.0f} bytes of work a document, dropped {result.dropped}, "
        f"{result.candidates:,} candidates, {result.rounds} rounds"
    )


def write_made_up(work: Work, number: int) -> ShardInput:
    """A shard of 20,000 texts of made-up words; each fifth is its predecessor with a few words changed."""
    return write_shard(work, number, made_up_texts(np.random.default_rng(number), 20_000))


def made_up_texts(draw: np.random.Generator, count: int) -> list[str]:
    texts: list[str] = []
    words: list[str] = []
    for number in range(count):
        if number % 5:
            words = [f"w{word}" for word in draw.integers(0, 50_000, 80).tolist()]
        else:
            words = [*words[: -int(draw.integers(1, 8))], f"end{number}"]
        texts.append(" ".join(words))
    return texts


def write_shard(work: Work, number: int, texts: list[str]) -> ShardInput:
    """A shard as the pipeline leaves it for deduplication."""
    batch = document_batch(texts, source="bench", shard=str(number))
    key = write_fingerprints(work, f"filter/{number}", [fingerprints(batch, EXACT, MINHASH)], EXACT, MINHASH)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_batches([batch]).select([ID, TEXT]), sink, row_group_size=1024)
    texts_key = work.key(f"filter/{number}.texts.parquet")
    work.storage.write(texts_key, sink.getvalue())
    place = {"number": number, "name": f"bench/{number}", "source": "bench"}
    return ShardInput(**place, fingerprints=key, texts=texts_key, documents=len(texts))


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a compressed JSONL file."""
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else zstandard.ZstdDecompressor().stream_reader(data).read()
    yield from map(json.loads, data.splitlines())


def timed(step: Callable[[], Result]) -> tuple[float, Result]:
    """(seconds, result) of a step."""
    begin = time.perf_counter()
    result = step()
    return time.perf_counter() - begin, result


def best_of(times: int, step: Callable[[], object]) -> float:
    """The fewest seconds that a step took."""
    return min(timed(step)[0] for _ in range(times))


def peak_mb() -> float:
    """The most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
