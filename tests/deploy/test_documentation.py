"""The tables of the documents are what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from curation.stage import stage_kinds
from docs.tables import PAGES, with_tables


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_tables_are_current(path: Path) -> None:
    page = path.read_text()
    assert page == with_tables(page), "run .venv/bin/python -m docs.tables"


def test_the_options_of_every_stage_stand_on_one_page() -> None:
    listed = [re.findall(r"<!-- options (.*?) -->", page.read_text()) for page in PAGES]
    kinds = [kind for page in listed for marker in page for kind in marker.split()]
    assert sorted(kinds) == list(stage_kinds())
