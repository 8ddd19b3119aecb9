"""The one scan of the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.document import SCRATCH, document_batch
from curation.rules import C4, FineWebQuality, GopherQuality, GopherRepetition
from curation.text.signals import with_signals
from tests.rules.texts import TEXTS, annotated

_STAGES = (GopherRepetition(), GopherQuality(), FineWebQuality())


@given(st.lists(TEXTS, max_size=4))
def test_taking_them_together_equals_taking_them_apart(texts: list[str]) -> None:
    batch = document_batch(texts, source="here", shard="here.jsonl")
    together = with_signals(batch, frozenset().union(*(stage.signals() for stage in _STAGES)))
    for stage in _STAGES:
        want = stage.annotate(batch)
        assert stage.annotate(together).select(stage.columns().names) == want.select(stage.columns().names)


def test_what_is_there_is_not_taken_again() -> None:
    batch = annotated(GopherQuality(), ["The cat sat with the dog.", ""])
    assert with_signals(batch, GopherQuality().signals()) is batch


def test_two_splitters_live_side_by_side() -> None:
    batch = with_signals(
        document_batch(["世界"], source="here", shard="here.jsonl"), frozenset({"fast:words", "spacy:words"})
    )
    assert [batch[f"{SCRATCH}{splitter}:words.count"][0].as_py() for splitter in ("fast", "spacy")] == [2, 1]


def test_a_rewritten_text_loses_the_counts_of_the_old_one() -> None:
    batch = annotated(GopherQuality(), ["One two.\nThree four five."])
    assert batch[f"{SCRATCH}fast:words.count"][0].as_py() == 7
    cleaned = C4(min_num_sentences=None).annotate(batch)
    assert cleaned[f"{SCRATCH}fast:words.count"][0].as_py() == 4
    assert f"{SCRATCH}symbols.hashes" not in cleaned.schema.names


@pytest.mark.parametrize(
    "name", ["", "words", "fast", "fast:", "fast:lines", "slow:words", "lines", "lines:-1", "lines:x"]
)
def test_an_unknown_name_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="no signal is named"):
        with_signals(document_batch(["a"], source="here", shard="here.jsonl"), frozenset({name}))


@pytest.mark.parametrize("stage", [*_STAGES, C4()], ids=lambda stage: stage.kind)
def test_every_value_is_a_column_of_its_type(stage: GopherQuality) -> None:
    for texts in ([], [""], ["", "Some words."]):
        batch = annotated(stage, texts)
        assert [batch.schema.field(field.name) for field in stage.columns()] == list(stage.columns())
        assert len(stage.drop_reasons(batch)) == len(texts)
