"""A lost database, rebuilt: what is true of corpora is in them, so they are found, named, and their history told.

Recipes, schedules, keys, webhooks, and jobs that published nothing are in no corpus: without a backup they stay lost.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, insert, select
from sqlalchemy.exc import IntegrityError

from curation import corpus
from curation.change import Change
from curation.errors import CurationError
from curation.manifest import Manifest
from curation.storage import check_corpus_url, open_storage
from services.catalogue import Catalogue, CorpusEntry
from services.confinement import Confinement
from services.database import Database
from services.database.ids import ALPHABET
from services.database.tables import jobs
from services.insights.runs import REBUILT, job_of
from services.jobs.job import Mode
from services.jobs.states import State

BY = "rebuild"
LOG, MANIFESTS = "_delta_log", "_manifests"


@dataclass(frozen=True)
class Rebuilt:
    """What was found."""

    corpora: tuple[CorpusEntry, ...]
    jobs: int
    """How many jobs are new; those that were there stay as they are."""
    problems: tuple[str, ...]
    """What could not be read, a sentence each; it is found when it can, the next time."""


def rebuild(database: Database, project_id: str, roots: Sequence[str]) -> Rebuilt:
    """Find every corpus below the roots, put it into the project's catalogue, and make a SUCCEEDED job of each of its
    versions but those that a person restored. Again is the same as once. Raises Invalid for what can be no root."""
    confinement = Confinement(roots)
    catalogue = Catalogue(database)
    found: list[CorpusEntry] = []
    problems: list[str] = []
    made = 0
    for url in dict.fromkeys(_corpora(confinement, problems)):
        try:
            check_corpus_url(url)
            opened = corpus.Corpus(url)
            versions = opened.versions()
            entry = catalogue.register(project_id, url)
        except CurationError as error:
            problems.append(f"{url}: {error}")
            continue
        found.append(entry)
        for version in versions:
            try:
                manifest = opened.manifest_of(version)
                if manifest.kind == "restore":
                    continue
                row = _job(project_id, entry, version, manifest, opened.change_of(version))
            except CurationError as error:
                problems.append(f"{url}, version {version.version}: {error}")
                continue
            is_new, problem = _insert(database, row, _made_up(url, version))
            made += is_new
            if problem:
                problems.append(f"{url}, version {version.version}: {problem}")
    return Rebuilt(corpora=tuple(found), jobs=made, problems=tuple(problems))


def _corpora(confinement: Confinement, problems: list[str]) -> Iterator[str]:
    for folder in confinement.folders:
        yield from _below_folder(folder)
    for prefix in confinement.prefixes:
        try:
            yield from _below_prefix(prefix)
        except CurationError as error:
            problems.append(f"{prefix}: {error}")


def _below_folder(root: str) -> Iterator[str]:
    """Folders that hold a corpus; links are not followed, and nothing lies below a corpus."""
    for folder, below, _ in os.walk(root):
        if LOG in below and MANIFESTS in below:
            yield folder
            below.clear()
        below[:] = sorted(name for name in below if not name.startswith((".", "_")))


def _below_prefix(root: str) -> Iterator[str]:
    """A bucket has no folders: what holds a corpus is seen by the names of its manifests."""
    storage = open_storage(root)
    keys = [entry.key for entry in storage.list()]
    with_manifests = dict.fromkeys(key.rpartition(f"{MANIFESTS}/")[0] for key in keys if f"/{MANIFESTS}/" in f"/{key}")
    logged = {key.rpartition(f"{LOG}/")[0] for key in keys if f"/{LOG}/" in f"/{key}"}
    for prefix in with_manifests:
        if prefix in logged:
            yield f"{storage.url}/{prefix}".rstrip("/")


def _job(
    project_id: str, entry: CorpusEntry, version: corpus.Version, manifest: Manifest, change: Change
) -> dict[str, Any]:
    """The row of the job that published a version."""
    return {
        "id": job_of(version.run) or _made_up(entry.url, version),
        "project_id": project_id,
        "state": State.SUCCEEDED,
        "reason": REBUILT,
        "message": f"told by the corpus: run {version.run} published version {version.version}",
        "conditions": [],
        "recipe": manifest.recipe,
        "recipe_name": version.recipe[:80],
        "corpus": entry.name,
        "corpus_url": entry.url,
        "mode": Mode(manifest.kind),
        "labels": {},
        "created": manifest.created,
        "created_by": BY,
        "queued": manifest.created,
        "finished": version.published,
        "updated": version.published,
        "progress": [],
        "version": version.version,
        "published": True,
        "documents_read": change.read.documents(),
        "documents_kept": change.read.documents("kept"),
    }


def _made_up(url: str, version: corpus.Version) -> str:
    """The id of a job for a run that was no job's: always the same, and it sorts by the time of publishing."""
    digest = hashlib.sha256(f"{url}\0{version.version}\0{version.run}".encode()).digest()
    number = (int(version.published.timestamp() * 1000) << 80) | int.from_bytes(digest[:10])
    return "job_" + "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def _insert(database: Database, row: dict[str, Any], made_up: str) -> tuple[bool, str]:
    """Whether the job is new, and what is odd about it: `made_up` is its id where its own is another version's."""
    problem = ""
    try:
        with database.transaction() as connection:
            there = connection.execute(_there(row["id"])).one_or_none()
            if there is not None:
                if there.project_id != row["project_id"]:
                    return False, f"another project has the job {row['id']}, which made it"
                if there.corpus_url == row["corpus_url"] and there.version in (None, row["version"]):
                    return False, ""
                other = f"version {there.version} of {there.corpus_url}"
                problem = f"job {row['id']}, which made it, is that of {other}; this one's is called {made_up}"
                row = {**row, "id": made_up}
                if connection.execute(_there(made_up)).one_or_none() is not None:
                    return False, problem
            connection.execute(insert(jobs).values(**row))
    except IntegrityError:  # another rebuild made it a moment ago
        return False, problem
    return True, problem


def _there(job_id: str) -> Select[tuple[str, str, int | None]]:
    return select(jobs.c.project_id, jobs.c.corpus_url, jobs.c.version).where(jobs.c.id == job_id)
