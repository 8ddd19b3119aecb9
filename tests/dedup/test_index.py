"""The index of a version's kept documents."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation.dedup import Bounds, ExactDedup, MinHashDedup, fingerprints, read_index_meta
from curation.dedup.bands import band_keys
from curation.dedup.fingerprint import signatures_of
from curation.document import document_batch
from curation.errors import MissingError, RecipeError
from curation.storage import open_storage
from tests.dedup.corpus import SMALL, run

EXACT, MINHASH = ExactDedup(scope="source"), MinHashDedup(bands=3, rows=2)
SHARDS = [
    (
        "a",
        [
            "one two three four five six seven",
            "One two three four five six  seven",
            "other words entirely here and now",
        ],
    ),
    ("a", ["one two three four five six seven"]),
    ("b", ["!!", "something else that nobody has ever said before"]),
]


def test_the_index_holds_the_kept_documents(tmp_path: Path) -> None:
    found = run(tmp_path, SHARDS, EXACT, MINHASH, SMALL, index="_index/v1")
    assert found.result.kept == (2, 0, 2)
    tables = {"exact": [], "bands": []}  # type: dict[str, list[dict[str, object]]]
    for part in found.result.index:
        data = (tmp_path / part.path).read_bytes()
        assert (part.bytes, part.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        if part.path.endswith(".parquet"):
            rows = pq.read_table(io.BytesIO(data)).to_pylist()
            assert len(rows) == part.rows
            tables[part.path.split("/")[-1].split("-")[0]] += rows
    # The second shard keeps nothing, so it has no file, and the third is the version's file number 1.
    places = {(row["id"], row["shard"], row["row"]) for row in tables["exact"]}
    assert places == {("0/1", 0, 0), ("0/2", 0, 1), ("2/0", 1, 0), ("2/1", 1, 1)}
    assert {row["id"] for row in tables["bands"]} == {"0/1", "0/2", "2/1"}, "a document without words has no bands"
    batch = document_batch([SHARDS[0][1][1]], source="a", shard="x")
    keys = band_keys(signatures_of(fingerprints(batch, None, MINHASH)), MINHASH, MINHASH.salt("a"))[0].tolist()
    mine = sorted((row["band"], row["key"]) for row in tables["bands"] if row["id"] == "0/1")
    assert mine == list(enumerate(keys))


def test_the_index_is_the_same_for_any_division_into_groups(tmp_path: Path) -> None:
    parts = [
        run(tmp_path / str(size), SHARDS, EXACT, MINHASH, Bounds(group_documents=size), index="i").result.index
        for size in (1, 2, 100)
    ]
    assert parts[0] == parts[1] == parts[2]


@pytest.mark.parametrize(
    ("exact", "minhash", "path"),
    [
        (EXACT, MinHashDedup(bands=3, rows=2, seed=2), "minhash"),
        (EXACT, MinHashDedup(bands=3, rows=2, ngram=4), "minhash"),
        (EXACT, None, "minhash"),
        (ExactDedup(), MINHASH, "exact"),
    ],
)
def test_keys_of_another_meaning_are_refused(
    tmp_path: Path, exact: ExactDedup | None, minhash: MinHashDedup | None, path: str
) -> None:
    run(tmp_path, SHARDS, EXACT, MINHASH, index="i")
    storage = open_storage(str(tmp_path))
    assert read_index_meta(storage, "i", EXACT, MinHashDedup(bands=3, rows=2, min_similarity=0.9)).band_partitions == 1
    with pytest.raises(RecipeError) as error:
        read_index_meta(storage, "i", exact, minhash)
    assert [problem.path for problem in error.value.problems] == [path]


def test_a_change_of_unicode_or_format_is_refused(tmp_path: Path) -> None:
    run(tmp_path, SHARDS, EXACT, MINHASH, index="i")
    meta = tmp_path / "i" / "index.json"
    meta.write_text(meta.read_text().replace("unicode-", "unicode-0"))
    with pytest.raises(RecipeError, match="normaliser"):
        read_index_meta(open_storage(str(tmp_path)), "i", EXACT, MINHASH)
    with pytest.raises(MissingError):
        read_index_meta(open_storage(str(tmp_path)), "nowhere", EXACT, MINHASH)
