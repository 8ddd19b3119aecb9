"""The whole FineWeb recipe on one core, against datatrove running the same filters and MinHash in the same run.

    .venv/bin/python benchmarks/recipe.py ../shared/data/shards [--registry BENCHMARKS]

With a registry of benchmarks ours looks for personal data (before the rules) and for benchmark items (behind them) too,
which the peer's run does not.

The folder holds SOURCE/*.jsonl.{gz,zst}. Builds the peer's environment if it is not there (benchmarks/peers.py). Both
are pinned to the first processor, both have their kernels and tokenizers loaded before the clock starts, both read the
compressed shards and write compressed output. Prints documents a second, megabytes a second and the ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from peers import datatrove_python
from sources import SOURCES, recipe

from curation.language.fasttext import built_in_path
from curation.pipeline import Progress, curate
from curation.recipe import Recipe, validate_recipe
from curation.runner import open_runner

HERE = Path(__file__).parent


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("shards", type=Path)
    arguments.add_argument("--runs", type=int, default=3, help="runs of ours; the median counts")
    arguments.add_argument("--no-peer", action="store_true", help="ours alone")
    arguments.add_argument("--registry", help="look for personal data and for these benchmarks' items, too")
    arguments.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    os.sched_setaffinity(0, {0})
    if asked.child:
        print(json.dumps(ours(asked.shards, asked.registry)))
        return
    runs = [child(asked.shards, asked.registry) for _ in range(asked.runs)]
    run = sorted(runs, key=lambda one: one["seconds"])[len(runs) // 2]
    documents, size = run["documents"], run["bytes"] / 1e6
    show("curation", run["seconds"], documents, size, run["kept"])
    print("  " + "  ".join(f"{step} {seconds:.2f} s" for step, seconds in run["steps"].items()))
    if not asked.no_peer:
        found = peer(asked.shards)
        seconds = sum(found["seconds"].values())
        show("datatrove", seconds, documents, size, found["kept"])
        print("  " + "  ".join(f"{step} {part:.2f} s" for step, part in found["seconds"].items()))
        print(f"ratio: {seconds / run['seconds']:.1f} times datatrove's documents a second on one core")


def show(name: str, seconds: float, documents: int, megabytes: float, kept: int) -> None:
    speed = f"{documents / seconds:8,.0f} documents/s {megabytes / seconds:6.2f} MB/s"
    print(f"{name:10} {seconds:7.2f} s {speed}  {kept:,} of {documents:,} kept")


def child(shards: Path, registry: str | None) -> dict[str, Any]:
    """One run in a process of its own."""
    command = [sys.executable, __file__, str(shards), "--child", *(["--registry", registry] if registry else [])]
    run: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return run


def wanted(shards: Path, output: str, registry: str | None) -> Recipe:
    """The recipe; with a registry, what it does not have is there too."""
    plain: Recipe = recipe(shards, output)
    if registry is None:
        return plain
    stages = [stage.model_dump(mode="json") for stage in plain.stages]
    more = [{"kind": "pii"}, *stages[:5], {"kind": "contamination", "registry": registry}, *stages[5:]]
    return validate_recipe({**plain.model_dump(mode="json"), "stages": more})


def ours(shards: Path, registry: str | None) -> dict[str, Any]:
    """Seconds, documents, bytes and kept documents of a run; the second in its process, so kernels are loaded."""
    steps: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as work, open_runner("local") as runner:
        warm = wanted(shards, f"{work}/warm", registry)
        warm = warm.model_copy(update={"sources": warm.sources[-1:], "max_failed": 1.0})
        curate(warm, runner)
        last = [time.perf_counter(), 0.0]
        size = 0

        def watch(progress: Progress) -> None:
            nonlocal size
            size = max(size, progress.bytes)
            if progress.done == progress.total:
                now = time.perf_counter()
                steps[progress.step] = steps.get(progress.step, 0.0) + now - last[0]
                last[0] = now

        begin = time.perf_counter()
        last[0] = begin
        outcome = curate(wanted(shards, f"{work}/corpus", registry), runner, watch=watch)
        seconds = time.perf_counter() - begin
    report = outcome.report
    counts = {"documents": report.documents(), "bytes": size, "kept": report.documents("kept")}
    return {"seconds": seconds, "steps": steps} | counts


def peer(shards: Path) -> dict[str, Any]:
    """The same by datatrove."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, "input")
        folder.mkdir()
        for source in SOURCES:
            for file in sorted((shards / source).iterdir()):
                (folder / file.name).symlink_to(file.resolve())
        command = [datatrove_python(), HERE / "datatrove_recipe.py", folder, f"{work}/out", built_in_path()]
        run = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


main()
