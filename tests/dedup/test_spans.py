from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup import Bounds, ShardInput
from curation.dedup.spans import (
    SPANS,
    Cut,
    ParagraphDedup,
    SpanStage,
    SubstringDedup,
    cut,
    find_repeats,
    listed,
    parts,
)
from curation.dedup.spans.cutting import LISTED
from curation.dedup.spans.firsts import FirstCopies
from curation.dedup.spans.parts import parts_of
from curation.runner.local import LocalRunner
from curation.work import Work
from tests.dedup.scratch import scratch

SMALL = Bounds(group_documents=2, partition_rows=5)
SUBSTRING = SubstringDedup(min_words=5, min_left=1)
PARAGRAPH = ParagraphDedup(min_characters=1, min_left=1)
LINE = ParagraphDedup(min_characters=1, min_left=1, unit="line")

SPACES = " \t\n\v\f\r"
WHITE = SPACES.encode()

Shards = Sequence[tuple[str, Sequence[str]]]


def run(folder: Path, shards: Shards, stages: Sequence[SpanStage], bounds: Bounds = SMALL) -> list[list[str]]:
    """The texts of each shard without what is repeated."""
    return [done.texts.to_pylist() for done in cut_all(folder, shards, stages, bounds)]


def cut_all(folder: Path, shards: Shards, stages: Sequence[SpanStage], bounds: Bounds = SMALL) -> list[Cut]:
    """What became of the texts of each shard. Document `t-s` is the t-th of shard s, of the file `s`."""
    work = Work(str(folder), "run")
    inputs = []
    for number, (source, texts) in enumerate(shards):
        key = work.key(f"texts/{number}.parquet")
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        rows = range(len(texts))
        columns = {
            "text": pa.array(texts, pa.large_string()),
            "id": pa.array([f"{row}-{number}" for row in rows], pa.string()),
            "shard": pa.array([str(number)] * len(texts), pa.string()),
            "row": pa.array(rows, pa.int64()),
        }
        pq.write_table(pa.table(columns), folder / key)
        inputs.append(
            ShardInput(
                number=number, name=f"s/{number}", source=source, fingerprints="", texts=key, documents=len(texts)
            )
        )
    size = sum(len(text.encode()) for _, texts in shards for text in texts)
    found = find_repeats(work.under("spans"), LocalRunner(), inputs, [None] * len(inputs), stages, size, bounds)
    results = []
    for (_, texts), spans_key in zip(shards, found, strict=True):
        spans = pq.read_table(folder / spans_key) if spans_key else SPANS.empty_table()
        results.append(cut(pa.array(texts, pa.large_string()), spans, stages))
    return results


def expected(shards: Shards, width: int) -> list[list[list[str]]]:
    """The words that stay: those in no sequence of `width` words that stood before; all where none would."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for _, texts in shards:
        mine = []
        for text in texts:
            words = text.split()
            covered = [False] * len(words)
            for begin in range(len(words) - width + 1):
                window = tuple(words[begin : begin + width])
                if window in seen:
                    covered[begin : begin + width] = [True] * width
                seen.add(window)
            mine.append([word for word, gone in zip(words, covered, strict=True) if not gone] or words)
        kept.append(mine)
    return kept


texts = st.lists(st.sampled_from("abc"), max_size=30).map(" ".join)
corpora = st.lists(st.tuples(st.just("s"), st.lists(texts, max_size=3)), min_size=1, max_size=4)


@given(corpora)
def test_words_in_no_repeated_sequence_stay(shards: Shards) -> None:
    with scratch() as folder:
        found = run(folder, shards, [SUBSTRING])
    assert [[text.split() for text in shard] for shard in found] == expected(shards, 5)


@given(corpora)
def test_the_division_does_not_matter(shards: Shards) -> None:
    with scratch() as one, scratch() as two:
        assert run(one, shards, [SUBSTRING, LINE]) == run(two, shards, [SUBSTRING, LINE], Bounds())


paragraphs = st.lists(
    st.sampled_from(["one", "Two", "two", "t  wo", "three\nfour", "three\r\nfour", "国", "\t"]), max_size=5
).flatmap(lambda units: st.sampled_from(["\n\n", "\n \t\n", "\r\n\r\n"]).map(lambda gap: gap.join(units)))


@given(st.lists(st.tuples(st.just("s"), st.lists(paragraphs, max_size=3)), min_size=1, max_size=3))
def test_the_first_of_equal_paragraphs_stays(shards: Shards) -> None:
    seen: set[str] = set()
    wanted: list[list[list[str] | None]] = []
    for _, several in shards:
        mine: list[list[str] | None] = []
        for text in several:
            kept, lost = [], False
            for paragraph in re.split(r"\n\s*\n", text):
                key = " ".join(paragraph.lower().split())
                if key and key in seen:
                    lost = True
                elif key:
                    kept.append(key)
                seen.add(key)
            mine.append(kept if lost and kept else None)
        wanted.append(mine)
    with scratch() as folder:
        found = run(folder, shards, [PARAGRAPH])
    for (_, texts), after, mine in zip(shards, found, wanted, strict=True):
        for text, left, units in zip(texts, after, mine, strict=True):
            if units is None:
                assert left == text
            else:
                assert [" ".join(unit.lower().split()) for unit in re.split(r"\n\s*\n", left)] == units


def test_what_is_recorded_is_not_done_again(tmp_path: Path) -> None:
    shards = [("s", ["one two three four five six"] * 3), ("s", ["zero one two three four five"] * 2)]
    once = run(tmp_path, shards, [SUBSTRING])
    files = {path: path.read_bytes() for path in tmp_path.rglob("spans/**/*") if path.is_file()}
    assert run(tmp_path, shards, [SUBSTRING]) == once
    assert files == {path: path.read_bytes() for path in tmp_path.rglob("spans/**/*") if path.is_file()}
    for path in files:
        path.unlink()
    assert run(tmp_path, shards, [SUBSTRING]) == once
    assert {path: path.read_bytes() for path in files} == files


def test_lines_are_compared_but_for_case_and_white_space(tmp_path: Path) -> None:
    found = run(tmp_path, [("s", ["Menu\nabout  us\nbody"]), ("s", ["about us\nother", "ABOUT US"])], [LINE])
    assert found == [["Menu\nabout  us\nbody"], ["other", "ABOUT US"]], "the last would be empty"


def test_what_stands_around_a_cut_stays_apart_as_it_was(tmp_path: Path) -> None:
    twice = "the quick brown fox jumps over"
    around = [f"a {twice} b", f"c {twice}\nd", f"e\n{twice} f", f"\n\n{twice}\n\ng"]
    found = run(tmp_path, [("s", [twice]), ("s", around)], [SUBSTRING])
    assert found[1] == ["a b", "c\nd", "e\nf", "g"]


def spans_of(rows: Sequence[tuple[int, int, int, int]]) -> pa.Table:
    """Stretches (row, begin, end, stage), whose first copies stand at the beginning of one document."""
    whole = [(*row, "first", "file", 7, 0) for row in rows]
    columns = [*zip(*whole, strict=True)]
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SPANS, strict=True)], SPANS)


def test_what_is_apart_stays_apart() -> None:
    texts = pa.array(["a(bb c", "a bb)c", "a(bb)c", "a bb c"], pa.large_string())
    assert cut(texts, spans_of([(row, 2, 4, 0) for row in range(4)]), [SUBSTRING]).texts.to_pylist() == [
        "a( c",
        "a )c",
        "a()c",
        "a c",
    ]


def test_sources_may_be_kept_apart(tmp_path: Path) -> None:
    shards = [("a", ["one two three four five"]), ("b", ["one two three four five six"])]
    apart = SUBSTRING.model_copy(update={"scope": "source"})
    assert run(tmp_path / "1", shards, [apart]) == [list(texts) for _, texts in shards]
    assert run(tmp_path / "2", shards, [SUBSTRING]) == [["one two three four five"], ["six"]]


def test_a_document_of_which_too_little_is_left_stays_whole() -> None:
    stages = [PARAGRAPH.model_copy(update={"min_left": 4}), SUBSTRING.model_copy(update={"min_left": 1})]
    texts = pa.array(["aaaa bbbb", "aaaa bb", "abc"], pa.large_string())
    done = cut(texts, spans_of([(0, 4, 9, 0), (1, 0, 5, 0), (0, 2, 6, 1), (2, 0, 3, 1)]), stages)
    assert done.texts.to_pylist() == ["aa", "aaaa bb", "abc"]
    told = {name: values.to_pylist() for name, values in done.values.items()}
    assert [[taken[:2] for taken in listed(cuts)] for cuts in told.pop("paragraph_dedup.cuts")] == [[(4, 9)], [], []]
    assert [[taken[:2] for taken in listed(cuts)] for cuts in told.pop("substring_dedup.cuts")] == [[(2, 6)], [], []]
    assert told == {
        "paragraph_dedup.spans": [1, 0, 0],
        "paragraph_dedup.removed": [5, 0, 0],
        "paragraph_dedup.whole": [False, True, False],
        "substring_dedup.spans": [1, 0, 0],
        "substring_dedup.removed": [2, 0, 0],
        "substring_dedup.whole": [False, False, True],
    }


def test_characters_are_words_where_there_are_no_spaces(tmp_path: Path) -> None:
    found = run(tmp_path, [("s", ["国境の長いトンネル"]), ("s", ["あの国境の長い道"])], [SUBSTRING])
    assert found[1] == ["あの道"]


def test_each_cut_says_where_it_was_and_where_it_stands_first(tmp_path: Path) -> None:
    one, two = "the quick brown fox jumps", "over a lazy dog today"
    shards = [("s", [f"so: {one}", "none"]), ("s", ["é " + two]), ("s", [f"x {one} y {two} z", f"{two} {one} w"])]
    done = cut_all(tmp_path, shards, [SUBSTRING])
    assert done[0].values["substring_dedup.cuts"].to_pylist() == [None, None]
    cuts = [listed(each) for each in done[2].values["substring_dedup.cuts"].to_pylist()]
    assert cuts[0] == [(2, 27, "0-0", "0", 0, 4), (30, 51, "0-1", "1", 0, 3)]
    assert cuts[1] == [(0, 21, "0-1", "1", 0, 3), (22, 47, "0-0", "0", 0, 4)]


def test_of_many_cuts_the_first_are_told(tmp_path: Path) -> None:
    lines = [f"line number {n}" for n in range(100)]
    text = "\nown\n".join(lines)
    (done,) = cut_all(tmp_path, [("s", ["\n".join(lines), text])], [LINE])
    assert done.values["paragraph_dedup.spans"].to_pylist() == [0, 100 + 98], "`own` stands first in the same document"
    assert [taken.begin for taken in listed(done.values["paragraph_dedup.cuts"][1].as_py())][:2] == [0, 18]
    assert len(listed(done.values["paragraph_dedup.cuts"][1].as_py())) == LISTED


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=300), max_size=6))
def test_a_copy_is_told_from_the_first_whatever_comes_with_it(slices: list[list[tuple[int, int]]]) -> None:
    firsts, at = FirstCopies(), 0
    seen: dict[tuple[int, ...], int] = {}
    for rows in slices:
        keys = np.array(rows, np.uint64).reshape(-1, 2)
        keys[:, 0] += np.arange(at, at + len(rows), dtype=np.uint64) // 3 * 7 % 2000
        docs = np.arange(at, at + len(rows), dtype=np.uint64)
        is_copy, first_docs, first_begins = firsts.of(keys[:, 0], keys[:, 1], docs, docs.astype(np.uint32) + 5)
        for n, key in enumerate(map(tuple, keys.tolist())):
            assert is_copy[n] == (key in seen)
            seen.setdefault(key, at + n)
            assert (first_docs[n], first_begins[n]) == (seen[key], seen[key] + 5)
        at += len(rows)


def test_many_keys() -> None:
    firsts = FirstCopies()
    keys = np.random.default_rng(5).integers(0, 1 << 63, 50_000).astype(np.uint64)
    docs = np.arange(keys.size, dtype=np.uint64)
    assert not firsts.of(keys, keys * np.uint64(3), docs, docs.astype(np.uint32))[0].any()
    is_copy, first, _ = firsts.of(keys[::-1].copy(), keys[::-1] * np.uint64(3), docs, docs.astype(np.uint32))
    assert is_copy.all()
    assert (first == docs[::-1]).all()


def units_of(text: str, by_line: bool, least: int) -> list[str]:
    """The paragraphs or lines of a text, as `units` defines them."""
    lines = [line.strip(SPACES) for line in text.split("\n")]
    if by_line:
        found = lines
    else:
        whole = "\n".join(line if line.strip(SPACES) else "" for line in text.split("\n"))
        found = [unit.strip(SPACES) for unit in re.split(r"\n{2,}", whole)]
    return [unit for unit in found if len(unit) >= least]


@given(st.lists(st.text(alphabet="ab国é \t\r\n", max_size=30), max_size=4), st.booleans(), st.integers(1, 4))
def test_units_are_paragraphs_and_lines_of_enough_characters(texts: list[str], by_line: bool, least: int) -> None:
    stage = ParagraphDedup(unit="line" if by_line else "paragraph", min_characters=least)
    (parts,) = parts_of(stage, pa.array(texts, pa.large_string()))
    found: list[list[str]] = [[] for _ in texts]
    for of, begin, end in zip(parts.of.tolist(), parts.begin.tolist(), parts.end.tolist(), strict=True):
        found[of].append(texts[of].encode()[begin:end].decode())
    assert found == [units_of(text, by_line, least) for text in texts]


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=20), max_size=4), st.integers(5, 8), st.integers(1, 30))
def test_every_sequence_of_words_has_its_key_however_many_are_held(
    documents: list[list[str]], width: int, held: int
) -> None:
    texts = pa.array([" ".join(words) for words in documents], pa.large_string())
    keys: dict[tuple[str, ...], tuple[int, ...]] = {}
    places = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "WINDOWS", held)
        for found in parts_of(SubstringDedup(min_words=width), texts):
            for key, of, begin, end in zip(*(column.tolist() for column in found), strict=True):
                window = tuple(texts[of].as_py()[begin:end].split())
                assert keys.setdefault(window, tuple(key)) == tuple(key)
                places.append((of, begin // 2))
    assert places == [(of, n) for of, words in enumerate(documents) for n in range(len(words) - width + 1)]
    assert len(set(keys.values())) == len(keys)


def without(text: bytes, stretches: Sequence[tuple[int, int]]) -> bytes:
    """A text without these stretches; of the white space around each that with more line feeds, else that before."""
    if not stretches:
        return text
    left, at = b"", 0
    for begin, end in stretches:
        left += text[at:begin]
        body, rest = left.rstrip(WHITE), text[end:].lstrip(WHITE)
        before, behind = left[len(body) :], text[end : len(text) - len(rest)]
        gap = behind if not before or behind.count(b"\n") > before.count(b"\n") else before
        left, at = body + gap, len(text) - len(rest)
    return (left + text[at:]).strip(WHITE)


@given(
    st.lists(st.tuples(st.text(alphabet="ab \n\t", max_size=20), st.sets(st.integers(0, 20), max_size=6)), max_size=4)
)
def test_what_is_left_is_the_text_without_the_stretches(cases: list[tuple[str, set[int]]]) -> None:
    texts, rows, wanted = [], [], []
    for n, (text, bounds) in enumerate(cases):
        inside = sorted(place for place in bounds if place <= len(text))
        stretches = [*zip(inside[::2], inside[1::2], strict=False)]
        texts.append(text)
        rows += [(n, begin, end, 0) for begin, end in stretches]
        left = without(text.encode(), stretches).decode()
        wanted.append(left if left or not stretches else text)
    spans = spans_of(rows) if rows else SPANS.empty_table()
    assert cut(pa.array(texts, pa.large_string()), spans, [SUBSTRING]).texts.to_pylist() == wanted


@pytest.mark.parametrize("stage", [SUBSTRING, PARAGRAPH])
def test_nothing_at_all(stage: SpanStage, tmp_path: Path) -> None:
    assert run(tmp_path / "1", [("s", [])], [stage]) == [[]]
    assert run(tmp_path / "2", [("s", ["", " \n\n ", "\n"])], [stage]) == [["", " \n\n ", "\n"]]
    assert run(tmp_path / "3", [], [stage]) == []
