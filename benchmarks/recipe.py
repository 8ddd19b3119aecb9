"""The whole FineWeb recipe on one core, against datatrove running the same filters and MinHash in the same run.

    .venv/bin/python benchmarks/recipe.py ../shared/data/shards [--registry BENCHMARKS]

With a registry of benchmarks (JSON lines, gzip) both also look for personal data before the filters and for benchmark
items behind them. Ours: `pii` with its seven types, and `contamination` with its rule `cluster`. datatrove's:
PIIFormatter, which knows e-mail and IPv4, and NGramsDecontFilter with 13-grams.

The folder holds SOURCE/*.jsonl.{gz,zst}. Builds the peer's environment if it is not there (benchmarks/peers.py). The
two take turns, each in a process of its own on one processor; both have their kernels, models, tokenizers and indexes
loaded before the clock starts, read the compressed shards and write compressed output. The clock is the processor's
time of the process. Prints documents a second, megabytes a second and the ratio: the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers import datatrove_python
from sources import SOURCES, load_kernels, recipe

from curation.language.fasttext import built_in_path
from curation.pipeline import Progress, curate
from curation.runner import open_runner

HERE = Path(__file__).parent
Run = dict[str, Any]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("shards", type=Path)
    arguments.add_argument("--rounds", type=int, default=3, help="runs of each; the median counts")
    arguments.add_argument("--no-peer", action="store_true", help="ours alone")
    arguments.add_argument("--registry", help="look for personal data and for these benchmarks' items, too")
    arguments.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.child:
        print(json.dumps(ours(asked.shards, asked.registry)))
        return
    sides: dict[str, Callable[[Path, str | None], Run]] = {"curation": child}
    if not asked.no_peer:
        sides["datatrove"] = peer
    os.sched_setaffinity(0, {0})
    runs: dict[str, list[Run]] = {name: [] for name in sides}
    for _ in range(asked.rounds):
        for name, side in sides.items():
            runs[name].append(side(asked.shards, asked.registry))
    documents, size = runs["curation"][0]["documents"], runs["curation"][0]["bytes"] / 1e6
    middle = {name: sorted(found, key=spent)[len(found) // 2] for name, found in runs.items()}
    for name, run in middle.items():
        speed = f"{documents / spent(run):8,.0f} documents/s {size / spent(run):6.2f} MB/s"
        print(f"{name:10} {spent(run):7.2f} s {speed}  {run['kept']:,} of {documents:,} kept")
        print("  " + "  ".join(f"{step} {seconds:.2f} s" for step, seconds in run["seconds"].items()))
    if not asked.no_peer:
        ratio = spent(middle["datatrove"]) / spent(middle["curation"])
        each = (spent(theirs) / spent(own) for own, theirs in zip(runs["curation"], runs["datatrove"], strict=True))
        rounds = ", ".join(f"{one:.1f}" for one in each)
        print(f"ratio: {ratio:.1f} times datatrove's documents a second on one core; by round {rounds}")


def spent(run: Run) -> float:
    """Its processor time, in seconds."""
    return float(sum(run["seconds"].values()))


def child(shards: Path, registry: str | None) -> Run:
    """One run of ours in a process of its own."""
    command = [sys.executable, __file__, str(shards), "--child", *(["--registry", registry] if registry else [])]
    run: Run = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return run


def ours(shards: Path, registry: str | None) -> Run:
    """The processor time of each step, documents, bytes and kept documents of a run behind one that loads kernels."""
    steps: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as work, open_runner("local") as runner:
        wanted = recipe(shards, f"{work}/corpus", registry)
        load_kernels(wanted, f"{work}/warm", runner)
        size, last = 0, 0.0

        def watch(progress: Progress) -> None:
            nonlocal size, last
            size = max(size, progress.bytes)
            if progress.done == progress.total:
                now = time.process_time()
                steps[progress.step] = steps.get(progress.step, 0.0) + now - last
                last = now

        last = time.process_time()
        outcome = curate(wanted, runner, watch=watch)
        steps["publish"] = steps.get("publish", 0.0) + time.process_time() - last
    report = outcome.report
    counts = {"documents": report.documents(), "bytes": size, "kept": report.documents("kept")}
    return {"seconds": steps} | counts


def peer(shards: Path, registry: str | None) -> Run:
    """The same by datatrove."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, "input")
        folder.mkdir()
        for source in SOURCES:
            for file in sorted((shards / source).iterdir()):
                (folder / file.name).symlink_to(file.resolve())
        command = [datatrove_python(), HERE / "datatrove_recipe.py", folder, f"{work}/out", built_in_path()]
        command += [Path(registry)] if registry else []
        run = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    found: Run = json.loads(run.stdout.splitlines()[-1])
    return found


main()
