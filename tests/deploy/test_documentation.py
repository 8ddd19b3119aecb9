"""The tables of operations.md are what the code says."""

from __future__ import annotations

from docs.tables import PAGE, with_tables


def test_the_tables_are_current() -> None:
    page = PAGE.read_text()
    assert page == with_tables(page), "run .venv/bin/python -m docs.tables"
