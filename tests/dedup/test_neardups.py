"""Near-duplicates of real texts, whose true similarities are known."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from curation.dedup import MinHashDedup
from tests.dedup.corpus import run

Record = dict[str, Any]
WORD = re.compile(r"\w+")


def records(path: Path) -> Iterator[Record]:
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    else:
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    yield from map(json.loads, data.splitlines())


def five_grams(text: str) -> set[tuple[str, ...]]:
    """Written again, on tuples of words, so that nothing of what is tested takes part."""
    words = WORD.findall(text.lower())
    return {tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))} if words else set()


def found_share(pairs: list[Record], dropped: set[str]) -> float:
    """The share of pairs of which at least one document is gone. The rule drops one of every pair at or above the
    threshold of which the better one is kept, so a pair with both kept is one that the signatures missed."""
    return sum(pair["id_a"] in dropped or pair["id_b"] in dropped for pair in pairs) / len(pairs)


def check(folder: Path, shards: list[tuple[str, list[Record]]]) -> set[str]:
    """Deduplicate, check the true similarity of every drop, and return the dropped ids."""
    minhash = MinHashDedup(min_similarity=0.7)
    found = run(folder, [(source, [doc["text"] for doc in docs]) for source, docs in shards], None, minhash)
    sets = {place: five_grams(shards[place[0]][1][place[1]]["text"]) for place in {*found.fates, *found.clusters}}
    for place, (_, survivor, similarity) in found.fates.items():
        left, right = sets[place], sets[survivor]
        assert similarity == len(left & right) / len(left | right) >= 0.7
        assert survivor not in found.fates
    return {shards[shard][1][row]["id"] for shard, row in found.fates}


def test_made_pairs(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "neardups"
    shards = [("neardups", list(records(path))) for path in sorted(folder.glob("docs-*"))]
    pairs = list(records(folder / "neardups.jsonl.gz"))
    dropped = check(tmp_path, shards)
    assert found_share([pair for pair in pairs if pair["jaccard"] >= 0.9], dropped) >= 0.98
    assert found_share([pair for pair in pairs if 0.775 <= pair["jaccard"] < 0.825], dropped) >= 0.9
    assert found_share([pair for pair in pairs if pair["jaccard"] >= 0.8], dropped) >= 0.95


@pytest.mark.parametrize("source", ["licences-debian", "mail-spamassassin"])
def test_natural_pairs(tmp_path: Path, shared_data: Path, source: str) -> None:
    shards = [(source, list(records(path))) for path in sorted((shared_data / "shards" / source).iterdir())]
    pairs = [
        pair
        for pair in records(shared_data / "neardups" / "natural_pairs_exhaustive.jsonl.gz")
        if pair["source"] == source
    ]
    dropped = check(tmp_path, shards)
    assert found_share([pair for pair in pairs if pair["jaccard"] >= 0.9], dropped) >= 0.98
    assert found_share([pair for pair in pairs if pair["jaccard"] >= 0.8], dropped) >= 0.95
