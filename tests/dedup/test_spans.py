from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup import Bounds, ShardInput
from curation.dedup.spans import SPANS, ParagraphDedup, SpanStage, SubstringDedup, cut, find_repeats
from curation.runner.local import LocalRunner
from curation.work import Work
from tests.dedup.scratch import scratch

SMALL = Bounds(group_documents=2, partition_rows=5)
SUBSTRING = SubstringDedup(min_words=5, min_left=0)
PARAGRAPH = ParagraphDedup(min_characters=1, min_left=0)
LINE = ParagraphDedup(min_characters=1, min_left=0, unit="line")

Shards = Sequence[tuple[str, Sequence[str]]]


def run(folder: Path, shards: Shards, stages: Sequence[SpanStage], bounds: Bounds = SMALL) -> list[list[str]]:
    """The texts of each shard without what is repeated."""
    work = Work(str(folder), "run")
    inputs = []
    for number, (source, texts) in enumerate(shards):
        key = work.key(f"texts/{number}.parquet")
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"text": pa.array(texts, pa.large_string())}), folder / key)
        inputs.append(
            ShardInput(
                number=number, name=f"s/{number}", source=source, fingerprints="", texts=key, documents=len(texts)
            )
        )
    found = find_repeats(work.under("spans"), LocalRunner(), inputs, [None] * len(inputs), stages, bounds)
    results = []
    for (_, texts), spans_key in zip(shards, found, strict=True):
        spans = pq.read_table(folder / spans_key) if spans_key else SPANS.empty_table()
        results.append(cut(pa.array(texts, pa.large_string()), spans, stages).texts.to_pylist())
    return results


def expected(shards: Shards, width: int) -> list[list[list[str]]]:
    """The words that stay: those in no sequence of `width` words that stood before."""
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
            mine.append([word for word, gone in zip(words, covered, strict=True) if not gone])
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


paragraphs = st.lists(st.sampled_from(["one", "Two", "two", "t  wo", "three\nfour"]), max_size=5).map("\n\n".join)


@given(st.lists(st.tuples(st.just("s"), st.lists(paragraphs, max_size=3)), min_size=1, max_size=3))
def test_the_first_of_equal_paragraphs_stays(shards: Shards) -> None:
    seen: set[str] = set()
    wanted = []
    for _, several in shards:
        mine = []
        for text in several:
            kept, lost = [], False
            for paragraph in re.split(r"\n{2,}", text):
                key = " ".join(paragraph.lower().split())
                if key and key in seen:
                    lost = True
                else:
                    kept.append(paragraph)
                seen.add(key)
            mine.append("\n\n".join(kept) if lost else text)
        wanted.append(mine)
    with scratch() as folder:
        assert run(folder, shards, [PARAGRAPH]) == wanted


def test_lines_are_compared_but_for_case_and_white_space(tmp_path: Path) -> None:
    found = run(tmp_path, [("s", ["Menu\nabout  us\nbody"]), ("s", ["about us\nother", "ABOUT US"])], [LINE])
    assert found == [["Menu\nabout  us\nbody"], ["other", ""]]


def test_what_stands_around_a_cut_stays_apart_as_it_was(tmp_path: Path) -> None:
    twice = "the quick brown fox jumps over"
    around = [f"a {twice} b", f"c {twice}\nd", f"e\n{twice} f", f"\n\n{twice}\n\ng"]
    found = run(tmp_path, [("s", [twice]), ("s", around)], [SUBSTRING])
    assert found[1] == ["a b", "c\nd", "e\nf", "g"]


def test_what_is_apart_stays_apart() -> None:
    texts = pa.array(["a(bb c", "a bb)c", "a(bb)c", "a bb c"], pa.large_string())
    rows = [[0, 1, 2, 3], [2] * 4, [4] * 4, [0] * 4]
    spans = pa.table([pa.array(column, field.type) for column, field in zip(rows, SPANS, strict=True)], SPANS)
    assert cut(texts, spans, [SUBSTRING]).texts.to_pylist() == ["a( c", "a )c", "a()c", "a c"]


def test_sources_may_be_kept_apart(tmp_path: Path) -> None:
    shards = [("a", ["one two three four five"]), ("b", ["one two three four five"])]
    apart = SUBSTRING.model_copy(update={"scope": "source"})
    assert run(tmp_path / "1", shards, [apart]) == [list(texts) for _, texts in shards]
    assert run(tmp_path / "2", shards, [SUBSTRING]) == [["one two three four five"], [""]]


def test_a_document_of_which_too_little_is_left_stays_whole() -> None:
    stages = [PARAGRAPH.model_copy(update={"min_left": 4}), SUBSTRING.model_copy(update={"min_left": 1})]
    texts = pa.array(["aaaa bbbb", "aaaa bb", "abc"], pa.large_string())
    rows = [(0, 4, 9, 0), (1, 0, 5, 0), (0, 2, 6, 1), (2, 0, 3, 1)]
    spans = pa.table(
        [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), SPANS, strict=True)], SPANS
    )
    done = cut(texts, spans, stages)
    assert done.texts.to_pylist() == ["aa", "aaaa bb", "abc"]
    assert {name: values.to_pylist() for name, values in done.values.items()} == {
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


@pytest.mark.parametrize("stage", [SUBSTRING, PARAGRAPH])
def test_nothing_at_all(stage: SpanStage, tmp_path: Path) -> None:
    assert run(tmp_path / "1", [("s", [])], [stage]) == [[]]
    assert run(tmp_path / "2", [("s", ["", " \n\n ", "\n"])], [stage]) == [["", " \n\n ", "\n"]]
    assert run(tmp_path / "3", [], [stage]) == []
