"""Buckets: groups of equal keys, leaders and pairs."""

from __future__ import annotations

from itertools import combinations, groupby, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup import kernels
from curation.dedup.buckets import NEIGHBOURS, bucket_pairs
from curation.dedup.leaders import key_order
from curation.dedup.stage import Uint64s

Row = tuple[int, int]

rows = st.lists(st.tuples(st.sampled_from([3, 7, 7 << 40, 2**64 - 1]), st.integers(0, 3)), max_size=40)


def columns(table: list[Row]) -> tuple[Uint64s, Uint64s, Uint64s]:
    keys, priority = (np.array([row[side] for row in table], np.uint64) for side in (0, 1))
    return keys, np.arange(len(table), dtype=np.uint64), priority


def pairs(table: list[Row], max_bucket: int, first_new: int = 0) -> list[Row]:
    found = [
        (b, w)
        for better, worse in bucket_pairs(*columns(table), max_bucket, np.uint64(first_new))
        for b, w in zip(better, worse, strict=True)
    ]
    return [(int(better), int(worse)) for better, worse in found]


def ranked(table: list[Row], key: int) -> list[int]:
    """The rows of a bucket, the best first."""
    members = [number for number, row in enumerate(table) if row[0] == key]
    return sorted(members, key=lambda number: (-table[number][1], number))


@given(rows)
def test_all_pairs_of_a_bucket(table: list[Row]) -> None:
    expected = [pair for key in {row[0] for row in table} for pair in combinations(ranked(table, key), 2)]
    assert sorted(pairs(table, 64)) == sorted(expected)


@given(rows, st.integers(0, 40), st.integers(2, 64))
def test_known_documents_are_members_but_no_pairs(table: list[Row], first_new: int, max_bucket: int) -> None:
    expected = [pair for pair in pairs(table, max_bucket) if max(pair) >= first_new]
    assert pairs(table, max_bucket, first_new) == expected


@given(rows, st.integers(2, 5))
def test_a_hot_bucket_is_compared_with_its_best_and_its_neighbours(table: list[Row], max_bucket: int) -> None:
    expected = [
        (members[other], members[place])
        for key in {row[0] for row in table}
        for members in [ranked(table, key)]
        for place in range(len(members))
        for other in range(place)
        if other < max_bucket or place - other <= NEIGHBOURS
    ]
    assert sorted(pairs(table, max_bucket)) == sorted(expected)


def test_a_bucket_of_a_hundred_thousand_is_handed_out_in_pieces() -> None:
    count = 100_000
    table = np.full(count, 5, np.uint64), np.arange(count, dtype=np.uint64), np.zeros(count, np.uint64)
    sizes = [better.size for better, _ in bucket_pairs(*table, 16)]
    assert len(sizes) > 1
    assert max(sizes) <= (1 << 20) + 16 + NEIGHBOURS
    assert sum(sizes) == sum(min(place, 16) + min(NEIGHBOURS, max(0, place - 16)) for place in range(count))


@given(st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 1 << 63]), max_size=60))
def test_equal_keys_stand_together_in_their_order(values: list[int]) -> None:
    keys = np.array(values, np.uint64)
    order, ordered = key_order(keys)
    assert sorted(order.tolist()) == list(range(len(values)))
    assert (keys[order] == ordered).all()
    assert len(list(groupby(ordered.tolist()))) == len(set(values))
    assert all(a < b for a, b in pairwise(order) if values[a] == values[b])


def test_keys_of_one_cell_are_sorted_otherwise() -> None:
    keys = np.tile(np.array([1 << 63, 1 << 62], np.uint64), 20_000)
    assert not kernels.group_by_key(keys, np.empty(keys.size, np.uint32), np.empty_like(keys))
    _, ordered = key_order(keys)
    assert (ordered[:20_000] == 1 << 62).all()


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3)), max_size=30))
def test_leaders(table: list[tuple[int, int, int]]) -> None:
    high, low, priority = (np.array([row[side] for row in table], np.uint64) for side in range(3))
    leader = np.empty(len(table), np.uint32)
    order, _ = key_order(high)
    kernels.elect(order, high, low, priority, np.arange(len(table), dtype=np.uint64), leader)
    for number, row in enumerate(table):
        same = [other for other, each in enumerate(table) if each[:2] == row[:2]]
        assert leader[number] == min(same, key=lambda other: (-table[other][2], other))
