"""A worker's peak memory on a corpus and on one ten times as large.

    .venv/bin/python benchmarks/memory.py ../shared/data/shards [--factors 1 10]

Runs the whole FineWeb recipe on the local engine, each size in a process of its own, which is driver and worker in one:
an upper bound for either. Prints the peak resident set (VmHWM).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from enlarge import enlarge
from sources import SOURCES, recipe

from curation.pipeline import curate
from curation.runner import open_runner


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("shards", type=Path)
    arguments.add_argument("--factors", type=int, nargs="+", default=[1, 10])
    arguments.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.child:
        print(json.dumps(measure(asked.shards, asked.child)))
        return
    for factor in asked.factors:
        with tempfile.TemporaryDirectory() as work:
            files = [file for source in SOURCES for file in sorted((asked.shards / source).iterdir())]
            enlarge(files, factor, Path(work, "in"))
            command = [sys.executable, __file__, f"{work}/in", "--child", f"{work}/corpus"]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"{factor:3}x  {found['documents']:8,} documents  {found['bytes'] / 1e6:8,.0f} MB of text  "
            f"peak {found['peak'] / 1e6:6,.0f} MB (of which {found['before'] / 1e6:,.0f} MB before the first document)",
            flush=True,
        )


def measure(shards: Path, output: Path) -> dict[str, int]:
    """Documents, bytes of text and peak memory in bytes of one run in this process."""
    before = peak_bytes()
    with open_runner("local") as runner:
        report = curate(recipe(shards, str(output)), runner).report
    return {"documents": report.documents(), "bytes": report.bytes(), "peak": peak_bytes(), "before": before}


def peak_bytes() -> int:
    """The peak resident set of this process so far; not `ru_maxrss`, which a child inherits from its parent."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


main()
