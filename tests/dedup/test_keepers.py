"""Keepers: the greedy decision, alone and in groups that write to each other."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dedup import Bounds
from curation.dedup.keepers import FATES, keepers
from curation.dedup.shuffle import Outbox, gathered, receive
from curation.dedup.verification import EDGES
from curation.runner.local import LocalRunner
from curation.work import Work

Edges = dict[tuple[int, int], float]
"""(better, worse) → similarity; a smaller number is a better document, and its priority falls by twos."""

graphs = st.dictionaries(
    st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda pair: pair[0] < pair[1]),
    st.sampled_from([0.7, 0.8, 0.9]),
    max_size=40,
)


def expected(edges: Edges) -> dict[int, tuple[int, float]]:
    dropped: dict[int, tuple[int, float]] = {}
    for document in range(100):
        kept = [(-s, b) for (b, w), s in edges.items() if w == document and b not in dropped]
        if kept:
            similarity, better = min(kept)
            dropped[document] = (better, -similarity)
    return dropped


def found(edges: Edges, group_edges: int) -> tuple[dict[int, tuple[int, float]], int]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        work = Work(name, "run")
        outbox = Outbox(work, "edges", 0, 1)
        pairs = sorted(edges)
        columns = [
            pa.array([b for b, _ in pairs], pa.uint64()),
            pa.array([w for _, w in pairs], pa.uint64()),
            pa.array([50 - b // 2 for b, _ in pairs], pa.uint64()),
            pa.array([50 - w // 2 for _, w in pairs], pa.uint64()),
            pa.array([edges[pair] for pair in pairs], pa.float64()),
        ]
        outbox.add(pa.RecordBatch.from_arrays(columns, schema=EDGES), 0)
        sent = gathered("edges", 1, [outbox.close()])
        fates, rounds = keepers(work, LocalRunner(), sent, len(edges), 2, Bounds(group_edges=group_edges))
        rows = [row for part in range(2) for row in receive(work, fates, part, FATES).to_pylist()]
    return {row["doc"]: (row["survivor"], row["similarity"]) for row in rows}, rounds


@settings(max_examples=30)
@given(graphs, st.sampled_from([1, 3, 100]))
def test_greedy_in_order_of_priority(edges: Edges, group_edges: int) -> None:
    assert found(edges, group_edges)[0] == expected(edges)


@pytest.mark.parametrize("group_edges", [1, 7, 100])
def test_a_long_chain_takes_rounds_and_drops_every_other(group_edges: int) -> None:
    chain = {(number, number + 1): 0.8 for number in range(16)}
    fates, rounds = found(chain, group_edges)
    assert fates == {number: (number - 1, 0.8) for number in range(1, 17, 2)}
    assert (rounds > 1) == (group_edges < 16)


@pytest.mark.parametrize("group_edges", [1, 2, 100])
def test_the_most_similar_of_all_that_are_kept_is_named(group_edges: int) -> None:
    """Though another one alone is enough to drop the document, and is heard of before."""
    graph = {(0, 9): 0.7, (1, 2): 0.8, (2, 3): 0.8, (3, 9): 0.9}
    assert found(graph, group_edges)[0] == {2: (1, 0.8), 9: (3, 0.9)}
