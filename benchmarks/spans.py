"""The figures of the stages that cut repeated parts, one command each, on one core.

    .venv/bin/python benchmarks/spans.py speed [FOLDER...]   MB/s and peak memory of both stages, on made-up texts and
                                                             on those of each folder
    .venv/bin/python benchmarks/spans.py found FOLDER        repeats of known length planted into the folder's texts:
                                                             which share is found, and what is found otherwise than by
                                                             a plain search in Python
    .venv/bin/python benchmarks/spans.py peer FOLDER         lines, against Dolma's Bloom filter over the same texts

A folder holds JSON lines, at any depth. Time is the processor's, from texts in files to texts that have been cut, after
the kernels are compiled. Each measurement of `speed` is a process of its own.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard
from made_up import MadeUp
from peers import flavours_python

from curation.dedup import ShardInput
from curation.dedup.spans import SPANS, ParagraphDedup, SpanStage, SubstringDedup, cut, find_repeats
from curation.runner.local import LocalRunner
from curation.text.arrow import text_buffers
from curation.text.words import word_spans
from curation.work import Work

STAGES: dict[str, SpanStage] = {
    "paragraph_dedup": ParagraphDedup(),
    "paragraph_dedup, unit: line": ParagraphDedup(unit="line"),
    "substring_dedup": SubstringDedup(),
}
MADE_UP = "made-up texts"
DOCUMENTS, SHARD_ROWS = 64_000, 8_000
WIDTH = 50
LENGTHS = (50, 51, 60, 75, 100, 150, 200, 300, 500, 1000)
PLANTED = 25
"""So many repeats of each length."""
SEARCHED = 12_000_000
"""About so many bytes of text are searched in Python."""
DOLMA = """
import glob, importlib.util, json, sys, time
(library,) = glob.glob(sys.prefix + "/lib/*/site-packages/dolma/dolma*.so")
spec = importlib.util.spec_from_file_location("dolma.dolma", library)
rust = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rust)
begin = time.process_time()
rust.deduper_entrypoint(sys.argv[1])
print(time.process_time() - begin)
"""
"""Dolma's deduplication is Rust; its Python around it wants packages that have no use here."""

Texts = list[str]
Ranges = list[list[tuple[int, int]]]


def main() -> None:
    """Run the figure that the first argument names."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    figures: dict[str, Callable[[list[str]], None]] = {"speed": speed, "found": found, "peer": peer}
    if len(sys.argv) < 2 or sys.argv[1] not in figures:
        raise SystemExit(__doc__)
    figures[sys.argv[1]](sys.argv[2:])


# ------------------------------------------------------------------------- speed


def speed(folders: list[str]) -> None:
    """Each stage over each set of texts, in a process of its own that has not seen them before."""
    for name in (MADE_UP, *folders):
        with tempfile.TemporaryDirectory() as folder:
            inputs = alone(prepared, Path(folder), name)
            for stage in STAGES:
                print(f"{name}: {alone(measured, inputs, stage)}", flush=True)


def alone(task: Callable[..., Any], *arguments: object) -> Any:
    """What the task gives, done by a process of its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(task, arguments)


def prepared(folder: Path, name: str) -> Inputs:
    """The texts in files."""
    return written(folder, made_up() if name == MADE_UP else split(texts_of(Path(name)), 1000))


def measured(inputs: Inputs, stage: str) -> str:
    """What one stage makes of these texts, how fast and in how much memory."""
    with tempfile.TemporaryDirectory() as folder:
        run(written(Path(folder), [essays(2)]), [STAGES[stage]])
    before = peak_bytes()
    begin = time.process_time()
    done = run(inputs, [STAGES[stage]])
    seconds = time.process_time() - begin
    return (
        f"{stage}: {inputs.size / 1e6:,.0f} MB in {inputs.documents:,} documents at {inputs.size / seconds / 1e6:.1f} "
        f"MB/s; {done.stretches:,} stretches, {done.removed / 1e6:,.1f} MB, cut; peak {peak_bytes() / 1e6:,.0f} MB, of "
        f"which {before / 1e6:,.0f} before"
    )


def made_up() -> Iterator[Texts]:
    """About 120 MB of made-up texts, of which a fifth are copies of others."""
    source = MadeUp(1_000_000)
    for first in range(0, DOCUMENTS, SHARD_ROWS):
        yield source.texts(np.arange(first, first + SHARD_ROWS)).to_pylist()


# ------------------------------------------------------------------------- found


@dataclass
class Planted:
    """Texts, some of which hold a stretch of an earlier one: by length in words, (text, first byte, byte behind)."""

    texts: Texts
    places: dict[int, list[tuple[int, int, int]]]


def found(arguments: list[str]) -> None:
    """Planted repeats that are cut, and what a plain search says of everything."""
    texts = texts_of(Path(arguments[0]))
    random.Random(1).shuffle(texts)
    taken = int(np.searchsorted(np.cumsum([len(text.encode()) for text in texts]), SEARCHED))
    planted = plant(texts[:taken])
    ranges = ranges_of(planted.texts, SubstringDedup(min_words=WIDTH))
    for length, places in planted.places.items():
        whole, cut_bytes, size = 0, 0, 0
        for text, begin, end in places:
            covered = sum(max(0, min(end, b) - max(begin, a)) for a, b in ranges[text])
            whole, cut_bytes, size = whole + (covered == end - begin), cut_bytes + covered, size + end - begin
        print(f"{length:5} words: {whole} of {len(places)} repeats cut, {cut_bytes / size:.2%} of their bytes")
    compare("stretches of words", planted.texts, ranges, searched_words(planted.texts))
    for unit in ("paragraph", "line"):
        stage = ParagraphDedup(unit=unit)
        compare(f"{unit}s", planted.texts, ranges_of(planted.texts, stage), searched_units(planted.texts, stage))


def plant(texts: Texts) -> Planted:
    """Copy stretches of words of texts in the first half into texts of the second, one each, at a white space."""
    chosen = random.Random(2)
    texts, half = list(texts), len(texts) // 2
    places: dict[int, list[tuple[int, int, int]]] = {length: [] for length in LENGTHS}
    hosts = iter(chosen.sample(range(half, len(texts)), len(LENGTHS) * PLANTED))
    donors = [(text, words_of(text)) for text in texts[:half]]
    for length in LENGTHS:
        long = [(text, words) for text, words in donors if len(words) > 2 * length]
        for host in (next(hosts) for _ in range(PLANTED)):
            stretch = a_stretch(chosen, long, length)
            data = texts[host].encode()
            begin = chosen.choice([0, *(match.start() for match in re.finditer(rb"[ \n]", data))])
            texts[host] = (data[:begin] + b"\n" + stretch + b"\n" + data[begin:]).decode()
            places[length].append((host, begin + 1, begin + 1 + len(stretch)))
    return Planted(texts, places)


def a_stretch(chosen: random.Random, donors: Sequence[tuple[str, list[tuple[int, int]]]], length: int) -> bytes:
    """So many words of one of the texts, with white space on both sides, so that they are as many anywhere else."""
    while True:
        text, words = chosen.choice(donors)
        first = chosen.randrange(1, len(words) - length)
        last = first + length - 1
        if words[first - 1][1] < words[first][0] and words[last][1] < words[last + 1][0]:
            return text.encode()[words[first][0] : words[last][1]]


def words_of(text: str) -> list[tuple[int, int]]:
    """Where each word of a text begins and ends, in bytes."""
    spans = word_spans(pa.array([text], pa.large_string()), "fast")
    return [*zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)]


def ranges_of(texts: Texts, stage: SpanStage) -> Ranges:
    """What the stage finds in each text, first byte and byte behind, in several shards."""
    with tempfile.TemporaryDirectory() as folder:
        spans = run(written(Path(folder), split(texts, 500)), [stage.model_copy(update={"min_left": 1})]).spans
    ranges: Ranges = [[] for _ in texts]
    for row, begin, end in spans:
        ranges[row].append((begin, end))
    return ranges


def searched_words(texts: Texts) -> Ranges:
    """What sequences of words before cover, by a set of all of them."""
    seen: set[bytes] = set()
    ranges: Ranges = []
    for text in texts:
        data = text.encode()
        places = words_of(text)
        words = [data[begin:end] for begin, end in places]
        covered = []
        for first in range(len(words) - WIDTH + 1):
            key = hashlib.blake2b(b" ".join(words[first : first + WIDTH]), digest_size=16).digest()
            if key in seen:
                covered.append((places[first][0], places[first + WIDTH - 1][1]))
            seen.add(key)
        ranges.append(joined(covered))
    return ranges


def searched_units(texts: Texts, stage: ParagraphDedup) -> Ranges:
    """Which paragraphs or lines stood before, by a set of all of them."""
    seen: set[str] = set()
    ranges: Ranges = []
    between = r"\n" if stage.unit == "line" else r"\n[ \t\v\f\r]*(?=\n)"
    for text in texts:
        covered = []
        begins = [0, *(match.end() for match in re.finditer(between, text))]
        for begin, end in zip(begins, [*begins[1:], len(text)], strict=True):
            unit = text[begin:end].strip(" \t\n\v\f\r")
            key = " ".join(unit.lower().split())
            if len(unit) >= stage.min_characters and key in seen:
                at = len(text[: text.index(unit, begin)].encode())
                covered.append((at, at + len(unit.encode())))
            if len(unit) >= stage.min_characters:
                seen.add(key)
        ranges.append(covered)
    return ranges


def joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same, of which none touch."""
    done: list[tuple[int, int]] = []
    for begin, end in ranges:
        if done and begin <= done[-1][1]:
            done[-1] = (done[-1][0], max(end, done[-1][1]))
        else:
            done.append((begin, end))
    return done


def compare(what: str, texts: Texts, ours: Ranges, searched: Ranges) -> None:
    """Print what differs, in bytes."""
    cut_too, left_over, both = 0, 0, 0
    for text, mine, theirs in zip(texts, ours, searched, strict=True):
        is_mine, is_theirs = (np.zeros(len(text.encode()), np.bool_) for _ in range(2))
        for mask, ranges in ((is_mine, mine), (is_theirs, theirs)):
            for begin, end in ranges:
                mask[begin:end] = True
        cut_too += int((is_mine & ~is_theirs).sum())
        left_over += int((is_theirs & ~is_mine).sum())
        both += int((is_mine & is_theirs).sum())
    size = sum(len(text.encode()) for text in texts)
    print(
        f"{what} of {len(texts):,} texts, {size / 1e6:.1f} MB: {both:,} bytes found by both; {cut_too:,} bytes that a "
        f"plain search does not find, {left_over:,} that it finds alone"
    )


# -------------------------------------------------------------------------- peer


def peer(arguments: list[str]) -> None:
    """Lines of 100 characters and more: our stage, and Dolma's over the same texts."""
    texts = texts_of(Path(arguments[0]))
    size = sum(len(text.encode()) for text in texts)
    python = flavours_python()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as work:
        inputs = written(Path(work, "ours"), split(texts))
        run(inputs, [STAGES["paragraph_dedup, unit: line"]])
        for number in range(3):
            begin = time.process_time()
            done = run(inputs, [STAGES["paragraph_dedup, unit: line"]])
            ours.append(time.process_time() - begin)
            config = dolma_config(Path(work, f"dolma{number}"), texts)
            command = [str(python), "-c", DOLMA, config]
            theirs.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print(
        f"{size / 1e6:.0f} MB: ours {size / min(ours) / 1e6:.0f} MB/s, exact, {done.stretches:,} lines cut; Dolma's "
        f"Bloom filter {size / min(theirs) / 1e6:.0f} MB/s: {min(theirs) / min(ours):.2f} times our time"
    )


def dolma_config(folder: Path, texts: Texts) -> str:
    """The texts as Dolma reads them, and its configuration."""
    documents = folder / "documents"
    documents.mkdir(parents=True)
    with gzip.open(documents / "0.jsonl.gz", "wt", compresslevel=1) as file:
        file.writelines(json.dumps({"id": str(number), "text": text}) + "\n" for number, text in enumerate(texts))
    for name in ("in", "out"):
        (folder / name).mkdir()
    return json.dumps(
        {
            "documents": [f"{documents}/*.gz"],
            "dedupe": {
                "name": "lines",
                "paragraphs": {"attribute_name": "duplicates", "paragraph_separator": "\n"},
                "skip_empty": True,
                "min_length": 100,
                "min_words": 0,
                "num_partitions": 1,
                "partition_index": 0,
                "file_partition": False,
                "document_dir": "documents",
            },
            "bloom_filter": {
                "file": f"{folder}/filter",
                "read_only": False,
                "size_in_bytes": 0,
                "estimated_doc_count": sum(text.count("\n") + 1 for text in texts),
                "desired_false_positive_rate": 1e-6,
            },
            "work_dir": {"input": f"{folder}/in", "output": f"{folder}/out"},
            "processes": 1,
            "compression": {"input": None, "output": None},
            "is_s3_volume": False,
        }
    )


# ------------------------------------------------------------------------- texts


@dataclass
class Inputs:
    """Texts in files of a run."""

    work: Work
    shards: list[ShardInput]
    size: int

    @property
    def documents(self) -> int:
        return sum(shard.documents for shard in self.shards)


@dataclass
class Done:
    """What was cut: how many stretches, how many bytes, and where, (text, first byte, byte behind)."""

    stretches: int
    removed: int
    spans: list[tuple[int, int, int]]


def texts_of(folder: Path) -> Texts:
    """The texts of all files of a folder."""
    opens: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".zst": _unzstd, ".jsonl": bytes}
    files = sorted(path for path in folder.rglob("*.jsonl*") if path.suffix in opens)
    return [
        str(json.loads(line)["text"]) for path in files for line in opens[path.suffix](path.read_bytes()).splitlines()
    ]


def _unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()


def split(texts: Texts, rows: int = SHARD_ROWS) -> Iterator[Texts]:
    """The texts, so many at a time."""
    return (texts[first : first + rows] for first in range(0, len(texts), rows))


def essays(count: int) -> Texts:
    return [f"{' '.join(str(word % (7 + n)) for word in range(100))}\n\n{'a line of text ' * 10}" for n in range(count)]


def written(folder: Path, shards: Iterator[Texts] | list[Texts]) -> Inputs:
    """Texts as a run has them after its filters."""
    inputs = Inputs(Work(str(folder), "run"), [], 0)
    for number, texts in enumerate(shards):
        rows = range(len(texts))
        columns: dict[str, Any] = {"text": pa.array(texts, pa.large_string()), "row": pa.array(rows)}
        columns |= {"id": [str(row) for row in rows], "shard": [str(number)] * len(texts)}
        key = inputs.work.key(f"texts/{number}.parquet")
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), folder / key, compression="zstd", compression_level=1)
        name = str(number)
        inputs.shards.append(
            ShardInput(number=number, name=name, source="s", fingerprints="", texts=key, documents=len(texts))
        )
        inputs.size += sum(len(text.encode()) for text in texts)
    return inputs


def run(inputs: Inputs, stages: Sequence[SpanStage]) -> Done:
    """Find and cut what is repeated; each time anew."""
    done = Done(0, 0, [])
    work = inputs.work.under(f"spans-{time.perf_counter_ns()}")
    found = find_repeats(work, LocalRunner(), inputs.shards, [None] * len(inputs.shards), stages, inputs.size)
    before = 0
    for shard, key in zip(inputs.shards, found, strict=True):
        spans = pq.read_table(work.storage.open_seekable(key)) if key else SPANS.empty_table()
        texts = pq.read_table(work.storage.open_seekable(shard.texts), columns=["text"])["text"].combine_chunks()
        left = cut(texts, spans, stages)
        done.removed += int(pc.sum(pc.binary_length(texts)).as_py() - text_buffers(left.texts)[1][-1])
        done.stretches += sum(int(np.sum(left.values[stage.column("spans")].to_numpy())) for stage in stages)
        places = (spans[name].to_pylist() for name in ("row", "begin", "end"))
        done.spans += [(before + row, begin, end) for row, begin, end in zip(*places, strict=True)]
        before += shard.documents
    return done


def peak_bytes() -> int:
    """The peak resident set of this process so far."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
