"""What it costs to compare two versions, by how much they differ: processor time, and the most memory.

    .venv/bin/python benchmarks/difference.py [--pieces 30]

Makes the corpus itself, in a temporary folder: pieces of 10,000 decisions with 30 measured columns, two thirds of the
documents kept, 0.6 kB each. Then compares, each time in a process of its own: one new piece in a hundred; a document
taken down in every piece; and another recipe's texts of everything, of which one in fifty is another one.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curation import decision
from curation.corpus import Corpus
from tests import versions
from tests.versions import Record, publish

ROWS = 10_000
COLUMNS = 30
WORDS = [f"word{n}" for n in range(3000)]
COMPARE = """
import resource, sys, time
from curation.corpus import Corpus
from curation.difference import difference
start = time.process_time()
found = difference(Corpus(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
counts = [found.added.total.documents, found.removed.total.documents, found.changed.total.documents]
print(f"{sys.argv[4]}: {time.process_time() - start:.1f} s CPU, {peak} MiB; added, removed, changed {counts}")
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pieces", type=int, default=30)
    pieces = arguments.parse_args().pieces
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: those that compare would begin with this one's peak of memory.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as maker:
            maker.submit(make, folder, pieces).result()
        for a, b, what in ((1, 2, "new pieces"), (2, 3, "taken down"), (2, 4, "another recipe")):
            subprocess.run([sys.executable, "-c", COMPARE, folder, str(a), str(b), what], check=True)


def make(folder: str, pieces: int) -> None:
    """Four versions."""
    versions.VALUES = pa.schema([("rule.x", pa.float64()), *((f"rule.x{n}", pa.float64()) for n in range(1, COLUMNS))])
    versions.SCHEMA = decision.decision_schema(versions.VALUES)
    corpus, base = Corpus(folder), {f"f{n:04d}": records(n, "rule.low") for n in range(pieces)}
    new = {f"g{n:04d}": records(pieces + n, None) for n in range(max(1, pieces // 100))}
    publish(corpus, base)
    publish(corpus, {**base, **new})
    taken = {uri: [replace(rs[0], reason="takedown.ids"), *rs[1:]] for uri, rs in base.items()}
    publish(corpus, {**taken, **new})
    other = {uri: [replace(r, text=r.text + "." * (n % 50 == 0)) for n, r in enumerate(rs)] for uri, rs in base.items()}
    publish(corpus, {**other, **new}, meaning="another recipe")


def records(piece: int, reason: str | None) -> list[Record]:
    """Of one piece; a third is dropped where there is a reason."""
    chosen = random.Random(piece)
    texts = (" ".join(chosen.choices(WORDS, k=80)) for _ in range(ROWS))
    return [
        Record(f"doc-{piece}-{n}", text, reason if n % 3 == 1 else None, value=chosen.random())
        for n, text in enumerate(texts)
    ]


if __name__ == "__main__":
    main()
