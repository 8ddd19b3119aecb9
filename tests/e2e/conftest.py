"""What tests of the whole share: the small inputs, and what must come of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.corpus import Corpus
from curation.pipeline import curate
from curation.runner.local import LocalRunner
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
