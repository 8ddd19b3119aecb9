"""An index of ids finds every row of an id, whatever there is of ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import ids
from curation.errors import CorruptError
from curation.manifest import Part, part
from curation.storage import Storage, open_storage


def written(storage: Storage, values: Sequence[str | None]) -> Part:
    data, entries = ids.encode(pa.array(values, pa.string()))
    storage.write("part.ids", data)
    return part("part.ids", data, entries)


def test_every_id_of_many_is_found_where_it_is(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    values: list[str | None] = [f"document-{n % 20_000}" for n in range(30_000)]
    index = written(storage, values)
    for n in range(0, 20_000, 97):
        expected = [n, n + 20_000] if n < 10_000 else [n]
        assert ids.look_up(storage, index, f"document-{n}") == expected
    assert all(ids.look_up(storage, index, f"absent-{n}") == [] for n in range(200))


def test_hashes_that_are_not_uniform_are_found_all_the_same(tmp_path: Path) -> None:
    """One id many times: its neighbours are far from where a uniform index would have them."""
    storage = open_storage(str(tmp_path))
    index = written(storage, ["same"] * 20_000 + [f"document-{n}" for n in range(5_000)])
    assert ids.look_up(storage, index, "same") == list(range(20_000))
    assert all(ids.look_up(storage, index, f"document-{n}") == [20_000 + n] for n in range(0, 5_000, 61))


@given(values=st.lists(st.none() | st.sampled_from(["a", "b", "ä", "a\0", ""]) | st.text(max_size=3), max_size=40))
def test_rows_are_those_that_hold_the_id(tmp_path_factory: pytest.TempPathFactory, values: list[str | None]) -> None:
    storage = open_storage(str(tmp_path_factory.mktemp("ids")))
    index = written(storage, values)
    for value in {value for value in values if value is not None}:
        assert ids.look_up(storage, index, value) == [row for row, found in enumerate(values) if found == value]
    assert index.rows == sum(value is not None for value in values)
    assert ids.look_up(storage, index, "not there") == []


def test_the_index_is_a_function_of_the_ids() -> None:
    assert ids.encode(pa.array(["b", None, "a"])) == ids.encode(pa.chunked_array([["b", None], ["a"]]))


def test_a_file_of_another_size_is_no_index(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    index = written(storage, ["a", "b"])
    with pytest.raises(CorruptError, match="24 bytes, expected 3 entries"):
        ids.look_up(storage, index.model_copy(update={"rows": 3}), "a")
