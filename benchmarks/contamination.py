"""Contamination: recall by kind of copy, false drops on clean text, and MB/s on one thread, for each rule.

    .venv/bin/python benchmarks/contamination.py accuracy
    .venv/bin/python benchmarks/contamination.py speed [N-GRAMS]

Both use the texts beside the repository (../shared/data): `accuracy` the planted copies of contamination/ and, for
false drops, every document of shards/; `speed` the shards in English and a registry that is filled up to a million
n-grams with items made of the benchmarks' own words in random order. Processor time, the best of three.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import zstandard
from clock import once, seconds

from curation.contamination import Contamination, Index, Item, Rule, load_registry
from curation.contamination.index import Limits, open_index
from curation.contamination.matching import BARS, LIMITS, find_hits
from curation.contamination.registry import make_registry

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"
ENGLISH = ("wikipedia", "company-docs", "books", "contracts-edgar")
GRAMS = 1_000_000
COMMON = 10
BATCH = 1024


def main() -> None:
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "accuracy":
        accuracy()
    elif command == "speed":
        speed(int(sys.argv[2]) if len(sys.argv) > 2 else GRAMS)
    else:
        sys.exit(__doc__)


def accuracy() -> None:
    folder = SHARED / "contamination"
    documents = [each for path in sorted(folder.glob("docs-*")) for each in records(path)]
    truth = records(folder / "truth.jsonl.gz")
    shards = [each["text"] for path in sorted((SHARED / "shards").glob("*/*")) for each in records(path)]
    modes = list(dict.fromkeys(each["mode"] for each in truth))
    seen = Counter(each["mode"] for each in truth)
    for rule in get_args(Rule):
        stage = Contamination(registry=str(folder / "benchmarks.jsonl.gz"), rule=rule)
        found = stage.find(pa.array([each["text"] for each in documents], pa.large_string()))
        by_id = {each["id"]: items for each, items in zip(documents, found, strict=True)}
        hit, near = Counter[str](), Counter[str]()
        for each in truth:
            scores = {item.item: item.score for item in by_id[each["doc_id"]]}
            score = scores.get(each["item_id"], 0) if each["item_id"] else max(scores.values(), default=0)
            hit[each["mode"]] += score >= stage.bar
            near[each["mode"]] += 0 < score < stage.bar
        index = stage.index()
        print(f"{rule}, threshold {stage.bar}: {sum(map(len, index.items)):,} items, {len(index.short):,} too short")
        for mode in modes:
            share = f"{hit[mode]:3} of {seen[mode]:3} {hit[mode] / seen[mode]:7.1%}"
            print(f"  {mode:22} {share}, below the threshold {near[mode]}")
        dropped = chance = 0
        for items in (each for batch in batches(shards) for each in stage.find(batch)):
            dropped += bool(items) and items[0].score >= stage.bar
            chance += bool(items) and items[0].score < stage.bar
            if items and items[0].score >= stage.bar:
                print(f"    {items[0]}")
        size = sum(len(text.encode()) for text in shards) / 1e6
        print(f"  {'shards/':22} {dropped:3} of {len(shards):,} ({size:.0f} MB) dropped, {chance} chance hits")


def speed(grams: int) -> None:
    registry = load_registry(str(SHARED / "contamination" / "benchmarks.jsonl.gz"))
    paths = [path for name in ENGLISH for path in sorted((SHARED / "shards" / name).glob("*"))]
    texts = [each["text"] for path in paths for each in records(path) if each["lang"] == "en"]
    size = sum(len(text.encode()) for text in texts)
    print(f"{len(texts):,} documents, {size / 1e6:.1f} MB of English")
    for rule in get_args(Rule):
        for items in (list(registry.items), filled(registry.items, LIMITS[rule], grams)):
            whole = make_registry(items)
            built = once(partial(open_index, whole, LIMITS[rule], COMMON))
            index = open_index(whole, LIMITS[rule], COMMON)
            count = len(index.tables.gram_ends) - 1
            columns = [*batches(texts)]
            spent = seconds(partial(look_through, columns, index, rule))
            memory = sum(table.nbytes for table in index.tables) / 1e6
            index_said = f"{count:10,} n-grams {memory:4.0f} MB, built in {built:4.1f} s"
            speed_said = f"{len(texts) / spent:9,.0f} docs/s {size / spent / 1e6:6.1f} MB/s"
            print(f"{rule:8} {len(items):7,} items {index_said} {speed_said}")


def filled(items: tuple[Item, ...], limits: Limits, grams: int) -> list[Item]:
    """The items, and made-up ones until there are so many n-grams."""
    draw = random.Random(0)
    words = [word for item in items for word in item.question.split()]
    known = sum(max(0, len(item.question.split()) - limits.size + 1) for item in items)
    length = 40
    made = max(0, grams - known) // (length - limits.size + 1) + 1
    return [*items, *(Item("made up", str(n), question=" ".join(draw.choices(words, k=length))) for n in range(made))]


def look_through(columns: list[pa.LargeStringArray], index: Index, rule: Rule) -> None:
    for batch in columns:
        find_hits(batch, index, rule, BARS[rule])


def batches(texts: list[str]) -> Iterator[pa.LargeStringArray]:
    for start in range(0, len(texts), BATCH):
        yield pa.array(texts[start : start + BATCH], pa.large_string())


def records(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    is_zstd = path.suffix == ".zst"
    plain = zstandard.ZstdDecompressor().stream_reader(data).read() if is_zstd else gzip.decompress(data)
    return [json.loads(line) for line in plain.split(b"\n") if line]


if __name__ == "__main__":
    main()
