"""Fingerprints: the kernels do what the definition in plain Python says, for any text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup import ExactDedup, MinHashDedup, fingerprints, read_fingerprints, shingle, write_fingerprints
from curation.dedup.fingerprint import fingerprint_schema, shingle_sets, signatures_of
from curation.document import document_batch
from curation.work import Work

EXACT, MINHASH = ExactDedup(), MinHashDedup()

TEXTS = [
    "",
    " \t\n",
    "!?",
    "One.",
    "one two three four five",
    "One two three four five six, seven; eight — nine ten.",
    "again and again and again and again and again and again",
    "ΟΔΥΣΣΕΥΣ ΚΑΙ ΣΙΣΥΦΟΣ και ο Άργος, Σ ΑΣ.",
    "İstanbul'da İYİ bir gün, I and ı",
    "Straße STRASSE ẞ ǅ ﬁ Ⱥ K Å ᾈ",
    "東京都 は 日本 の 首都 で ある。 東京",
    "हिन्दी में लिखा हुआ एक वाक्य और भी",
    "snake_case __init__ 3.14 ½ ² ٣٤ ⅷ Ⅷ x\u00a0y\u2003z\x1c\x85.",
    "𝐁𝐎𝐋𝐃 𐐀𐐁 emoji 👩‍👩‍👧 end",
    "w" * 5000 + " " + "ab " * 9000,
]

texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("aAbB  \nΣσİßé_1")), max_size=60)


def agrees(given_texts: list[str], minhash: MinHashDedup) -> None:
    batch = document_batch(given_texts, source="s", shard="s")
    found = fingerprints(batch, EXACT, minhash)
    signatures = signatures_of(found)
    sets = list(shingle_sets(batch["text"], minhash.ngram))
    for row, text in enumerate(given_texts):
        expected = shingle.shingle_set(text, minhash.ngram)
        digest = shingle.set_digest(expected)
        assert (found["exact_high"][row].as_py(), found["exact_low"][row].as_py()) == shingle.exact_key(text)
        assert (found["set_high"][row].as_py(), found["set_low"][row].as_py()) == digest
        assert found["shingles"][row].as_py() == len(expected)
        assert sets[row].tolist() == sorted(expected)
        theirs = MinHash(
            num_perm=minhash.permutations, seed=minhash.seed, scheme="affine32", hashfunc=shingle.shingle_hash32
        )
        theirs.update_batch(shingle.shingles(text, minhash.ngram))
        assert (signatures[row] == theirs.hashvalues).all()


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_the_kernel_follows_the_definition(text: str) -> None:
    agrees([text], MINHASH)


def test_signatures_are_datasketch_s_for_any_seed_and_length() -> None:
    agrees(TEXTS, MinHashDedup(ngram=2, bands=3, rows=5, seed=7))


@given(st.lists(texts, max_size=6))
def test_the_kernel_follows_the_definition_for_any_text(given_texts: list[str]) -> None:
    agrees(given_texts, MinHashDedup(ngram=2, bands=2, rows=2))


@given(texts)
def test_words_are_those_of_re(text: str) -> None:
    assert shingle.words(text) == re.findall(r"\w+", text.lower())


@given(texts, texts)
def test_equal_keys_mean_equal_shingles(left: str, right: str) -> None:
    same = left.swapcase() if left.swapcase().lower() == left.lower() else left
    spaced = f"\n{same}  ".replace(" ", " \t")
    assert shingle.exact_key(spaced) == shingle.exact_key(left)
    assert shingle.shingles(spaced, 5) == shingle.shingles(left, 5)
    assert (shingle.exact_key(left) == shingle.exact_key(right)) == (
        shingle.normalised(left) == shingle.normalised(right)
    )


def test_datasketch_s_index_takes_the_signatures() -> None:
    texts = [" ".join(f"w{number}" for number in range(many, 200)) for many in (0, 1, 120)]
    rows = signatures_of(fingerprints(document_batch(texts, source="s", shard="s"), None, MINHASH))
    index = MinHashLSH(num_perm=112, params=(14, 8))
    ours = [MinHash(scheme="affine32", hashvalues=row, hashfunc=shingle.shingle_hash32) for row in rows]
    for number, minhash in enumerate(ours):
        index.insert(number, minhash)
    assert set(index.query(ours[0])) == {0, 1}
    assert ours[0].jaccard(ours[1]) > 0.9


@given(st.lists(texts, max_size=8), st.integers(1, 4))
def test_batches_make_no_difference(given_texts: list[str], size: int) -> None:
    batch = document_batch(given_texts, source="s", shard="s")
    whole = fingerprints(batch, EXACT, MINHASH)
    parts = [fingerprints(batch.slice(begin, size), EXACT, MINHASH) for begin in range(0, len(given_texts), size)]
    assert pa.Table.from_batches(parts, whole.schema) == pa.Table.from_batches([whole])


def test_files_hold_what_was_written(tmp_path: Path) -> None:
    work = Work(str(tmp_path), "run")
    whole = fingerprints(document_batch(TEXTS, source="s", shard="s"), EXACT, MINHASH)
    key = write_fingerprints(work, "a", [whole.slice(0, 4), whole.slice(4)], EXACT, MINHASH)
    names = ["signature", "id", "exact_low"]
    back = pa.Table.from_batches(read_fingerprints(work.storage, key, names))
    assert back == pa.Table.from_batches([whole]).select(names)
    assert np.array_equal(signatures_of(back.to_batches()[0]), signatures_of(whole))


@pytest.mark.parametrize(("exact", "minhash"), [(EXACT, None), (None, MINHASH)])
def test_only_what_is_asked_for(exact: ExactDedup | None, minhash: MinHashDedup | None) -> None:
    found = fingerprints(document_batch(TEXTS, source="s", shard="s"), exact, minhash)
    assert found.schema == fingerprint_schema(exact, minhash)
    assert ("signature" in found.schema.names) == (minhash is not None)


@pytest.mark.parametrize("name", ["a", "a.parquet"])
def test_a_file_s_name_ends_in_parquet_once(tmp_path: Path, name: str) -> None:
    work = Work(str(tmp_path), "run")
    assert write_fingerprints(work, name, [], EXACT, MINHASH) == work.key("a.parquet")


def test_a_text_of_more_shingles_than_the_hash_table_takes() -> None:
    words = [f"{number * 7919 % 70_001:x}" for number in range(140_000)]
    agrees([" ".join(words), "short one", " ".join([*words[:1000] * 150])], MinHashDedup(ngram=2, bands=2, rows=2))
