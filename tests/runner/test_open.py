from __future__ import annotations

import subprocess
import sys

import pytest

from curation.errors import CurationError, RecipeError
from curation.runner import Engine, open_runner


@pytest.mark.parametrize(
    ("engine", "workers", "address", "paths"),
    [
        ("spark", None, None, ["engine"]),
        ("ray", 0, None, ["workers"]),
        ("local", 2, None, ["workers"]),
        ("local", None, "10.0.0.1:6379", ["address"]),
        ("local", -1, "10.0.0.1:6379", ["workers", "workers", "address"]),
    ],
)
def test_refuses_what_an_engine_does_not_have(
    engine: Engine, workers: int | None, address: str | None, paths: list[str]
) -> None:
    with pytest.raises(RecipeError) as caught:
        open_runner(engine, workers, address)
    assert [problem.path for problem in caught.value.problems] == paths


def test_the_local_engine_runs_in_this_process() -> None:
    with open_runner("local", 1) as runner:
        assert runner.map(str, [1, 2]) == ["1", "2"]


def test_the_local_engine_does_not_import_ray() -> None:
    script = "import sys; from curation.runner import open_runner; open_runner('local'); print('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"False\n"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_says_which_cluster_could_not_be_joined(address: str) -> None:
    with pytest.raises(CurationError, match=address):
        open_runner("ray", address=address)
