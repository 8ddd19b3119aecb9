"""What the index costs: bytes a document, and how little of it a lookup reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup import Bounds, ExactDedup, MinHashDedup, ShardInput, write_fingerprints
from curation.dedup.bands import band_keys
from curation.dedup.fingerprint import fingerprint_schema, signatures_of
from curation.dedup.index import segments_of, write_segment
from curation.dedup.index.layout import TABLES, Table
from curation.dedup.index.reading import find, key_range
from curation.dedup.index.sketch import BLOCK_CELLS, CELLS_A_KEY
from curation.dedup.index.writing import write_entries
from curation.runner.local import LocalRunner
from curation.storage.local import LocalStorage
from curation.work import Work

EXACT, MINHASH = ExactDedup(), MinHashDedup()
DOCUMENTS = 100_000


class Counting(LocalStorage):
    """Counts what is read."""

    read_bytes = 0

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        self.read_bytes += sum(length for _, length in ranges)
        return super().read_ranges(key, ranges)


def made_up(documents: int, seed: int) -> pa.RecordBatch:
    """Fingerprints of documents that have nothing in common."""
    chosen = np.random.default_rng(seed)
    schema = fingerprint_schema(EXACT, MINHASH)
    columns = []
    for field in schema:
        if field.type == pa.uint64():
            columns.append(pa.array(chosen.integers(0, 1 << 64, documents, np.uint64)))
        elif field.type == pa.uint32():
            columns.append(pa.array(chosen.integers(1, 1000, documents, np.uint32)))
        elif field.type == pa.int64():
            columns.append(pa.array(np.arange(documents)))
        elif field.type == pa.string():
            columns.append(pa.array(["x"] * documents))
        else:
            data = pa.py_buffer(chosen.bytes(documents * field.type.byte_width))
            columns.append(pa.FixedSizeBinaryArray.from_buffers(field.type, documents, [None, data]))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def test_one_per_cent_of_lookups_reads_less_than_ten_per_cent_of_the_index(tmp_path: Path) -> None:
    work = Work(str(tmp_path), "run")
    known, news = made_up(DOCUMENTS, 1), made_up(DOCUMENTS // 100, 2)
    key = write_fingerprints(work, "a", [known], EXACT, MINHASH)
    shard = ShardInput(number=0, name="a/0", source="a", fingerprints=key, texts="", documents=DOCUMENTS)
    kept = [DOCUMENTS]
    parts = write_segment(work, LocalRunner(), [shard], [None], [None], kept, EXACT, MINHASH, "_index/1", Bounds())
    (segment,) = segments_of(parts)
    assert segment.bytes < 330 * DOCUMENTS

    storage = Counting(str(tmp_path))
    # A fifth of the new documents are known ones again.
    asked = pa.Table.from_batches([news, known.slice(500, news.num_rows // 4)]).combine_chunks().to_batches()[0]
    keys = np.unique(band_keys(signatures_of(asked), MINHASH, MINHASH.salt("a")))
    assert find(storage, "bands", segment.tables["bands"], keys)[0].size == MINHASH.bands * (news.num_rows // 4)
    for table, column in (("exact", "exact_high"), ("sets", "set_high")):
        halves = np.unique(asked[column].to_numpy() ^ np.uint64(MINHASH.salt("a")))
        assert find(storage, table, segment.tables[table], halves)[0].size == news.num_rows // 4
    assert storage.read_bytes < 0.06 * segment.bytes

    storage = Counting(str(tmp_path))
    assert find(storage, "bands", segment.tables["bands"], keys[:1])[0].size <= 1
    assert storage.read_bytes < 20_000, "a single key does not read a partition's whole sketch"


KEYS = st.lists(
    st.one_of(
        st.integers(0, (1 << 64) - 1),
        st.sampled_from([0, 1, (1 << 64) - 1, 1 << 63, (1 << 63) - 1, 7 << 61]),
        st.integers(0, 40).map(lambda cells: (1 << 62) + cells * (1 << 64) // CELLS_A_KEY),
    ),
    max_size=60,
)


@given(keys=KEYS, others=KEYS, rows=st.integers(1, 30))
def test_found_are_those_that_are_there(
    tmp_path_factory: pytest.TempPathFactory, keys: list[int], others: list[int], rows: int
) -> None:
    folder = tmp_path_factory.mktemp("table")
    work = Work(str(folder), "run")
    entries = np.zeros(len(keys), TABLES["bands"])
    entries["key"], entries["doc"] = np.sort(np.array(keys, np.uint64)), np.arange(len(keys))
    written = write_entries(work, "t", "bands", entries, Bounds(partition_rows=rows))
    table = Table(entries=tuple(part for part, _ in written), sketches=tuple(part for _, part in written))
    asked = np.unique(np.array([*keys[::2], *others], np.uint64))
    probe, found = find(work.storage, "bands", table, asked)
    expected = [(int(key), int(doc)) for key, doc in entries.tolist() if key in set(asked.tolist())]
    assert found.tolist() == expected
    assert asked[probe].tolist() == [key for key, _ in expected]
    low, high = sorted([*others, 0, 1 << 64][:2])
    inside = [(key, doc) for key, doc in entries.tolist() if low <= key < high]
    assert key_range(work.storage, "bands", table, low, high).tolist() == inside


def test_a_block_is_a_few_kilobytes() -> None:
    assert BLOCK_CELLS // CELLS_A_KEY == 4096
