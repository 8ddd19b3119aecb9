"""What-if and preview: what a replay of a million decisions costs, and how near estimates come to runs.

    .venv/bin/python benchmarks/whatif.py [--documents 1000000] [FILES...]

First a corpus of made-up decisions (32 measured columns, pieces of 50,000, one document in eight a copy of another), in
a temporary folder; each answer in a process of its own, CPU time of all its threads. Then, on FILES (.jsonl.gz; by
default the English and mixed prose of ../shared/data): a corpus is made with FineWeb's rules, what other thresholds
would keep is asked, and each is then run, to compare; and previews of 300 documents with what the run kept and took.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curation.corpus import Corpus
from curation.pipeline import curate
from curation.recipe import Recipe, validate_recipe
from curation.runner.local import LocalRunner
from curation.whatif import preview, what_if
from tests.whatif.made import chance_values, decided, publish, recipe_of

SHARED = Path(__file__).parent.parent.parent / "shared" / "data" / "shards"
SOURCES = ("wikipedia", "company-docs", "books", "debian-docs", "contracts-edgar")
ROWS = 50_000
RULES = ("gopher_repetition", "gopher_quality", "fineweb_quality")
ASKED = {
    "one threshold, tighter": ["stages.gopher_quality.min_words=80"],
    "one threshold, looser": ["stages.gopher_quality.min_words=20"],
    "four, of three stages": [
        "stages.language.min_score=0.7",
        "stages.gopher_quality.min_alpha_words_ratio=0.7",
        "stages.gopher_quality.min_words=80",
        "stages.fineweb_quality.char_duplicates_ratio=0.05",
    ],
}
SWEPT = "stages.gopher_quality.min_words=20:200:10"
CURVED = ("stages.gopher_quality.min_words", "stages.language.min_score")
ASK = """
import resource, sys, time
from curation.corpus import Corpus
from curation.whatif import curve, sweep, what_if
corpus, name, *wanted = Corpus(sys.argv[1]), *sys.argv[2:]
wall, cpu = time.perf_counter(), time.process_time()
if name.startswith("sweep"):
    said = f"{len(sweep(corpus, wanted[0]).points)} points"
elif name.startswith("curve"):
    said = f"{len(curve(corpus, wanted[0]).points)} points"
else:
    after = what_if(corpus, wanted).after
    said = f"{after.low.documents:,} to {after.high.documents:,} kept"
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
print(f"{name:26} {time.perf_counter() - wall:6.2f} s, {time.process_time() - cpu:6.2f} s CPU, {peak} MiB; {said}")
"""
TRIED = (
    "stages.gopher_quality.min_words=200",
    "stages.gopher_quality.min_alpha_words_ratio=0.85",
    "stages.gopher_quality.min_alpha_words_ratio=0.75",
    "stages.gopher_quality.min_alpha_words_ratio=0.7",
    "stages.fineweb_quality.line_punct_thr=0.3",
    "stages.fineweb_quality.char_duplicates_ratio=0.05",
    "stages.gopher_repetition.duplicated_5_n_grams=0.25",
    "stages.language.min_score=0.9",
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--documents", type=int, default=1_000_000)
    arguments.add_argument("files", nargs="*", type=Path)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: those that ask would begin with this one's peak of memory.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as maker:
            maker.submit(make, folder, given.documents).result()
        curved = [("curve of " + path.rpartition(".")[2], [path]) for path in CURVED]
        for name, wanted in [*ASKED.items(), ("sweep of 19 values", [SWEPT]), *curved]:
            subprocess.run([sys.executable, "-c", ASK, f"{folder}/corpus", name, *wanted], check=True)
    files = given.files or [path for source in SOURCES for path in sorted((SHARED / source).glob("*.gz"))]
    if files:
        with tempfile.TemporaryDirectory() as folder:
            compare(folder, files)


def make(folder: str, documents: int) -> None:
    """A corpus of made-up decisions."""
    stages: Sequence[dict[str, Any]] = [
        {"kind": "language", "keep": ["en", "de"]},
        *({"kind": kind} for kind in RULES),
        {"kind": "exact_dedup"},
    ]
    recipe = recipe_of(f"{folder}/corpus", stages)
    copies = {row: row - 1 for row in range(1, ROWS, 8)}
    tables = []
    for piece in range(-(-documents // ROWS)):
        values = chance_values(piece, ROWS, recipe)
        tables.append(decided(recipe, f"f{piece:04d}", values, copies))
    made = publish(Corpus(recipe.output), recipe, tables)
    print(
        f"{len(tables) * ROWS:,} decisions, {sum(part.bytes for part in made.decisions) / 1e6:.0f} MB of Parquet; "
        f"{made.documents:,} documents kept"
    )


def compare(folder: str, files: Sequence[Path]) -> None:
    """Estimates against runs."""

    def recipe(output: str, *wanted: str) -> Recipe:
        stages: list[dict[str, Any]] = [{"kind": "language", "keep": ["en"]}, *({"kind": kind} for kind in RULES)]
        stages += [{"kind": "exact_dedup"}, {"kind": "minhash_dedup"}]
        for setting in wanted:
            path, _, value = setting.partition("=")
            _, kind, option = path.split(".")
            stage = next(stage for stage in stages if stage["kind"] == kind)
            stage[option] = float(value) if "." in value else int(value)
        sources = [{"name": f"s{n}", "uri": str(path)} for n, path in enumerate(files)]
        return validate_recipe({"name": "b", "output": f"{folder}/{output}", "sources": sources, "stages": stages})

    warm = recipe("warm")
    curate(warm, LocalRunner())
    begin = time.perf_counter()
    curate(recipe("base"), LocalRunner())
    took = time.perf_counter() - begin
    corpus = Corpus(f"{folder}/base")
    report = corpus.report()
    print(f"\n{report.documents():,} documents in {len(files)} files; {report.documents('kept'):,} kept")
    for seed in range(3):
        begin = time.perf_counter()
        found = preview(warm, 300, seed, workers=1)
        spent = time.perf_counter() - begin
        rules = {step.stage: step for step in report.funnel()}
        true = rules[found.steps[-1].stage].documents_out / report.documents()
        print(
            f"preview, seed {seed}: {spent:.1f} s; left by the rules {found.kept.value:.1%} ({found.kept.low:.1%} to "
            f"{found.kept.high:.1%}), in the run {true:.1%}; time {found.estimate.elapsed_s:.1f} s, a run {took:.1f} s"
        )
    for number, setting in enumerate(TRIED):
        after = what_if(corpus, [setting]).after
        output = f"other{number}"
        curate(recipe(output, setting), LocalRunner())
        kept = Corpus(f"{folder}/{output}").report().documents("kept")
        guess = "?" if after.estimate is None else f"{after.estimate.documents:,}"
        known = f"{after.low.documents:5,} to {after.high.documents:5,}, probably {guess:>5}"
        print(f"{setting:52} {known}; a run {kept:5,}")


if __name__ == "__main__":
    main()
