"""Points at which a test may kill or stop a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.errors import SettingsError
from services.failpoints import arm
from tests.services.runner.conftest import is_stopped

PROGRAM = """
import sys
from services.failpoints import arm, reach
arm(sys.argv[1])
for name in sys.argv[2:]:
    reach(name)
print("through")
"""


def start(setting: str, *names: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, setting, *names], stdout=subprocess.PIPE)


@pytest.mark.parametrize(
    ("setting", "names", "dies"),
    [
        ("", "a.x a.x", False),
        ("a.x", "a.y a.x", True),
        ("kill@a.x:2", "a.x", False),
        ("a.x:2", "a.x a.y a.x", True),
        ("store.begin-it.changed", "store.begin-it.changed", True),
    ],
)
def test_a_process_dies_at_its_point(setting: str, names: str, dies: bool) -> None:
    process = start(setting, *names.split())
    output, _ = process.communicate()
    assert (process.returncode, output) == ((-signal.SIGKILL, b"") if dies else (0, b"through\n"))


def test_a_marker_lets_only_one_die(tmp_path: Path) -> None:
    codes = []
    for _ in range(2):
        process = start(f"a.x#{tmp_path}/marker", "a.x")
        process.communicate()
        codes.append(process.returncode)
    assert codes == [-signal.SIGKILL, 0]


def test_a_stopped_process_goes_on() -> None:
    process = start("stop@a.x", "a.x")
    while not is_stopped(process.pid):
        pass
    os.kill(process.pid, signal.SIGCONT)
    assert process.communicate()[0] == b"through\n"


@pytest.mark.parametrize("setting", ["a.x:0", "pause@a.x", "#file", "A b"])
def test_a_setting_that_says_nothing_is_refused(setting: str) -> None:
    with pytest.raises(SettingsError):
        arm(setting)
