"""Two cores against one: the whole FineWeb recipe on a local Ray with one worker and with two, in turn.

    .venv/bin/python benchmarks/scaling.py ../shared/data/shards [--factor 4] [--rounds 3]

Each worker is pinned to a processor of its own by the kernel's scheduler as it likes; the machine should be idle. The
corpus is made larger first (benchmarks/enlarge.py), so that starting tasks is not what is measured.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from enlarge import enlarge
from sources import SOURCES, recipe

from curation.pipeline import curate
from curation.runner import open_runner


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("shards", type=Path)
    arguments.add_argument("--factor", type=int, default=4)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as work:
        enlarge(
            [file for s in SOURCES for file in sorted((asked.shards / s).iterdir())], asked.factor, Path(work, "in")
        )
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for round_ in range(asked.rounds):
            for workers, times in seconds.items():
                taken, documents = one(Path(work, "in"), Path(work, f"out-{workers}-{round_}"), workers)
                times.append(taken)
                print(f"{workers} worker(s): {taken:6.2f} s, {documents / taken:,.0f} documents/s", flush=True)
    ratios = [one_ / two for one_, two in zip(seconds[1], seconds[2], strict=True)]
    print(f"two workers are {statistics.median(ratios):.2f} times as fast as one (each round: {ratios})")


def one(shards: Path, output: Path, workers: int) -> tuple[float, int]:
    """Seconds and documents of a run on a warm cluster."""
    wanted = recipe(shards, str(output / "corpus"))
    with open_runner("ray", workers=workers) as runner:
        warm = recipe(shards, str(output / "warm")).model_copy(
            update={"sources": wanted.sources[-1:], "max_failed": 1.0}
        )
        curate(warm, runner)
        begin = time.perf_counter()
        outcome = curate(wanted, runner)
        return time.perf_counter() - begin, outcome.report.documents()


main()
