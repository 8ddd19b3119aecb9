"""What a night costs: a refresh against a whole run, thirty nights in a row, and real text in ten nights.

    .venv/bin/python benchmarks/refresh.py cost [--documents 1000000]              1 % new: CPU, index read, memory
    .venv/bin/python benchmarks/refresh.py nights [--documents 100000] [--nights 30]   every night's cost, 1 % each
    .venv/bin/python benchmarks/refresh.py shared ../shared/data                   ten nights keep what one run keeps

`cost` and `nights` curate documents of made-up words (benchmarks/made_up.py: Zipfian words, about 250 a document, a
fifth of them copies, a quarter of what is new), by FineWeb's recipe without its language stage, which would drop them.
CPU is user and system time of one process that is driver and worker in one, with its libraries loaded and its kernels
compiled by a small corpus before. A goal that is missed, or a difference of the kept documents, is a non-zero exit.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from unittest.mock import patch

import zstandard
from made_up import MadeUp
from pydantic import BaseModel

from curation.corpus import Corpus
from curation.dedup.index import segments_of
from curation.pipeline import Outcome, Progress, curate, refresh
from curation.recipe import Recipe, load_recipe
from curation.runner.local import LocalRunner
from curation.storage import address, forget_storages
from curation.storage.local import LocalStorage

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SHARD = 10_000
MOST_CPU, MOST_READ, MOST_GROWTH = 0.05, 0.10, 0.20
"""The goals: CPU of a refresh in that of a whole run, bytes read of the index in all of it, growth over the nights."""
RECIPE = Path(__file__).resolve().parent.parent / "recipes/fineweb.yaml"
RUNNER = LocalRunner()


class Cost(BaseModel):
    """What one run of the pipeline took; sizes in bytes."""

    cpu_s: float
    steps: dict[str, float]
    """CPU seconds until the end of each step, and of what is behind the last."""
    read: int
    written: int
    index_read: int
    documents: int
    kept: int
    index: int
    segments: int
    manifest: int
    peak: int
    peak_before: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for figure, documents in ((cost, 1_000_000), (nights, 100_000)):
        command = commands.add_parser(figure.__name__, help=figure.__doc__)
        command.set_defaults(figure=figure)
        command.add_argument("--documents", type=int, default=documents)
        command.add_argument(
            "--folder", type=Path, help="where the corpus is made, and left; by default a temporary one"
        )
    command.add_argument("--nights", type=int, default=30)
    command = commands.add_parser(shared.__name__, help=shared.__doc__)
    command.set_defaults(figure=shared)
    command.add_argument("data", type=Path, help="holds shards/SOURCE/*.jsonl.{gz,zst} and neardups/docs-*")
    command = commands.add_parser("measure")
    command.set_defaults(figure=measure_here)
    command.add_argument("folder", type=Path)
    command.add_argument("what", choices=["curate", "refresh"])
    asked = parser.parse_args()
    if missed := asked.figure(asked):
        raise SystemExit("\n".join(missed))


def cost(asked: argparse.Namespace) -> list[str]:
    """A corpus curated whole, and refreshed with 1 % more documents."""
    missed = []
    with _folder(asked.folder) as folder:
        texts, count = MadeUp(asked.documents), asked.documents
        _write(texts, folder, 0, count)
        whole = _measured(folder, "curate")
        _show("whole run", whole)
        _write(texts, folder, count, count + count // 100)
        night = _measured(folder, "refresh")
        _show("1 % more", night)
        _show("nothing new", _measured(folder, "refresh"))
    cpu, read = night.cpu_s / whole.cpu_s, night.index_read / whole.index
    print(f"index: {whole.index / whole.kept:.0f} bytes a kept document, {whole.index / 1e6:,.0f} MB")
    print(f"the refresh costs {cpu:.1%} of the whole run's CPU, and reads {read:.1%} of the index's bytes")
    missed += [f"CPU: {cpu:.1%}, the goal is {MOST_CPU:.0%}"] * (cpu > MOST_CPU)
    missed += [f"index read: {read:.1%}, the goal is {MOST_READ:.0%}"] * (read > MOST_READ)
    return missed


def nights(asked: argparse.Namespace) -> list[str]:
    """Nights of 1 % each, one after the other."""
    with _folder(asked.folder) as folder:
        texts, count = MadeUp(asked.documents), asked.documents
        size = count // 100
        _write(texts, folder, 0, count)
        _warm(folder)
        first = _cost(folder, curate)
        _show("whole run", first)
        print("night  CPU s   read MB  written MB  index read MB    of it  segments  index MB  manifest kB  kept")
        costs = []
        for night in range(asked.nights):
            _write(texts, folder, count + night * size, count + (night + 1) * size)
            costs.append(one := _cost(folder, refresh))
            print(
                f"{night + 1:5}  {one.cpu_s:5.2f}  {one.read / 1e6:8.1f}  {one.written / 1e6:10.1f}  "
                f"{one.index_read / 1e6:13.2f}  {one.index_read / one.index:6.1%}  {one.segments:8}  "
                f"{one.index / 1e6:8.1f}  {one.manifest / 1e3:11.1f}  {one.kept:,}",
                flush=True,
            )
    begin, end = (sum(one.cpu_s for one in some) / len(some) for some in (costs[:5], costs[-5:]))
    growth = end / begin - 1
    print(f"first five nights {begin:.2f} s of CPU, last five {end:.2f} s: {growth:+.1%}")
    return [f"growth: {growth:.1%}, the goal is {MOST_GROWTH:.0%}"] * (growth > MOST_GROWTH)


def shared(asked: argparse.Namespace) -> list[str]:
    """Real text in ten nights against one run over the union, in the order of each keep policy."""
    records = list(_records(asked.data))
    print(f"{len(records):,} documents, {sum(len(each['text']) for each in records) / 1e6:.1f} M characters, 10 nights")
    orders: dict[str, Callable[[dict[str, str]], Any]] = {
        "earliest": lambda each: each["added"],
        "newest": lambda each: [-ord(character) for character in each["added"]],
        "longest": lambda each: -len(each["text"]),
    }
    return [said for keep, order in orders.items() for said in _nights_and_union(keep, sorted(records, key=order))]


def _nights_and_union(keep: str, records: Sequence[dict[str, str]]) -> list[str]:
    stages = [{"kind": kind, "keep": keep} for kind in ("exact_dedup", "minhash_dedup")]
    with tempfile.TemporaryDirectory() as name:
        folder, count = Path(name), 10
        for night in range(count):
            some = records[len(records) * night // count : len(records) * (night + 1) // count]
            (folder / "in").mkdir(exist_ok=True)
            path = folder / f"in/night-{night:02}.jsonl"
            path.write_text("".join(f"{json.dumps(each)}\n" for each in some))
            refresh(_recipe(folder, "nights", stages), RUNNER)
        curate(_recipe(folder, "union", stages), RUNNER)
        refreshed, union = _fates(folder / "nights"), _fates(folder / "union")
    kept = {address for address, (survivor, _) in union.items() if survivor is None}
    others = {address for address, (survivor, _) in refreshed.items() if survivor is None}
    lost = union.keys() - kept - others
    elsewhere = [address for address in lost if refreshed[address][0] != union[address][0]]
    nearer = sum(refreshed[address][1] >= union[address][1] for address in elsewhere)
    print(
        f"keep {keep}: {len(others):,} kept in nights, {len(kept):,} at once, {len(others ^ kept)} different; "
        f"of {len(lost):,} duplicates {len(lost) - len(elsewhere):,} name the same survivor, "
        f"{nearer} of the other {len(elsewhere)} one that is as similar or more",
        flush=True,
    )
    missed = [f"keep {keep}: {len(others ^ kept)} documents are kept by one of the two only"] * (others != kept)
    return missed + [f"keep {keep}: {len(elsewhere) - nearer} survivors are worse"] * (nearer < len(elsewhere))


def _fates(output: Path) -> dict[tuple[str, int], tuple[str | None, float]]:
    """(file, row) → (survivor's id, similarity); (None, 0) of a kept document."""
    columns = ["shard", "row", "outcome", "survivor", "similarity"]
    rows = Corpus(str(output)).decisions().to_table(columns).to_pylist()
    return {(row["shard"], row["row"]): (row["survivor"], row["similarity"] or 0.0) for row in rows}


def _records(data: Path) -> Iterator[dict[str, str]]:
    """Id, text and a day of each document; real dates are all the same, so a document gets one by its number."""
    files = sorted([*(data / "shards").glob("*/*.jsonl.*"), *(data / "neardups").glob("docs-*")])
    for path in files:
        packed = path.read_bytes()
        if path.suffix == ".gz":
            text = gzip.decompress(packed)
        else:
            text = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read()
        for number, record in enumerate(map(json.loads, text.splitlines())):
            day = f"2026-{1 + number * 7 % 12:02}-{1 + number * 11 % 28:02}"
            yield {"id": record["id"], "text": record["text"], "added": day}


def measure_here(asked: argparse.Namespace) -> list[str]:
    """Used by `cost`: one run in a process of its own, its cost as JSON."""
    _warm(asked.folder)
    print(_cost(asked.folder, {"curate": curate, "refresh": refresh}[asked.what]).model_dump_json())
    return []


def _measured(folder: Path, what: str) -> Cost:
    command = [sys.executable, __file__, "measure", str(folder), what]
    return Cost.model_validate_json(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _cost(folder: Path, run: Callable[..., Outcome]) -> Cost:
    """Run the recipe over the folder's documents and measure."""
    steps: dict[str, float] = {}
    before, peak_before = _io(), _peak()
    begin = last = time.process_time()

    def watch(progress: Progress) -> None:
        nonlocal last
        now = time.process_time()
        steps[progress.step] = steps.get(progress.step, 0.0) + now - last
        last = now

    with _counted("/_index/") as counter:
        outcome = run(_recipe(folder), RUNNER, watch=watch)
    end, after = time.process_time(), _io()
    steps["sweep"] = end - last
    corpus = Corpus(str(folder / "corpus"))
    manifest = corpus.manifest()
    path = folder / f"corpus/_manifests/{manifest.version}-{manifest.run}.json"
    return Cost(
        cpu_s=end - begin,
        steps=steps,
        read=after[0] - before[0],
        written=after[1] - before[1],
        index_read=counter.bytes,
        documents=outcome.report.documents(),
        kept=manifest.documents,
        index=sum(part.bytes for part in manifest.index),
        segments=len(segments_of(manifest.index)),
        manifest=path.stat().st_size,
        peak=_peak(),
        peak_before=peak_before,
    )


def _show(name: str, one: Cost) -> None:
    steps = "  ".join(f"{step} {seconds:.2f}" for step, seconds in one.steps.items())
    print(
        f"{name:12} {one.cpu_s:7.2f} s of CPU ({steps})\n"
        f"{'':12} {one.kept:,} of {one.documents:,} documents kept; read {one.read / 1e6:,.0f} MB, of the index "
        f"{one.index_read / 1e6:,.1f} MB; written {one.written / 1e6:,.0f} MB; manifest {one.manifest / 1e3:,.0f} kB; "
        f"peak {one.peak / 1e6:,.0f} MB ({one.peak_before / 1e6:,.0f} before)",
        flush=True,
    )


def _warm(folder: Path) -> None:
    """Load libraries and compile kernels, by a whole run and a refresh of a small corpus."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        for first in (0, 500):
            MadeUp(500).write(Path(name, f"in/{first}.jsonl.zst"), first, first + 500)
            refresh(_recipe(Path(name)), RUNNER)


def _recipe(folder: Path, output: str = "corpus", stages: Sequence[dict[str, str]] = ()) -> Recipe:
    """FineWeb's without the language stage, or with these stages alone, over `in`."""
    settings = [f"sources=[{{name: made-up, uri: '{folder}/in/*'}}]", f"output={folder}/{output}"]
    recipe = load_recipe(RECIPE, settings)
    if stages:
        return recipe.model_validate(recipe.model_dump() | {"stages": list(stages)})
    kept = [stage.model_dump() for stage in recipe.stages if stage.kind != "language"]
    for stage in kept:
        if "keep" in stage:
            stage["keep"] = "earliest"
    return recipe.model_validate(recipe.model_dump() | {"stages": kept})


def _write(texts: MadeUp, folder: Path, first: int, end: int) -> None:
    for start in range(first, end, SHARD):
        texts.write(folder / f"in/{start:09d}.jsonl.zst", start, min(start + SHARD, end))


@contextmanager
def _folder(asked: Path | None) -> Iterator[Path]:
    if asked is not None:
        asked.mkdir(parents=True)
        yield asked
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


class _Counter:
    bytes = 0


@contextmanager
def _counted(below: str) -> Iterator[_Counter]:
    """Within, folders are storages that count what is read of the objects with this in their path."""
    counter = _Counter()

    class Counting(LocalStorage):
        def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
            if below in f"/{key}":
                counter.bytes += sum(length for _, length in ranges)
            return super().read_ranges(key, ranges)

        def open(self, key: str) -> BinaryIO:
            return self._tapped(key, super().open(key))

        def open_seekable(self, key: str) -> BinaryIO:
            return self._tapped(key, super().open_seekable(key))

        def _tapped(self, key: str, file: BinaryIO) -> BinaryIO:
            return io.BufferedReader(_Tapped(file, counter)) if below in f"/{key}" else file

    forget_storages()
    try:
        with patch.object(address, "LocalStorage", Counting):
            yield counter
    finally:
        forget_storages()


class _Tapped(io.RawIOBase):
    """A file of which it is counted what is read."""

    def __init__(self, file: BinaryIO, counter: _Counter) -> None:
        self._file, self._counter = file, counter

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        data = self._file.read(memoryview(buffer).nbytes)
        memoryview(buffer).cast("B")[: len(data)] = data
        self._counter.bytes += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _io() -> tuple[int, int]:
    """(bytes read, bytes written) by this process so far, from files or caches."""
    values = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(values["rchar"]), int(values["wchar"])


def _peak() -> int:
    """The peak resident set of this process so far, in bytes."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
