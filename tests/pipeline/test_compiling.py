"""What is said before kernels are compiled, and only then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.pipeline.inputs import write_inputs

RECIPE = """
name: small
output: corpus
sources: [{name: web, uri: "web/*.jsonl*"}]
stages: [{kind: gopher_quality}]
max_failed: 0.5
"""


def test_the_first_run_on_a_machine_says_that_it_compiles(tmp_path: Path) -> None:
    """… on standard error, as whoever waits for it reads it."""
    write_inputs(tmp_path)
    (tmp_path / "r.yaml").write_text(RECIPE)
    command = [sys.executable, "-c", "from curation.cli import main; main()", "run", "r.yaml", "--engine", "local"]
    own_cache = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "numba"), "PYTHONPATH": str(REPOSITORY)}
    said = []
    for seed in (0, 1):
        settings = ["--set", f"seed={seed}"]
        ran = subprocess.run([*command, *settings], cwd=tmp_path, env=own_cache, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        said.append(ran.stderr.count("The first run on this machine compiles its kernels"))
    assert said == [1, 0]
