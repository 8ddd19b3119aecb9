"""Documents of a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from curation.document import document_batch
from curation.rules import Period

DAYS = [
    None,
    datetime(1969, 12, 31, tzinfo=UTC),
    datetime(2020, 2, 29, 23, 59, tzinfo=UTC),
    datetime(2024, 1, 1, tzinfo=UTC),
]


def why(source: str = "mail", **options: Any) -> list[str | None]:
    stage = Period(**options)
    batch = stage.annotate(document_batch(list("abcd"), source=source, shard="s", added=DAYS))
    reasons = stage.drop_reasons(batch)
    return [reason and reason.removeprefix("period.") for reason in reasons.to_pylist()]


def test_the_first_and_the_last_day_are_kept() -> None:
    assert why(first="2020-02-29", last="2024-01-01") == [None, "too_old", None, None]
    assert why(first="2020-03-01", last="2023-12-31") == [None, "too_old", "too_old", "too_new"]


def test_documents_without_a_date_are_kept_unless_asked() -> None:
    assert why(without_date="drop") == ["undated", None, None, None]


def test_every_source_may_have_its_own_time() -> None:
    options = {"first": "2020-01-01", "by_source": {"contracts": {"first": None}, "logs": {"first": "2024-01-01"}}}
    assert why("mail", **options) == [None, "too_old", None, None]
    assert why("contracts", **options) == [None] * 4
    assert why("logs", **options) == [None, "too_old", "too_old", None]
    assert why("logs", by_source={"logs": {"without_date": "drop"}}) == ["undated", None, None, None]


def test_a_decision_shows_the_days() -> None:
    stage = Period(first="2020-03-01")
    batch = stage.annotate(document_batch(list("abcd"), source="s", shard="s", added=DAYS))
    evidence = stage.evidence(batch, stage.drop_reasons(batch))
    assert evidence.values.to_pylist() == [None, 19691231, 20200229, None]
    assert evidence.thresholds.to_pylist() == [None, 20200301, 20200301, None]


def test_other_days_can_be_replayed_from_the_stored_one() -> None:
    for stage in (Period(last="2024-01-01"), Period(first="2020-01-01", last="2024-01-01", without_date="drop")):
        assert stage.thresholds() == {"first", "last", "without_date"}


@pytest.mark.parametrize(
    "options",
    [
        {"first": "2024-01-02", "last": "2024-01-01"},
        {"last": "2024-01-01", "by_source": {"logs": {"first": "2024-01-02"}}},
        {"first": "yesterday"},
        {},
        {"by_source": {"logs": {"first": None}}},
        {"frist": "2024-01-01"},
    ],
)
def test_what_means_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Period(**options)
