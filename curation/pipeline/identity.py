"""What a run is: the recipe's meaning, the input, and the version it starts from. Its id stands for that."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from curation.corpus import Corpus
from curation.errors import ConflictError, MissingError, OtherRunError, Problem, RecipeError
from curation.manifest import InputShard, Manifest, same_files
from curation.pipeline.filter import Run
from curation.recipe import Recipe
from curation.work import Work

RUNS = "_runs"
ERASURES = "_erasures"
"""Where an erasure that is not finished has its records: meanwhile no run begins."""
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


class Identity(BaseModel):
    """What determines a run's result, and where it is published. The first thing that a run writes."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    inputs: str
    parent: int
    what: str = "run"
    """What is done with them: a whole run, or which change of the parent."""

    @classmethod
    def of(cls, fingerprint: str, inputs: Sequence[InputShard], parent: int, what: str = "run") -> Identity:
        """The identity of a run over these input files."""
        listing = json.dumps([file.model_dump() for file in inputs])
        digest = hashlib.sha256(listing.encode()).hexdigest()[:32]
        return cls(fingerprint=fingerprint, inputs=digest, parent=parent, what=what)

    @property
    def run_id(self) -> str:
        """The id of a run that nobody named: 12 hex digits."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def begun(corpus: Corpus, fingerprint: str, inputs: tuple[InputShard, ...], run_id: str | None) -> Manifest | None:
    """The version that this run would only make again: its own, or the newest, made from the same recipe and input.

    Raises RecipeError for an id that cannot name a folder, OtherRunError for one that published something else.
    """
    if run_id is not None:
        check_id(run_id)
        if (version := corpus.published(run_id)) is not None:
            own = corpus.manifest(version)
            if own.fingerprint != fingerprint or not same_files(own.inputs, inputs):
                what = f"run {run_id} published version {version} from another recipe or other input"
                raise OtherRunError([Problem("--run-id", f"{what}; give another id")])
            return own
    newest = corpus.newest()
    if newest and newest.fingerprint == fingerprint and same_files(newest.inputs, inputs):
        return newest
    return None


def published_by(corpus: Corpus, run_id: str, fingerprint: str) -> Manifest | None:
    """What this run published, if it did. Raises as `begun`."""
    check_id(run_id)
    version = corpus.published(run_id)
    if version is None:
        return None
    own = corpus.manifest(version)
    if own.fingerprint != fingerprint:
        what = f"run {run_id} published version {version} from another recipe"
        raise OtherRunError([Problem("--run-id", f"{what}; give another id")])
    return own


def begin(corpus: Corpus, recipe: Recipe, identity: Identity, run_id: str | None) -> Run:
    """Open the run's folder, or go on in it. Raises OtherRunError if its id stands for another run, ConflictError while
    an erasure is not finished."""
    run_id = run_id or identity.run_id
    work = Work(corpus.url, f"{RUNS}/{run_id}")
    key = work.key("run.json")
    try:
        work.storage.create(key, identity.model_dump_json().encode(), writer=run_id)
    except ConflictError:
        try:
            there = Identity.model_validate_json(work.storage.read(key))
        except MissingError:  # whoever began it has published just now, and swept it away
            return begin(corpus, recipe, identity, run_id)
        if there != identity:
            what = f"run {run_id} was begun with {_difference(there, identity)}"
            raise OtherRunError([Problem("--run-id", f"{what}; give another id")]) from None
    _refuse_while_erasing(work)
    newest = corpus.newest()
    return Run(run_id, recipe, work, newest.tombstones if newest else ())


def _refuse_while_erasing(work: Work) -> None:
    """A run says that it has begun before it looks for an erasure, which says so before it looks for runs: one of them
    sees the other. A run that has done nothing yet leaves nothing."""
    if work.storage.list(f"{ERASURES}/"):
        if [entry.key for entry in work.storage.list(f"{work.prefix}/")] == [work.key("run.json")]:
            work.storage.delete(work.key("run.json"))
        what = "an erasure is not finished, and no run may begin meanwhile"
        raise ConflictError(f"{work.url}: {what}; give that `curation takedown … --erase` again")


def is_begun(corpus: Corpus, run_id: str) -> bool:
    """Whether there are records that this run would go on from."""
    key = f"{RUNS}/{run_id}/run.json"
    return any(entry.key == key for entry in corpus.storage.list(key))


def sweep(corpus: Corpus) -> None:
    """Remove the work of runs that have been published or can never be: those that began before the newest version."""
    versions = corpus.versions()
    newest = versions[-1].version if versions else 0
    for entry in corpus.storage.list(f"{RUNS}/"):
        folder, _, name = entry.key.rpartition("/")
        if name == "run.json" and folder.count("/") == 1 and _parent(corpus, entry.key) < newest:
            corpus.storage.delete_prefix(f"{folder}/")


def _parent(corpus: Corpus, key: str) -> int:
    try:
        return Identity.model_validate_json(corpus.storage.read(key)).parent
    except (ValidationError, MissingError):  # missing: somebody else sweeps at this moment, and may not be done
        return -1


def check_id(run_id: str, path: str = "--run-id") -> None:
    """Raises RecipeError, a problem of the option or argument `path`, for an id that cannot name a folder."""
    if not RUN_ID.fullmatch(run_id):
        raise RecipeError([Problem(path, f"found {run_id!r}, expected letters, digits, '_', '.', '-', at most 80")])


def _difference(begun_: Identity, now: Identity) -> str:
    names = {
        "fingerprint": "another recipe",
        "inputs": "other input",
        "parent": "another parent version",
        "what": "something else to do",
    }
    return " and ".join(text for name, text in names.items() if getattr(begun_, name) != getattr(now, name))
