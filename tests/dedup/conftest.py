"""What tests of deduplication share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dedup.scratch import scratch


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch() as folder:
        yield folder
