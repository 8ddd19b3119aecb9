"""A signal that comes while the compiler loads a kernel ends a run like any other; it once ended the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pipeline.inputs import recipe, write_inputs

SIGNALLED = """
import os, signal
from numba.core import codegen

def signalled(library, module, *more):
    global loads
    loads += 1
    if loads == {load}:
        os.kill(os.getpid(), signal.SIGTERM)
    return original(library, module, *more)

loads, original = 0, codegen.CPUCodeLibrary._object_getbuffer_hook.__func__
codegen.CPUCodeLibrary._object_getbuffer_hook = classmethod(signalled)
from curation.cli import main; main()
"""
"""The command line, with a signal in LLVM's question for the code of the `load`-th kernel."""


@pytest.mark.parametrize("load", [1, 3, 8])
def test_a_signal_in_a_callback_of_the_compiler(tmp_path: Path, load: int) -> None:
    write_inputs(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(tmp_path, tmp_path / "corpus").model_dump(mode="json")))
    command = [sys.executable, "-c", SIGNALLED.format(load=load), "run", str(path), "--engine", "local"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 143, ended.stderr
    (said,) = [line for line in ended.stderr.splitlines() if not line.startswith("filter")]
    assert said == "curation: terminated; the same command goes on from what is recorded"
