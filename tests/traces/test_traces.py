"""The search finds what a search by hand finds."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import curation.traces
from curation.traces import WINDOW_BYTES, Traces
from curation.traces.kernels import SHORTEST

texts = st.lists(st.text("ab é", max_size=90), max_size=6)


def array(values: list[str]) -> pa.LargeStringArray:
    return pa.array(values, pa.large_string())


def stretches(text: str) -> set[bytes]:
    """By hand: of a text of fewer bytes than a window, but enough, the whole."""
    data = text.encode()
    if len(data) < WINDOW_BYTES:
        return {data} if len(data) >= SHORTEST else set()
    return {data[at : at + WINDOW_BYTES] for at in range(len(data) - WINDOW_BYTES + 1)}


@given(texts, texts, st.integers(0, 90))
def test_by_hand(wanted: list[str], others: list[str], cut: int) -> None:
    others = [*others, *(f"b{text[cut:]}a" for text in wanted)]
    traces = Traces.of([array(wanted[:2]), array(wanted[2:])])
    sought = set().union(*map(stretches, wanted))
    assert traces.hashes.size == len(sought)
    assert traces.hits(array(others)).tolist() == [bool(stretches(each) & sought) for each in others]
    found = traces.found(array(others))
    assert found.size == len(sought & set().union(*map(stretches, others)))
    assert not traces.without(found).hits(array(others)).any()
    again = Traces.from_bytes(traces.to_bytes())
    assert again.hits(array(wanted)).tolist() == [bool(stretches(each)) for each in wanted]
    assert Traces.merged([traces.without(found), Traces(found)]).hashes.tolist() == traces.hashes.tolist()


def test_of_very_much_text_some_stretches_are_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curation.traces, "MOST", 100)
    monkeypatch.setattr(curation.traces, "_PENDING", 50)
    wanted = [" ".join(str(n * n) for n in range(start, start + 100)) for start in range(0, 1000, 100)]
    traces = Traces.of(array([text]) for text in wanted)
    assert 0 < traces.hashes.size <= 200
    assert traces.hits(array(wanted)).all()
