"""Bounds: how a corpus is divided follows from its size."""

from __future__ import annotations

import pytest

from curation.dedup import Bounds, ShardInput
from curation.dedup.shard import divide


@pytest.mark.parametrize(
    ("documents", "groups"),
    [(10, 1), (1_000, 1), (8_000, 4), (100_000, 4), (1_000_000, 31), (1_000_000_000, 4_000)],
)
def test_groups_of_a_corpus(documents: int, groups: int) -> None:
    shards = [
        ShardInput(
            number=number, name=f"s/{number}", source="s", fingerprints="", texts="", documents=documents // 8_000 or 1
        )
        for number in range(min(documents, 8_000))
    ]
    assert len(divide(shards, Bounds())) == groups


@pytest.mark.parametrize(("rows", "partitions"), [(0, 1), (32_768, 1), (112_000, 4), (8 << 20, 4), (14 * 10**9, 6_676)])
def test_partitions(rows: int, partitions: int) -> None:
    assert Bounds().partitions(rows) == partitions
