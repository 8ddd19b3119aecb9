"""Erasure: after it, no byte of the texts that a takedown names is left in the corpus's store, and that is proven.

`_erasures/<run>/` holds what an erasure must still know once the texts are gone: while it is there no run begins, and
the same takedown, given again, goes on from it. It holds hashes, and no text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation.change import Change
from curation.corpus import Corpus
from curation.document import ROW, SHARD, TEXT
from curation.errors import AccountingError, ConflictError, CorruptError, CurationError, MissingError, StorageError
from curation.manifest import Part
from curation.pipeline.certificate import Erasure, Findings, Listing, RewrittenFile, Search, findings, write_listing
from curation.pipeline.identity import ERASURES, RUNS, Identity, sweep
from curation.pipeline.matches import Matches, refused_in
from curation.report import Example, Report
from curation.retention import VACUUMED, held_versions, remove
from curation.runner.runner import Runner
from curation.storage import Entry, Storage, bucket_versioning, open_storage
from curation.tombstones import Tombstones
from curation.traces import Traces
from curation.vacuums import RemovedFile
from curation.work import Work

CHUNK_BYTES = 8 << 20
OVERLAP_BYTES = 64
ROUNDS = 5
"""So often what is written meanwhile is searched, too, before the erasure gives up."""
_GROUP = 32
_SHOWN = 5


class ErasedFile(BaseModel):
    """A file that is to be removed."""

    model_config = ConfigDict(frozen=True)

    path: str
    bytes: int
    sha256: str


class Plan(BaseModel):
    """What an erasure set out to do: once it is written, the texts are not needed any more."""

    model_config = ConfigDict(frozen=True)

    findings: Findings
    """What the certificate says; its versions are those that are erased."""
    files: Listing
    """What is removed, as ErasedFile."""
    rewrite: tuple[tuple[str, str], ...]
    """Reports and changes that quote a document, each with the SHA-256 that it had."""
    traces: str
    """Key of the stretches of the texts that are looked for."""
    excerpts: int
    shared: int

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(holder.version for holder in self.findings.versions)


class Found(NamedTuple):
    """What the search of some objects came to."""

    bytes: int
    dirty: tuple[str, ...]
    """The keys of those in which something was found."""


# ------------------------------------------------------------------- before anything


def check_erasable(corpus: Corpus, versions: Iterable[int] = ()) -> None:
    """Raises StorageError where the store may keep what is deleted, ConflictError where one of the versions is under a
    legal hold: before anything is published."""
    state = bucket_versioning(corpus.url)
    if state not in {None, "unversioned"}:
        raise StorageError(
            f"{corpus.url}: the bucket's versioning is {state}: what is deleted could be kept as an old version. Erase "
            "in an unversioned bucket, or take down without --erase and let the bucket's owner remove old versions"
        )
    held = held_versions(corpus)
    if blocked := sorted(set(versions) & held.keys()):
        number = blocked[0]
        raise ConflictError(
            f"{corpus.url}: version {number} holds some of the documents and is under a legal hold ({held[number]}): "
            "release it, or take down without --erase"
        )


# --------------------------------------------------------------------------- erasing


def erase(
    corpus: Corpus, run: str, stones: Tombstones, find: Callable[[], Matches], runner: Runner, who: str = ""
) -> tuple[Findings, Erasure]:
    """Remove what the versions hold that the tombstones refuse, and prove that nothing is left; again is the same as
    once, until `forget` is called.

    `run` published the takedown; `find` looks the documents up, and is called only where the plan is not there yet.
    Raises ConflictError where a run is in progress or a version is under a legal hold, CorruptError where the search
    finds something.
    """
    work = Work(corpus.url, f"{ERASURES}/{run}")
    _begin(corpus, work)
    try:
        plan = work.once("plan", Plan, lambda: _plan(corpus, work, stones, find(), runner))
    except CurationError:
        corpus.storage.delete_prefix(f"{work.prefix}/")
        raise
    files = [ErasedFile.model_validate_json(line) for line in corpus.storage.read(plan.files.path).splitlines()]
    remove(corpus, plan.versions, [RemovedFile(path=file.path, bytes=file.bytes) for file in files], who)
    refused = _addresses(corpus.storage, work)
    traces = Traces.from_bytes(corpus.storage.read(plan.traces))
    for path, _ in plan.rewrite:
        _rewrite(corpus.storage, path, traces, refused)
    corpus.storage.clear_unfinished()
    objects, size = _prove(corpus, stones, plan, runner)
    after = [(path, before, _sha256(corpus.storage, path)) for path, before in plan.rewrite]
    return plan.findings, Erasure(
        finished=datetime.now(UTC),
        files=plan.files,
        rewritten=tuple(RewrittenFile(path=path, before=before, after=now) for path, before, now in after),
        search=Search(objects=objects, bytes=size, excerpts=plan.excerpts, shared=plan.shared),
    )


def forget(corpus: Corpus, run: str) -> None:
    """The erasure is done and certified: runs may begin again."""
    corpus.storage.delete_prefix(f"{ERASURES}/{run}/")


def _begin(corpus: Corpus, work: Work) -> None:
    """Keep others from beginning, then see that nobody has begun who could still publish."""
    key = work.key("begun.json")
    with suppress(ConflictError):
        corpus.storage.create(key, b"{}")
    sweep(corpus)
    left = {entry.key.split("/")[1] for entry in corpus.storage.list(f"{RUNS}/")}
    for run in sorted(left):
        if _is_alive(corpus, run):
            if not _is_planned(corpus.storage, work):
                corpus.storage.delete_prefix(f"{work.prefix}/")
            raise ConflictError(
                f"{corpus.url}: run {run} is in progress, or was left unfinished, and may hold what is to be erased: "
                "let it end, or abandon it; then give the same command again"
            )
        corpus.storage.delete_prefix(f"{RUNS}/{run}/")


def _is_alive(corpus: Corpus, run: str) -> bool:
    """Whether the run could still publish; what has no record of its beginning never can."""
    try:
        Identity.model_validate_json(corpus.storage.read(f"{RUNS}/{run}/run.json"))
    except MissingError:
        return False
    return True


def _is_planned(storage: Storage, work: Work) -> bool:
    key = work.key("plan.json")
    return any(entry.key == key for entry in storage.list(key))


# -------------------------------------------------------------------------- planning


def _plan(corpus: Corpus, work: Work, stones: Tombstones, found: Matches, runner: Runner) -> Plan:
    """What is to be done, with all that must be known of the texts for it."""
    storage = corpus.storage
    check_erasable(corpus, [held.version.version for held in found.held])
    if found.held and found.held[-1].version == corpus.version():
        raise AccountingError(
            f"{corpus.url}: the newest version still keeps {found.held[-1].documents} of the documents"
        )
    _write_addresses(storage, work, found.documents)
    items = [(path, table.select([SHARD, ROW])) for path, table in found.by_file.items()]
    own = runner.map(partial(_traces_of, work), items)
    wanted = Traces.merged(Traces.from_bytes(storage.read(key)) for key in own)
    storage.write(work.key("all.traces"), wanted.to_bytes())
    stay = {part.path: part for held in found.free for part in held.manifest.shards}
    shared = runner.map(partial(_shared, work, work.key("all.traces")), list(stay.values()))
    traces = wanted.without(Traces.merged(Traces.from_bytes(storage.read(key)) for key in shared).hashes)
    storage.write(work.key("own.traces"), traces.to_bytes())
    refused = _addresses(storage, work)
    quoting = [entry.key for entry in _quoted(storage) if _rewritten(storage.read(entry.key), traces, refused)]
    files = _to_remove(corpus, found)
    return Plan(
        findings=findings(corpus, stones.salt, found),
        files=write_listing(storage, [file.model_dump_json().encode() for file in files]),
        rewrite=tuple((key, _sha256(storage, key)) for key in quoting),
        traces=work.key("own.traces"),
        excerpts=traces.hashes.size,
        shared=wanted.hashes.size - traces.hashes.size,
    )


def _traces_of(work: Work, item: tuple[str, pa.Table]) -> str:
    """The traces of some documents of a file; their key."""
    path, wanted = item
    addresses = set(zip(wanted[SHARD].to_pylist(), wanted[ROW].to_pylist(), strict=True))

    def texts() -> Iterator[pa.LargeStringArray]:
        with work.storage.open_seekable(path) as file, pq.ParquetFile(file) as kept:
            for batch in kept.iter_batches(1024, columns=[SHARD, ROW, TEXT], use_threads=False):
                places = zip(batch[SHARD].to_pylist(), batch[ROW].to_pylist(), strict=True)
                hits = [place in addresses for place in places]
                yield batch[TEXT].filter(pa.array(hits, pa.bool_()))

    return _write_traces(work, "of", path, Traces.of(texts()))


def _shared(work: Work, key: str, part: Part) -> str:
    """Which of the traces documents have that stay; their key."""
    traces = Traces.from_bytes(work.storage.read(key))
    with work.storage.open_seekable(part.path) as file, pq.ParquetFile(file) as kept:
        batches = kept.iter_batches(1024, columns=[TEXT], use_threads=False)
        found = Traces.merged(Traces(traces.found(batch[TEXT])) for batch in batches)
    return _write_traces(work, "shared", part.path, found)


def _write_traces(work: Work, kind: str, path: str, traces: Traces) -> str:
    key = work.key(f"{kind}/{hashlib.sha256(path.encode()).hexdigest()[:32]}.traces")
    work.storage.write(key, traces.to_bytes())
    return key


def _to_remove(corpus: Corpus, found: Matches) -> list[ErasedFile]:
    """Every file of documents, decisions, ids and index that no version needs which stays: those of the versions that
    held some, and what runs left behind that did not publish."""
    stay = {part.path for held in found.free for part in held.manifest.parts}
    known = {part.path: part.sha256 for held in found.held for part in held.manifest.parts}
    listed = [entry for prefix in VACUUMED for entry in corpus.storage.list(prefix) if entry.key not in stay]
    return [
        ErasedFile(path=entry.key, bytes=entry.size, sha256=known.get(entry.key) or _sha256(corpus.storage, entry.key))
        for entry in listed
    ]


def _sha256(storage: Storage, key: str) -> str:
    digest = hashlib.sha256()
    with storage.open(key) as file:
        while data := file.read(CHUNK_BYTES):
            digest.update(data)
    return digest.hexdigest()


# ------------------------------------------------------------------------- rewriting

Addresses = set[tuple[str, int]]


def _write_addresses(storage: Storage, work: Work, documents: pa.Table) -> None:
    places = zip(documents[SHARD].to_pylist(), documents[ROW].to_pylist(), strict=True)
    storage.write(work.key("addresses.json"), orjson.dumps(sorted(set(places))))


def _addresses(storage: Storage, work: Work) -> Addresses:
    return {(shard, row) for shard, row in orjson.loads(storage.read(work.key("addresses.json")))}


def _quoted(storage: Storage) -> list[Entry]:
    """The objects that quote documents as examples."""
    return [*storage.list("_reports/"), *storage.list("_changes/")]


def _rewrite(storage: Storage, path: str, traces: Traces, refused: Addresses) -> None:
    data = _rewritten(storage.read(path), traces, refused)
    if data is not None:
        storage.write(path, data)


def _rewritten(data: bytes, traces: Traces, refused: Addresses) -> bytes | None:
    """A report or a change without the examples that quote a document; None where it has none."""
    model: Report | Change
    if "cells" in orjson.loads(data):
        model = report = Report.model_validate_json(data)
    else:
        model = Change.model_validate_json(data)
        report = model.read
    clean = tuple(example for example in report.examples if not _quotes(example, traces, refused))
    if len(clean) == len(report.examples):
        return None
    cleaned = report.model_copy(update={"examples": clean})
    whole = cleaned if model is report else model.model_copy(update={"read": cleaned})
    return whole.model_dump_json(indent=1).encode()


def _quotes(example: Example, traces: Traces, refused: Addresses) -> bool:
    said = pa.array([example.excerpt, example.detail or ""], pa.large_string())
    return (example.shard, example.row) in refused or bool(traces.hits(said).any())


# --------------------------------------------------------------------------- proving


def _prove(corpus: Corpus, stones: Tombstones, plan: Plan, runner: Runner) -> tuple[int, int]:
    """Read every object of the corpus, and once more what was written meanwhile: (objects, bytes) that were read.

    Raises CorruptError where a document is kept that the tombstones refuse, or a stretch of an erased text is found
    that no remaining document has; ConflictError where others write all the time.
    """
    seen: dict[str, Entry] = {}
    size = 0
    for _ in range(ROUNDS):
        listed = {entry.key: entry for entry in corpus.storage.list() if not entry.key.startswith(f"{ERASURES}/")}
        fresh = [entry for key, entry in listed.items() if seen.get(key) != entry]
        if not fresh:
            return len(listed), size
        groups = [tuple(fresh[start : start + _GROUP]) for start in range(0, len(fresh), _GROUP)]
        searched = runner.map(partial(search, corpus.url, plan.traces), groups)
        if dirty := [key for each in searched for key in each.dirty]:
            raise CorruptError(
                f"{corpus.url}: of what was erased something is still in {len(dirty)} files: "
                f"{', '.join(dirty[:_SHOWN])}. Remove them and give the same command again; until then no run may begin"
            )
        size += sum(each.bytes for each in searched)
        seen = listed
        _check_kept(corpus, stones, runner)
    raise ConflictError(f"{corpus.url}: somebody writes all the time; give the same command again later")


def _check_kept(corpus: Corpus, stones: Tombstones, runner: Runner) -> None:
    """Raises CorruptError where a version keeps a document that was taken down."""
    present = [corpus.manifest_of(version) for version in corpus.versions() if not version.gone]
    files = {part.path: part for manifest in present for part in manifest.shards}
    refused = runner.map(partial(refused_in, corpus.url, stones, stones.concerns_texts), list(files.values()))
    if dirty := [path for path, table in zip(files, refused, strict=True) if table.num_rows]:
        raise CorruptError(f"{corpus.url}: documents that were taken down are still in {', '.join(dirty[:_SHOWN])}")


def search(url: str, traces_key: str, entries: Sequence[Entry]) -> Found:
    """Look for the traces in some objects, decompressed."""
    storage = open_storage(url)
    traces = Traces.from_bytes(storage.read(traces_key))
    dirty = []
    for entry in entries:
        with suppress(MissingError):  # a vacuum may remove files meanwhile
            if any(traces.hits(values).any() for values in _values(storage, entry)):
                dirty.append(entry.key)
    return Found(sum(entry.size for entry in entries), tuple(dirty))


def _values(storage: Storage, entry: Entry) -> Iterator[pa.LargeStringArray]:
    """What stands in an object: the strings of Parquet and JSON, the bytes of everything."""
    if entry.key.endswith(".parquet"):
        yield from _columns(storage, entry.key)
    if entry.key.endswith((".json", ".jsonl")):
        yield pa.array(list(_strings(storage.read(entry.key))), pa.large_string())
    yield from _raw(storage, entry.key)


def _columns(storage: Storage, key: str) -> Iterator[pa.LargeStringArray]:
    with storage.open_seekable(key) as file, pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(1024, use_threads=False):
            for column in batch.columns:
                if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                    yield pc.fill_null(column, "").cast(pa.large_string())
                elif pa.types.is_nested(column.type):
                    yield pa.array([json.dumps(each, default=str, ensure_ascii=False) for each in column.to_pylist()])


def _strings(data: bytes) -> Iterator[str]:
    """All strings of one JSON value, or of one a line."""
    try:
        values = [orjson.loads(data)]
    except orjson.JSONDecodeError:
        values = [orjson.loads(line) for line in data.splitlines() if line.strip()]
    while values:
        value = values.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            values += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            values += value


def _raw(storage: Storage, key: str) -> Iterator[pa.LargeStringArray]:
    """The bytes as they lie, a chunk at a time; each begins with the end of the one before."""
    with storage.open(key) as file:
        tail = b""
        while data := file.read(CHUNK_BYTES):
            chunk = tail + data
            offsets = pa.array([0, len(chunk)], pa.int64()).buffers()[1]
            yield pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(chunk))
            tail = chunk[-OVERLAP_BYTES:]
