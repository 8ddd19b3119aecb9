"""The account of copies, and of one cluster, is that of reading every decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from curation.clusters import Asked, copies, duplicates, members
from curation.clusters.copies import BINS
from tests.clusters.conftest import Made

ASKED = [
    Asked(),
    Asked(source="mail"),
    Asked(stage="exact_dedup"),
    Asked(stage="minhash_dedup", min_similarity=0.9),
    Asked(source="web", stage="minhash_dedup"),
    Asked(source="nowhere"),
]


def wanted(rows: Iterable[dict[str, Any]], asked: Asked) -> list[dict[str, Any]]:
    return [
        row
        for row in rows
        if row["survivor"] is not None
        and asked.source in {None, row["source"]}
        and asked.stage in {None, row["stage"]}
        and row["similarity"] >= asked.min_similarity
    ]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_every_copy_is_counted_once(made: Made, asked: Asked) -> None:
    rows = wanted(made.rows(), asked)
    found = duplicates(made.corpus.storage, made.manifest, asked)
    sizes = Counter(row["survivor"] for row in rows)
    assert (found.documents, found.clusters) == (len(rows), len(sizes))
    assert found.bytes == sum(row["bytes"] for row in rows)
    assert {cluster.id: cluster.copies for cluster in found.largest} == sizes
    assert [cluster.copies for cluster in found.largest] == sorted(sizes.values(), reverse=True)
    assert sum(cluster.bytes for cluster in found.largest) == found.bytes
    by_stage = Counter(row["stage"] for row in rows)
    assert {each.stage: each.documents for each in found.similarities} == by_stage
    bins = Counter((row["stage"], min(BINS - 1, int(row["similarity"] * BINS))) for row in rows)
    assert {(each.stage, n): count for each in found.similarities for n, count in enumerate(each.counts) if count} == (
        bins
    )
    assert sum(pair.documents for pair in found.pairs) == len(rows)


def test_the_clusters_are_those_that_are_kept(made: Made) -> None:
    found = duplicates(made.corpus.storage, made.manifest, Asked())
    kept = {row["id"]: row for row in made.corpus.documents().to_table().to_pylist()}
    assert found.clusters == sum(made.corpus.report().clusters.values())
    assert found.largest[0].id == "web-0"
    for cluster in found.largest:
        document = kept[cluster.id]
        assert document["cluster_size"] == cluster.copies + 1
        assert (document["source"], document["shard"], document["row"]) == (cluster.source, cluster.shard, cluster.row)
    pairs = {(pair.source, pair.survivor_source): pair.documents for pair in found.pairs}
    assert pairs["mail", "web"] == 10
    assert pairs["web", "web"] == 3


def test_only_the_largest_are_named(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_PENDING", 2)
    whole = duplicates(made.corpus.storage, made.manifest, Asked())
    few = duplicates(made.corpus.storage, made.manifest, Asked(), largest=2)
    assert few.largest == whole.largest[:2]
    assert few.clusters == whole.clusters


def test_a_cluster_has_all_its_copies(made: Made) -> None:
    quality = {"minhash_dedup": "gopher_quality.words"}
    for cluster in duplicates(made.corpus.storage, made.manifest, Asked()).largest:
        rows = [row for row in made.rows() if row["survivor"] == cluster.id]
        found = members(made.corpus.storage, made.manifest, cluster.shard, cluster.row, quality)
        assert found.documents == cluster.copies == len(found.listed)
        assert found.bytes == cluster.bytes
        assert {each.id: each.similarity for each in found.listed} == {row["id"]: row["similarity"] for row in rows}
        assert found.stages == Counter(row["stage"] for row in rows)
        near = [each for each in found.listed if each.stage == "minhash_dedup"]
        assert all(each.quality for each in near)
    first = members(made.corpus.storage, made.manifest, found_shard(made), 0, listed=2)
    assert (first.documents, len(first.listed)) == (6, 2)
    assert members(made.corpus.storage, made.manifest, "nowhere", 0).documents == 0


def found_shard(made: Made) -> str:
    return str(next(row["shard"] for row in made.rows() if row["id"] == "web-0"))
