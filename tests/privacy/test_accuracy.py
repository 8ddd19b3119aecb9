"""Precision and recall on real text with planted values, and hard negatives that must be left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.privacy import NAMES, Accuracy, accuracy

FLOORS = {name: 0.95 if name == "phone" else 0.98 for name in NAMES.values()}


@pytest.fixture(scope="module")
def measured(shared_data: Path) -> Accuracy:
    return accuracy(shared_data / "pii" / "pii.jsonl.gz")


@pytest.mark.parametrize("name", FLOORS)
def test_each_type_is_found_and_nothing_else_is_taken_for_it(measured: Accuracy, name: str) -> None:
    counts = measured.types[name]
    assert counts.precision >= FLOORS[name]
    assert counts.recall >= FLOORS[name]
    assert counts.overlapping_recall >= counts.recall


def test_hard_negatives_are_left_alone(measured: Accuracy) -> None:
    assert len(measured.negatives) == 13
    for taken, total in measured.negatives.values():
        assert taken <= 0.02 * total
