"""The cases of the tools whose arithmetic the flavours have."""

from __future__ import annotations

import pytest

from docs.conformance import PAGE, page
from tests.rules.cases import Case, cases


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.stage.kind}-{case.after.split(',')[0]}")
def test_we_say_what_the_tool_says_or_say_why_not(case: Case) -> None:
    assert case.passes() is not bool(case.difference)


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run .venv/bin/python -m docs.conformance"
