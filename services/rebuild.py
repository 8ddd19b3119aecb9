"""A lost database, rebuilt: what is true of corpora is in them, so they are found, named, and their history told.

Recipes, schedules, keys, webhooks, and jobs that published nothing are in no corpus: without a backup they stay lost.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from curation import corpus
from curation.errors import CurationError
from curation.manifest import Manifest
from curation.report import Report
from curation.storage import check_corpus_url, open_storage
from services.catalogue import Catalogue, CorpusEntry
from services.confinement import Confinement
from services.database import Database
from services.database.ids import ALPHABET
from services.database.tables import jobs
from services.jobs.states import State

BY = "rebuild"
REASON = "rebuilt"
LOG, MANIFESTS = "_delta_log", "_manifests"

_JOBS_RUN = re.compile(r"(job_[0-9a-z]{26})-[0-9]+")


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
    versions. Again is the same as once. Raises Invalid for what can be no root."""
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
                row = _job(project_id, entry, version, opened.manifest_of(version), opened.report_of(version))
            except CurationError as error:
                problems.append(f"{url}, version {version.version}: {error}")
                continue
            made += _insert(database, row)
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
    project_id: str, entry: CorpusEntry, version: corpus.Version, manifest: Manifest, report: Report
) -> dict[str, Any]:
    """The row of the job that published a version."""
    own = _JOBS_RUN.fullmatch(version.run)
    return {
        "id": own[1] if own else _made_up(entry.url, version),
        "project_id": project_id,
        "state": State.SUCCEEDED,
        "reason": REASON,
        "message": f"told by the corpus: run {version.run} published version {version.version}",
        "conditions": [],
        "recipe": manifest.recipe,
        "recipe_name": version.recipe[:80],
        "corpus": entry.name,
        "corpus_url": entry.url,
        "labels": {},
        "created": manifest.created,
        "created_by": BY,
        "queued": manifest.created,
        "finished": version.published,
        "updated": version.published,
        "progress": [],
        "version": version.version,
        "published": True,
        "documents_read": report.documents(),
        "documents_kept": manifest.documents,
    }


def _made_up(url: str, version: corpus.Version) -> str:
    """The id of a job for a run that was no job's: always the same, and it sorts by the time of publishing."""
    digest = hashlib.sha256(f"{url}\0{version.version}\0{version.run}".encode()).digest()
    number = (int(version.published.timestamp() * 1000) << 80) | int.from_bytes(digest[:10])
    return "job_" + "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def _insert(database: Database, row: dict[str, Any]) -> int:
    try:
        with database.transaction() as connection:
            if connection.execute(select(jobs.c.id).where(jobs.c.id == row["id"])).one_or_none() is not None:
                return 0
            connection.execute(insert(jobs).values(**row))
    except IntegrityError:  # another rebuild made it a moment ago
        return 0
    return 1
