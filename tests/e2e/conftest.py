"""What tests of the whole share: the small inputs, and what must come of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.corpus import Corpus
from curation.pipeline import curate
from curation.runner.local import LocalRunner
from tests.e2e import night
from tests.e2e.zygote import Zygote
from tests.pipeline.inputs import recipe, write_inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small inputs; nobody changes it."""
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


@pytest.fixture(scope="session")
def digest(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """That of the version which the local engine makes of them."""
    wanted = recipe(inputs, tmp_path_factory.mktemp("expected") / "corpus")
    curate(wanted, LocalRunner())
    return Corpus(wanted.output).manifest().digest


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as zygote:
        yield zygote


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The input of the night; nobody changes it."""
    return tmp_path_factory.mktemp("night")


@pytest.fixture(scope="module")
def evening(folder: Path) -> Path:
    """The corpus before it, to be copied."""
    return night.prepare(folder)
