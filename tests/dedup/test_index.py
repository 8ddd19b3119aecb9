"""The index of a version's kept documents, over nights: looked up, merged, and made anew."""

from __future__ import annotations

import hashlib
import pickle
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from curation.dedup import Bounds, ExactDedup, MinHashDedup, fingerprints
from curation.dedup.bands import band_keys
from curation.dedup.fingerprint import KEY_HIGH, KEY_LOW, SET_HIGH, SET_LOW, SHINGLES, signatures_of
from curation.dedup.index import Index, compact, due, segments_of
from curation.dedup.index.layout import Segment
from curation.dedup.stage import Uint64s
from curation.document import document_batch
from curation.errors import CorruptError, MissingError, RecipeError
from curation.manifest import Part
from tests.dedup.corpus import SMALL
from tests.dedup.indexed import RUNNER, Document, Nights, addresses

EXACT, MINHASH = ExactDedup(scope="source"), MinHashDedup(bands=3, rows=2, scope="source")
BY_QUALITY = ExactDedup(keep="best_quality", quality="some.quality")
NEAR_BY_QUALITY = MinHashDedup(bands=2, rows=3, keep="best_quality", quality="some.quality")
TABLES = ("exact", "sets", "bands")


def text(chosen: random.Random) -> str:
    """A few words of very few, so that keys are shared; sometimes none."""
    return " ".join(chosen.choice("abcd") for _ in range(chosen.randrange(9))) or "!?"


def nights(folder: Path, seed: int, bounds: Bounds, exact: ExactDedup | None, minhash: MinHashDedup | None) -> Nights:
    """Six nights, on which documents come, go and gain and lose copies; one of them brings nothing new."""
    chosen = random.Random(seed)
    made = Nights(folder, exact, minhash, bounds)
    for night in range(6):
        pieces = [
            (chosen.choice(["web", "books"]), [text(chosen) for _ in range(chosen.randrange(12))])
            for _ in range(0 if night == 3 else chosen.randrange(1, 4))
        ]
        removed = chosen.sample(made.documents, len(made.documents) // 4)
        if night == 4:
            first = made.documents[0].piece
            removed = [document for document in made.documents if document.piece == first]
        stay = [document for document in made.documents if document not in removed]
        grown = [(document, chosen.choice([-1, 1, 2])) for document in chosen.sample(stay, len(stay) // 3)]
        made.night(pieces, removed, [(each, count) for each, count in grown if each.copies + count > 0])
    return made


def brute_force(made: Nights, table: str) -> dict[int, list[tuple[int, Document]]]:
    """key → (low half, document), for the documents as they are."""
    found: dict[int, list[tuple[int, Document]]] = {}
    for document in made.documents:
        batch = document_batch([document.text], source=document.source, shard=document.uri)
        prints = fingerprints(batch, EXACT, MINHASH)
        if table == "exact":
            pairs = [(prints[KEY_HIGH][0].as_py() ^ EXACT.salt(document.source), prints[KEY_LOW][0].as_py())]
        elif prints[SHINGLES][0].as_py() == 0:
            pairs = []
        elif table == "sets":
            pairs = [(prints[SET_HIGH][0].as_py() ^ MINHASH.salt(document.source), prints[SET_LOW][0].as_py())]
        else:
            keys = band_keys(signatures_of(prints), MINHASH, MINHASH.salt(document.source))
            pairs = [(key, 0) for key in keys.ravel().tolist()]
        for key, low in pairs:
            found.setdefault(key, []).append((low, document))
    return found


def known_documents(made: Nights, index: Index, docs: Uint64s) -> list[Document]:
    """The documents that these addresses mean, by all that the index says of them."""
    names = index.names(docs).to_pylist()
    texts = {
        doc: said for some, said_of in index.texts(docs) for doc, said in zip(some, said_of.to_pylist(), strict=True)
    }
    by_place = {(document.uri, document.row): document for document in made.documents}
    found = [by_place[name["shard"], name["row"]] for name in names]
    assert [document.id for document in found] == [name["id"] for name in names]
    assert [document.text for document in found] == [texts[doc] for doc in docs.tolist()]
    assert index.records(docs).copies.tolist() == [document.copies for document in found]
    assert (index.addresses(docs) == addresses(found)).all()
    return found


def assert_knows(made: Nights, index: Index, removed: list[Document]) -> None:
    """Every key of a document is found, and a few that nobody has are not."""
    for table in TABLES:
        wanted = brute_force(made, table)
        keys = np.array(sorted({*wanted, 0, 1 << 63, (1 << 64) - 1}), np.uint64)
        hits = index.hits(table, keys)  # type: ignore[arg-type]
        assert hits.key.tolist() == sorted(hits.key.tolist())
        docs = np.unique(hits.docs)
        documents = dict(zip(docs.tolist(), known_documents(made, index, docs), strict=True))
        found = {
            (int(keys[place]), low, documents[doc].id)
            for place, low, doc in zip(hits.key.tolist(), hits.low.tolist(), hits.docs.tolist(), strict=True)
        }
        expected = [
            (key, low, document.id)
            for key, pairs in wanted.items()
            for low, document in pairs
            if document not in removed
        ]
        assert (found, hits.key.size) == (set(expected), len(expected))


@pytest.mark.parametrize(("seed", "bounds"), [(0, SMALL), (1, SMALL), (2, Bounds()), (3, Bounds()), (4, Bounds())])
def test_looked_up_is_what_the_version_keeps(tmp_path: Path, seed: int, bounds: Bounds) -> None:
    made = nights(tmp_path, seed, bounds, EXACT, MINHASH)
    removed = made.documents[::5]
    assert_knows(made, pickle.loads(pickle.dumps(made.open(removed))), removed)
    for count in (2, 4, 6):
        assert_knows(made, made.compacted(count).open(removed), removed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("exact", "minhash"),
    [
        (EXACT, MINHASH),
        (None, MINHASH),
        (BY_QUALITY, None),
        (EXACT, NEAR_BY_QUALITY),
    ],
)
def test_merged_and_made_anew_it_has_the_same_bytes(
    tmp_path: Path, seed: int, exact: ExactDedup | None, minhash: MinHashDedup | None
) -> None:
    made = nights(tmp_path, seed, SMALL if seed % 2 else Bounds(), exact, minhash)
    rebuilt = made.rebuilt()
    for merged in (made.compacted(6), made.compacted(3).compacted(4)):
        assert [content(tmp_path, part) for part in merged.index] == [content(tmp_path, part) for part in rebuilt]


def content(folder: Path, part: Part) -> tuple[str, int, str, bytes]:
    data = (folder / part.path).read_bytes()
    assert (part.bytes, part.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    return part.path.split("/")[-1], part.rows, part.sha256, data


def test_done_again_and_for_any_division_into_groups_it_is_the_same(tmp_path: Path) -> None:
    made = [
        nights(tmp_path / str(size), 1, Bounds(group_documents=size, partition_rows=40), EXACT, MINHASH)
        for size in (1, 5, 100)
    ]
    assert made[0].index == made[1].index == made[2].index
    assert made[0].compacted(4).index == made[0].compacted(4).index


def test_an_empty_index_knows_nothing(tmp_path: Path) -> None:
    made = Nights(tmp_path, EXACT, MINHASH, Bounds())
    for _ in range(2):
        index = made.open()
        assert index.pieces == 0
        assert index.hits("bands", np.array([5], np.uint64)).docs.size == 0
        made.night([])
    assert content(tmp_path, made.compacted(2).index[-1]) == content(tmp_path, made.rebuilt()[-1])


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("exact", "minhash", "path"),
    [
        (EXACT, MinHashDedup(bands=3, rows=2, scope="source", seed=2), "minhash"),
        (EXACT, MinHashDedup(bands=3, rows=2, scope="source", ngram=4), "minhash"),
        (EXACT, None, "minhash"),
        (ExactDedup(), MINHASH, "exact"),
    ],
)
def test_keys_of_another_meaning_are_refused(
    tmp_path: Path, exact: ExactDedup | None, minhash: MinHashDedup | None, path: str
) -> None:
    made = nights(tmp_path, 0, SMALL, EXACT, MINHASH)
    replace(made, minhash=MINHASH.model_copy(update={"min_similarity": 0.9})).open()
    other = replace(made, exact=exact, minhash=minhash)
    with pytest.raises(RecipeError, match="rebuild") as error:
        other.open()
    assert [problem.path for problem in error.value.problems] == [path]
    with pytest.raises(RecipeError):
        other.compacted(2)


def test_a_change_of_unicode_or_format_is_refused(tmp_path: Path) -> None:
    made = nights(tmp_path, 0, SMALL, EXACT, MINHASH)
    meta = made.index[-1]
    for old, new, path in ((b"unicode-", b"unicode-0", "normaliser"), (b'"format": 2', b'"format": 3', "index")):
        data = (tmp_path / meta.path).read_bytes().replace(old, new)
        altered = Path(tmp_path, "altered/index.json")
        altered.parent.mkdir(exist_ok=True)
        changed = [part.model_copy(update={"path": f"altered/{part.path.split('/')[-1]}"}) for part in youngest(made)]
        for part, copy in zip(youngest(made), changed, strict=True):
            (tmp_path / copy.path).write_bytes((tmp_path / part.path).read_bytes())
        altered.write_bytes(data)
        changed[-1] = changed[-1].model_copy(update={"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        with pytest.raises(RecipeError) as error:
            replace(made, index=(*made.index[: -len(changed)], *changed)).open()
        assert [problem.path for problem in error.value.problems] == [path]


def youngest(made: Nights) -> tuple[Part, ...]:
    return segments_of(made.index)[-1].parts


def ask(made: Nights) -> None:
    """Look up all there is, with all that is said of it."""
    assert_knows(made, made.open(), [])


@pytest.mark.parametrize("name", ["exact", "sets", "bands", "docs", "pieces", "index.json"])
def test_a_file_that_is_not_what_it_was_is_refused(tmp_path: Path, name: str) -> None:
    made = Nights(tmp_path, EXACT, MINHASH, Bounds())
    chosen = random.Random(1)
    made.night([("web", [f"{text(chosen)} {n}" for n in range(9)])])
    ask(made)
    for part in [part for part in made.index if f"/{name}" in part.path]:
        path = tmp_path / part.path
        before = path.read_bytes()
        for after in (before[: len(before) // 2], before[:8] + bytes(len(before) - 8) if name != "docs" else b""):
            path.write_bytes(after)
            with pytest.raises(CorruptError):
                ask(made)
            path.write_bytes(before)


def test_kept_documents_that_are_not_where_they_were_are_noticed(tmp_path: Path) -> None:
    made = Nights(tmp_path, EXACT, MINHASH, Bounds())
    made.night([("web", ["one", "two", "three"])])
    made.documents[:2] = reversed(made.documents[:2])
    with pytest.raises(CorruptError, match="not where the index knows them"):
        ask(made)
    made.documents[0] = replace(made.documents[0], row=77)
    del made.documents[2]
    with pytest.raises(CorruptError, match="are not in it"):
        ask(made)


def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    made = Nights(tmp_path, EXACT, MINHASH, Bounds())
    made.night([("web", ["one", "two"])])
    first = made.index
    made.night([("web", ["three"])])
    index = made.index
    for broken in (index[:-1], index[1:], (index[0], *index), first, index[len(first) :]):
        with pytest.raises(CorruptError, match="rebuild"):
            replace(made, index=broken).open()
    (tmp_path / index[0].path).unlink()
    with pytest.raises(MissingError):
        ask(made)


def test_documents_that_left_without_a_word_are_noticed_when_it_is_merged(tmp_path: Path) -> None:
    made = nights(tmp_path, 0, SMALL, EXACT, MINHASH)
    made.documents = made.documents[1:]
    with pytest.raises(CorruptError, match="rebuild"):
        made.compacted(6)


def test_only_so_many_segments_can_be_merged(tmp_path: Path) -> None:
    made = nights(tmp_path, 0, SMALL, EXACT, MINHASH)
    for count in (0, 7):
        with pytest.raises(ValueError, match="segments"):
            compact(made.work, RUNNER, made.manifest(), count, EXACT, MINHASH, "_index/x", SMALL)


# -------------------------------------------------------------------------------------------------- when to merge them


def segment(size: int) -> Segment:
    part = Part(path="s/x", rows=0, bytes=0, sha256="")
    return Segment(folder="s", docs=(), tables={}, pieces=part.model_copy(update={"bytes": size}), meta=part)


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ([], 0),
        ([5, 5, 5], 0),
        ([5, 5, 5, 5], 4),
        ([100, 5, 5, 5], 0),
        ([100, 5, 5, 5, 5], 4),
        ([100, 20, 5, 5, 5], 0),
        ([100, 20, 5, 5, 5, 5], 5),
        ([100, 99, 98, 97], 4),
        ([1, 100, 1, 1], 0),
    ],
)
def test_segments_of_similar_size_are_due(sizes: list[int], count: int) -> None:
    assert due([segment(size) for size in sizes]) == count


def test_a_thousand_nights_stay_a_few_segments(tmp_path: Path) -> None:
    sizes, rewritten = [1000], 0
    chosen = random.Random(0)
    for night in range(1, 1001):
        sizes.append(chosen.randrange(5, 15))
        count = due([segment(size) for size in sizes])
        if count:
            rewritten += sum(sizes[-count:])
            sizes[-count:] = [sum(sizes[-count:])]
        assert len(sizes) <= 4 + np.log2(night)
        assert sizes[0] == 1000 or sum(sizes) >= 2000, "the base is not merged before as much has come as it has"
    assert rewritten < sum(sizes) * np.log2(1000) / 1.5
