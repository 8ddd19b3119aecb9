"""The tables of the documents are what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.tables import PAGES, with_tables


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_tables_are_current(path: Path) -> None:
    page = path.read_text()
    assert page == with_tables(page), "run .venv/bin/python -m docs.tables"
