"""Where the processor's time goes when the whole recipe runs on one core: a table, and a picture of it.

    .venv/bin/python benchmarks/hotspots.py ../shared/data/shards [--registry BENCHMARKS] [--picture docs/speed.svg]

The recipe and its input are those of benchmarks/recipe.py. A timer interrupts the run at every millisecond of processor
time; what has passed since it did so last goes to the part of the program that runs then, and to the function of ours
that runs, kernels and libraries within it included. Some runs are added up.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from xml.sax.saxutils import escape

from sources import load_kernels, recipe

import curation
from curation.pipeline import curate
from curation.report import Report
from curation.runner import open_runner

PACKAGE = f"{Path(curation.__file__).parent}/"
PERIOD_S = 0.001
FUNCTIONS = 24

REST = "all else"
PARTS = {
    "reading": ("sources/", "pipeline/inputs.py"),
    "language": ("language/",),
    "words and counts": ("text/signals/",),
    "rules": ("rules/", "stage.py"),
    "personal data": ("privacy/",),
    "benchmark items": ("contamination/",),
    "fingerprints": ("dedup/fingerprint.py",),
    "duplicates": ("dedup/", "pipeline/steps.py:deduplicate_parts"),
    "index": ("dedup/index/", "pipeline/indexing.py", "ids.py"),
    "decisions": (
        *("decision.py", "report.py", "pipeline/filter.py:drop", "pipeline/filter.py:decide"),
        *("pipeline/finish.py:_decided", "pipeline/finish.py:cells_of", "pipeline/finish.py:_duplicates"),
    ),
    "handing on": ("pipeline/filter.py:go_on", "pipeline/filter.py:write", "pipeline/finish.py:_texts"),
    "kept documents": ("pipeline/finish.py",),
}
"""By the beginnings of a function's place (`file:function`). The innermost function that has a part decides, and of
several beginnings the longest."""

WIDTH, MARGIN, LABEL, ROW, BAR = 960, 28, 150, 30, 640
INK, QUIET, RULE, COLOUR = "#1c2430", "#4a5565", "#d7dbe0", "#2f7d5b"


class Profile:
    """Seconds of processor time, by part and by function."""

    def __init__(self) -> None:
        self.parts: defaultdict[str, float] = defaultdict(float)
        self.functions: defaultdict[str, float] = defaultdict(float)
        self._last = 0.0

    def __enter__(self) -> Profile:
        signal.signal(signal.SIGPROF, self._tick)
        self._last = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, PERIOD_S, PERIOD_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _tick(self, _signal: int, frame: FrameType | None) -> None:
        now = time.process_time()
        spent, self._last = now - self._last, now
        places = []
        while frame is not None:
            if frame.f_code.co_filename.startswith(PACKAGE):
                places.append(f"{frame.f_code.co_filename[len(PACKAGE) :]}:{frame.f_code.co_name}")
            frame = frame.f_back
        self.parts[part_of(places)] += spent
        self.functions[places[0] if places else "outside"] += spent


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("shards", type=Path)
    arguments.add_argument("--registry", help="look for personal data and for these benchmarks' items, too")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--picture", type=Path, help="an SVG of it")
    asked = arguments.parse_args()
    os.sched_setaffinity(0, {0})
    profile, report, seconds = profiled(asked.shards, asked.registry, asked.runs)
    total = sum(profile.parts.values())
    head = f"{report.documents():,} documents, {report.documents('kept'):,} kept: {seconds:.2f} s of processor time"
    print(head)
    parts = sorted(most_first(profile.parts), key=lambda item: item[0] == REST)
    functions = most_first(profile.functions)[:FUNCTIONS]
    for title, shares in (("part", parts), ("function", functions)):
        print(f"\n{title:<48} {'share':>6} {'ms':>7}")
        for name, spent in shares:
            print(f"{name:<48} {spent / total:6.1%} {spent / total * seconds * 1e3:7.0f}")
    if asked.picture:
        asked.picture.write_text(draw(head, [(name, spent / total) for name, spent in parts]))


def profiled(shards: Path, registry: str | None, runs: int) -> tuple[Profile, Report, float]:
    """The profile of some runs, what one of them reports, and the processor time of the middle one of them, in
    seconds."""
    profile, seconds = Profile(), []
    with tempfile.TemporaryDirectory() as work, open_runner("local") as runner:
        load_kernels(recipe(shards, f"{work}/corpus", registry), f"{work}/warm", runner)
        for run in range(runs):
            wanted = recipe(shards, f"{work}/{run}", registry)
            begin = time.process_time()
            with profile:
                outcome = curate(wanted, runner)
            seconds.append(time.process_time() - begin)
    return profile, outcome.report, sorted(seconds)[runs // 2]


def most_first(spent: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(spent.items(), key=lambda item: -item[1])


def part_of(places: Sequence[str]) -> str:
    """The part that a stack of functions is in; the innermost comes first."""
    for place in places:
        found = [(len(begin), part) for part, begins in PARTS.items() for begin in begins if place.startswith(begin)]
        if found:
            return max(found)[1]
    return REST


def draw(head: str, shares: Sequence[tuple[str, float]]) -> str:
    """A bar a part, from zero. Readable on light and dark pages."""
    top = MARGIN + 72
    height = top + ROW * len(shares) + MARGIN
    most = max(share for _, share in shares)
    rows = "\n".join(
        f'<text x="{MARGIN + LABEL - 12}" y="{top + index * ROW + 16}" font-size="14" text-anchor="end" '
        f'fill="{INK}">{escape(name)}</text>\n'
        f'<rect x="{MARGIN + LABEL}" y="{top + index * ROW}" width="{share / most * BAR:.1f}" height="22" rx="3" '
        f'fill="{COLOUR}"/>\n'
        f'<text x="{MARGIN + LABEL + share / most * BAR + 8:.1f}" y="{top + index * ROW + 16}" font-size="13" '
        f'fill="{QUIET}">{share:.1%}</text>'
        for index, (name, share) in enumerate(shares)
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"
 aria-label="{escape(head)}"
 font-family="ui-sans-serif, system-ui, Segoe UI, Helvetica, Arial, sans-serif">
<rect width="{WIDTH}" height="{height}" rx="12" fill="#ffffff" stroke="{RULE}"/>
<text x="{MARGIN}" y="{MARGIN + 18}" font-size="20" font-weight="600" fill="{INK}">Where the time goes</text>
<text x="{MARGIN}" y="{MARGIN + 44}" font-size="14" fill="{QUIET}">{escape(head)}</text>
{rows}
</svg>
"""


main()
