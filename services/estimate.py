"""What a job would read, and what it may cost, before it is submitted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from curation.change import Looked, compare_inputs
from curation.corpus import Corpus
from curation.errors import MissingError, RedoError
from curation.manifest import InputShard, Manifest, same_files
from curation.pipeline.compare import check_meaning
from curation.pipeline.identity import Identity
from curation.pipeline.inputs import list_shards, refuse_shared
from curation.recipe import Recipe
from services.confinement import Confinement
from services.intake import Resolved
from services.jobs.job import Job, JobFilter, Mode, Shown, Submission
from services.jobs.states import State
from services.jobs.store import JobStore

EARLIER = 5
"""How many earlier jobs it learns from."""
MARGIN = 1.5
"""How far the next job may be from the earlier ones, either way."""

RATE = (5e6, 25e6)
"""Bytes of text a second and core, for recipes with all rules and near-deduplication, and for simple ones."""
EXPANSION = {".gz": (2.0, 6.0), ".zst": (2.0, 8.0), ".parquet": (1.5, 4.0)}
"""Bytes of text in a byte of such a file."""
KEPT = (0.02, 0.6)
"""Bytes of corpus for a byte of text: little is kept, and it is compressed; or nearly all."""


class Range(Shown):
    """Likely at least, likely at most."""

    low: float
    high: float


class SourceInput(Shown):
    """What one source names."""

    source: str
    files: int
    bytes: int


class InputFile(Shown):
    """One file that would be read."""

    source: str
    uri: str
    bytes: int


class Compared(Shown):
    """The input files that there are, against those that the newest version knows."""

    unchanged: int
    """How many are as they were."""
    new: int
    """How many it does not know."""
    changed: int
    """How many have another content by now."""
    vanished: int
    """How many are not there any more. Whether their documents stay is for the recipe to say: `refresh.vanished`."""


class JobEstimate(Shown):
    """What a submission means, and what it may cost. Nothing has been queued."""

    mode: Mode
    """What it would do."""
    recipe: dict[str, Any]
    """What would be run: placeholders filled in, addresses absolute."""
    recipe_name: str
    recipe_revision: int | None = None
    fingerprint: str
    """Changes when anything does that determines the result on the same input."""
    corpus_url: str
    newest_version: int
    """Of the corpus; 0 where there is none."""
    is_nothing_new: bool
    """Whether the newest version was made from the same recipe and input, so that the job would publish nothing."""
    compared: Compared | None = None
    """Of a refresh: what there is to read. Null where it reads everything: the first time, or where it does everything
    anew."""
    shards: int
    """How many tasks read the input."""
    files: int
    """How many would be read; of a refresh only new and changed ones."""
    input_bytes: int
    """Of the files as they are stored, compressed or not."""
    sources: tuple[SourceInput, ...]
    items: tuple[InputFile, ...]
    """A page of the files, from every source in turn."""
    next_page: str | None = None
    """Give this as `page` for more of them; null at the end."""
    documents: Range | None = None
    """How many would be read; null where nobody knows."""
    cpu_s: Range
    elapsed_s: Range | None = None
    """Null where nobody knows how many workers there will be."""
    output_bytes: Range
    basis: Literal["earlier_jobs", "documented_rate"]
    """What documents, times and sizes are estimated from."""
    basis_detail: str
    """The same for people."""


@dataclass(frozen=True)
class Costed:
    """What a submission means and may cost, with every file."""

    fields: dict[str, Any]
    """All of a `JobEstimate` but for its page."""
    files: Sequence[InputShard]
    fingerprint: str
    inputs: str
    """Changes when the input does."""

    def shown(self, begin: int, end: int, next_page: str | None) -> JobEstimate:
        """With this page of its files."""
        files = (InputFile(source=file.source, uri=file.uri, bytes=file.size) for file in self.files[begin:end])
        return JobEstimate(**self.fields, items=tuple(files), next_page=next_page)


def estimate(
    project_id: str,
    submission: Submission,
    resolved: Resolved,
    workers: int | None,
    jobs: JobStore,
    confinement: Confinement,
) -> Costed:
    """List the input of a checked submission and say what it may cost.

    `workers` is how many it may use, if that is known. Raises InputError, StorageError, ModelError, RecipeError,
    RedoError where a refresh would have to do everything anew and is not told to, and Invalid for files that a link
    leads out of the project's roots to.
    """
    recipe = resolved.recipe.pinned()
    found = [file for shard in list_shards(recipe) for file in shard.inputs()]
    confinement.check(file.uri for file in found)
    refuse_shared(recipe, found)
    fingerprint = recipe.fingerprint()
    corpus = Corpus(recipe.output)
    newest = corpus.newest()
    looked = _looked(recipe, found, newest, submission.redo) if submission.mode is Mode.REFRESH else None
    files = found if looked is None else [*looked.new, *looked.changed]
    shards = len({file.shard for file in files})
    earlier = _earlier(project_id, submission.mode, resolved, jobs, corpus)
    cost = _by_earlier(earlier, files, workers) if earlier else _by_rate(files, shards, workers)
    names = [source.name for source in recipe.sources]
    fields: dict[str, Any] = dict(
        mode=submission.mode,
        recipe=resolved.body,
        recipe_name=resolved.name,
        recipe_revision=resolved.revision,
        fingerprint=fingerprint,
        corpus_url=corpus.url,
        newest_version=newest.version if newest else 0,
        is_nothing_new=_is_nothing_new(recipe, fingerprint, found, newest, looked),
        compared=_compared(looked),
        shards=shards,
        files=len(files),
        input_bytes=_size(files),
        sources=tuple(_by_source(names, files)),
        **cost,
    )
    inputs = Identity.of(fingerprint, tuple(files), parent=0).inputs
    return Costed(fields, _in_turn(names, files), fingerprint, inputs)


def _looked(recipe: Recipe, found: Sequence[InputShard], newest: Manifest | None, redo: bool) -> Looked | None:
    """What a refresh finds; None where it reads everything."""
    if newest is None:
        return None
    try:
        check_meaning(recipe, newest)
    except RedoError:
        if redo:
            return None
        raise
    return compare_inputs(found, newest)


def _is_nothing_new(
    recipe: Recipe, fingerprint: str, found: Sequence[InputShard], newest: Manifest | None, looked: Looked | None
) -> bool:
    if looked is not None:
        return not looked.is_new and not (looked.vanished and recipe.refresh.vanished == "retire")
    return newest is not None and newest.fingerprint == fingerprint and same_files(newest.inputs, found)


def _compared(looked: Looked | None) -> Compared | None:
    if looked is None:
        return None
    new, changed, vanished = len(looked.new), len(looked.changed), len(looked.vanished)
    return Compared(unchanged=looked.unchanged, new=new, changed=changed, vanished=vanished)


@dataclass(frozen=True)
class _Earlier:
    """A job that published, and the version that it made."""

    job: Job
    manifest: Manifest
    read_bytes: int
    """Of the files that it read; of a refresh those that were new or changed."""


def _earlier(project_id: str, mode: Mode, resolved: Resolved, jobs: JobStore, corpus: Corpus) -> list[_Earlier]:
    """The project's last jobs of this mode and recipe that published a version of this corpus, with what they read."""
    which = JobFilter(states=(State.SUCCEEDED,), mode=mode, recipe=resolved.name)
    found: list[_Earlier] = []
    for job in jobs.list(project_id, which, limit=4 * EARLIER):
        if job.published and job.version is not None and job.started is not None and len(found) < EARLIER:
            try:
                manifest, change = corpus.manifest(job.version), corpus.change(job.version)
            except MissingError:
                continue
            if manifest.run.startswith(job.id):
                read = manifest.inputs if change.kind == "run" else (*change.looked.new, *change.looked.changed)
                found.append(_Earlier(job, manifest, max(1, _size(read))))
    return found


def _size(files: Iterable[InputShard]) -> int:
    return sum(file.size for file in files)


def _by_earlier(earlier: Sequence[_Earlier], files: Sequence[InputShard], workers: int | None) -> dict[str, Any]:
    """Per byte of input what the earlier jobs took, the least and the most of them, with a margin."""
    size = _size(files)
    seconds = [_elapsed_s(one.job) * size / one.read_bytes for one in earlier]
    used = [one.job.workers or workers or 1 for one in earlier]
    documents = [(one.job.documents_read or 0) * size / one.read_bytes for one in earlier]
    output = [
        sum(part.bytes for part in (*one.manifest.shards, *one.manifest.decisions))
        * size
        / max(1, _size(one.manifest.inputs))
        for one in earlier
    ]
    return {
        "documents": _range(documents, whole=True),
        "elapsed_s": _range(seconds),
        "cpu_s": _range([time * count for time, count in zip(seconds, used, strict=True)]),
        "output_bytes": _range(output, whole=True),
        "basis": "earlier_jobs",
        "basis_detail": f"from {len(earlier)} earlier jobs of this recipe, in proportion to the bytes of input",
    }


def _by_rate(files: Sequence[InputShard], shards: int, workers: int | None) -> dict[str, Any]:
    low = high = 0.0
    for file in files:
        least, most = next((factor for end, factor in EXPANSION.items() if file.uri.endswith(end)), (1.0, 1.0))
        low += least * file.size
        high += most * file.size
    cpu = (low / RATE[1], high / RATE[0])
    at_once = min(workers, shards) if workers else None
    return {
        "cpu_s": Range(low=round(cpu[0], 3), high=round(cpu[1], 3)),
        "elapsed_s": Range(low=round(cpu[0] / at_once, 3), high=round(cpu[1] / at_once, 3)) if at_once else None,
        "output_bytes": Range(low=round(low * KEPT[0]), high=round(high * KEPT[1])),
        "basis": "documented_rate",
        "basis_detail": f"no earlier job of this recipe; {RATE[0] / 1e6:g} to {RATE[1] / 1e6:g} MB of text a second "
        "and core, and the usual compression of such files",
    }


def _elapsed_s(job: Job) -> float:
    assert job.started is not None  # noqa: S101, chosen so
    return ((job.finished or job.updated) - job.started).total_seconds()


def _range(values: Sequence[float], *, whole: bool = False) -> Range:
    digits = 0 if whole else 3
    return Range(low=round(min(values) / MARGIN, digits), high=round(max(values) * MARGIN, digits))


def _by_source(names: Sequence[str], files: Sequence[InputShard]) -> list[SourceInput]:
    return [
        SourceInput(
            source=name,
            files=sum(file.source == name for file in files),
            bytes=sum(file.size for file in files if file.source == name),
        )
        for name in names
    ]


def _in_turn(names: Sequence[str], files: Sequence[InputShard]) -> list[InputShard]:
    """The files, one of each source in turn, so that every source is seen early."""
    by_source: dict[str, list[InputShard]] = {name: [] for name in names}
    for file in files:
        by_source[file.source].append(file)
    return [file for turn in zip_longest(*by_source.values()) for file in turn if file is not None]
