"""The shuffle: every row arrives, once, where it was sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curation.dedup import shuffle
from curation.dedup.shuffle import Outbox, Sent, gathered, partition_of, receive, reshuffle, spread
from curation.runner.local import LocalRunner
from curation.work import Work

SCHEMA = pa.schema([("key", pa.uint64()), ("name", pa.string())])


def rows(keys: list[int]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array(keys, pa.uint64()), pa.array([f"n{key}" for key in keys])], schema=SCHEMA
    )


@pytest.mark.parametrize("flush_bytes", [1, 200, 1 << 20])
@pytest.mark.parametrize("mappers", [1, 3, 12])
def test_rows_arrive(tmp_path: Path, flush_bytes: int, mappers: int) -> None:
    work, sent = Work(str(tmp_path), "run"), []
    for mapper in range(mappers):
        outbox = Outbox(work, "step", mapper, 4, flush_bytes)
        for begin in range(0, 30, 10):
            batch = rows([mapper * 100 + key for key in range(begin, begin + 10)])
            outbox.add(batch, batch["key"].to_numpy().astype(np.int64) % 3)
        sent.append(outbox.close())
    whole = gathered("step", 4, sent)
    assert sum(each.rows for each in sent) == 30 * mappers
    for partition in range(4):
        keys = receive(work, whole, partition, SCHEMA)["key"].to_pylist()
        assert keys == [m * 100 + k for m in range(mappers) for k in range(30) if (m * 100 + k) % 3 == partition]


def test_nothing_sent_costs_nothing(tmp_path: Path) -> None:
    work = Work(str(tmp_path), "run")
    outbox = Outbox(work, "step", 0, 1000)
    outbox.add(rows([]), 0)
    sent = outbox.close()
    assert sent == Sent(objects=0, rows=0)
    assert list(tmp_path.rglob("*-*")) == []
    assert receive(work, gathered("step", 1000, [sent]), 7, SCHEMA).schema == SCHEMA


def test_reshuffle(tmp_path: Path) -> None:
    work = Work(str(tmp_path), "run")
    sent = []
    for mapper in range(3):
        outbox = Outbox(work, "one", mapper, 1, flush_bytes=1)
        for begin in (0, 5):
            outbox.add(rows([mapper * 10 + begin + key for key in range(5)]), 0)
        sent.append(outbox.close())
    one = gathered("one", 1, sent)
    assert reshuffle(work, LocalRunner(), one, "many", "key", 1, SCHEMA) is one
    many = reshuffle(work, LocalRunner(), one, "many", "key", 5, SCHEMA)
    keys = [receive(work, many, partition, SCHEMA)["key"].to_numpy() for partition in range(5)]
    assert sorted(np.concatenate(keys).tolist()) == list(range(30))
    assert all((partition_of(spread(each), 5) == partition).all() for partition, each in enumerate(keys))


def test_partitions_are_even_and_complete() -> None:
    keys = spread(np.arange(20_000, dtype=np.uint64))
    assert np.unique(keys).size == 20_000
    counts = np.bincount(partition_of(keys, 7), minlength=7)
    assert counts.sum() == 20_000
    assert counts.min() > 2_500
    assert partition_of(np.array([0, (1 << 64) - 1], np.uint64), 7).tolist() == [0, 6]
    assert shuffle.object_name("s", 1, 2) == "s/00001-0002"
