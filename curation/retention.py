"""Which versions stay: legal holds, the recipe's retention, and the vacuum that removes the files of the others.

A vacuum says what it is about to remove before it looks once more at who needs it, and only then removes it. Who needs
a version (a tag, a hold, a run in progress) says so before looking whether it is gone. So whoever comes second sees the
other: either the vacuum leaves the files, or the newcomer is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from pydantic import BaseModel, ConfigDict, ValidationError

from curation.corpus import DECISIONS, IDS, Corpus, Version
from curation.errors import ConflictError, MissingError, Problem, RecipeError
from curation.ledger import Ledger, ledgers
from curation.manifest import Manifest
from curation.recipe.refresh import Retention
from curation.storage import Entry
from curation.tags import tags
from curation.vacuums import FILES, Cause, Gone, RemovedFile, RemovedFiles, Vacuum, vacuums

HOLDS = "_holds"
DOCUMENTS = "source="
VACUUMED = (DOCUMENTS, f"{DECISIONS}/version=", "_index/", f"{IDS}/")
"""What the keys begin with of the files that a vacuum may remove; it never touches any other."""
BATCH = 1000
"""So many files are removed at a time; between two batches the vacuum looks whether anything was begun or published."""
RESOLUTION = timedelta(seconds=1)
"""How far a store may round the time at which a file was written."""


class Hold(BaseModel):
    """One record: that a version was put under a legal hold, or that it was released."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    reason: str | None
    """None: released."""
    when: datetime
    who: str = ""


class Vacuumed(BaseModel):
    """What a vacuum found and removed, or would."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: int = 0
    """The number of its record; 0 where there was nothing to remove, or this was only a look."""
    stays: dict[int, tuple[str, ...]]
    """The versions that stay, and why."""
    gone: tuple[Gone, ...]
    """All that are gone by then."""
    versions: tuple[int, ...]
    """Those that go now."""
    files: tuple[RemovedFile, ...]
    """What goes, by path."""
    spared: int
    """Files that no version needs and that stay for now: too young, or a run in progress may want them."""

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


# ------------------------------------------------------------------------ holds


def holds(corpus: Corpus) -> list[Hold]:
    """The legal holds in force, by version."""
    numbers = sorted(int(name) for name in ledgers(corpus.storage, HOLDS) if name.isdigit())
    found = (_hold_ledger(corpus, number).last()[1] for number in numbers)
    return [hold for hold in found if hold and hold.reason is not None]


def held_versions(corpus: Corpus) -> dict[int, str]:
    """The versions under a legal hold, each with the reason: neither vacuum nor erasure may touch them."""
    return {hold.version: hold.reason or "" for hold in holds(corpus)}


def hold_history(corpus: Corpus, number: int) -> list[Hold]:
    """Every hold of a version and every release, oldest first."""
    return _hold_ledger(corpus, number).history()


def put_hold(corpus: Corpus, number: int, reason: str, who: str = "") -> Hold:
    """Put a version under a legal hold; the hold, which may have been there already, for the same reason.

    Raises MissingError where there is no such version or it is gone, RecipeError without a reason, ConflictError where
    it is held for another reason (a release would end both) or somebody else wrote first.
    """
    reason = reason.strip()
    if not reason:
        raise RecipeError([Problem("--reason", "say why the version is held")])
    ledger = _hold_ledger(corpus, number)
    last, present = ledger.last()
    corpus.readable(number)
    if present and present.reason == reason:
        return present
    if present and present.reason is not None:
        raise ConflictError(f"{corpus.url}: version {number} is held already: {present.reason}; release it first")
    hold = Hold(version=number, reason=reason, when=datetime.now(UTC), who=who)
    written = ledger.append(hold, last)
    try:
        corpus.readable(number)
    except MissingError:  # a vacuum was under way and did not see the hold
        ledger.append(hold.model_copy(update={"reason": None}), written)
        raise
    return hold


def release_hold(corpus: Corpus, number: int, who: str = "") -> Hold:
    """End a version's legal hold. Raises MissingError where there is none, ConflictError where somebody else wrote
    first."""
    ledger = _hold_ledger(corpus, number)
    last, present = ledger.last()
    if present is None or present.reason is None:
        raise MissingError(f"{corpus.url}: version {number} is not held")
    released = Hold(version=number, reason=None, when=datetime.now(UTC), who=who)
    ledger.append(released, last)
    return released


def _hold_ledger(corpus: Corpus, number: int) -> Ledger[Hold]:
    return Ledger(corpus.storage, f"{HOLDS}/{number}", Hold)


# ----------------------------------------------------------------------- vacuum


def vacuum(
    corpus: Corpus,
    keep: int | None = None,
    grace_days: float | None = None,
    dry_run: bool = False,
    who: str = "",
    now: datetime | None = None,
) -> Vacuumed:
    """Remove every file that no version needs which stays. Again is the same as once, and finishes what was cut off.

    The newest `keep` versions stay, tagged and held ones, and what was superseded less than `grace_days` before `now`;
    by default as the newest version's recipe says. Raises MissingError where nothing has been published, RecipeError
    for numbers that cannot be, ConflictError where another vacuum was first.
    """
    policy, moment = _policy(corpus, keep, grace_days), now or datetime.now(UTC)
    ledger = vacuums(corpus.storage)
    last, before = ledger.last()
    plan = _plan(corpus, policy, moment, before)
    if dry_run or not plan.files:
        return plan
    record = ledger.append(_recorded(corpus, plan, "vacuum", who), last)
    seen = _stirring(corpus)
    sure = _both(plan, _plan(corpus, policy, moment, before))
    if sure != plan:
        record = ledger.append(_recorded(corpus, sure, "vacuum", who, corrects=record), record)
    corpus.forget_decisions({file.path for file in sure.files})
    for batch in _batches(sure.files):
        safe = batch
        if _stirring(corpus) != seen:
            doomed = {file.path for file in _plan(corpus, policy, moment, before).files}
            safe = [path for path in batch if path in doomed]
        corpus.storage.delete_many(safe)
    return sure.model_copy(update={"record": record})


def remove(corpus: Corpus, versions: Collection[int], files: Sequence[RemovedFile], who: str = "") -> int:
    """Erase: these files go at once, whoever may need them, and these versions are said to be gone; the number of the
    record. Again is the same as once. Raises ConflictError where a version is under a legal hold or a vacuum was first.
    """
    _refuse_held(corpus, versions)
    ledger = vacuums(corpus.storage)
    last, before = ledger.last()
    every = {gone.version: gone for gone in before.gone} if before else {}
    moment = datetime.now(UTC)
    for version in versions:
        if version not in every or every[version].cause != "erasure":
            every[version] = Gone(version=version, when=moment, cause="erasure")
    going = tuple(sorted(versions))
    plan = Vacuumed(stays={}, gone=_in_order(every), versions=going, files=tuple(files), spared=0)
    record = _recorded(corpus, plan, "erasure", who)
    is_known = before is not None and (before.gone, before.listing) == (record.gone, record.listing)
    number = last if is_known else ledger.append(record, last)
    try:
        _refuse_held(corpus, versions)
    except ConflictError:  # the hold came before the record
        spared = plan.model_copy(update={"gone": before.gone if before else (), "versions": (), "files": ()})
        ledger.append(_recorded(corpus, spared, "erasure", who, corrects=number), number)
        raise
    corpus.forget_decisions({file.path for file in files})
    for batch in _batches(files):
        corpus.storage.delete_many(batch)
    return number


def _refuse_held(corpus: Corpus, versions: Collection[int]) -> None:
    if held := sorted(set(versions) & held_versions(corpus).keys()):
        raise ConflictError(f"{corpus.url}: version {held[0]} is under a legal hold; nothing is erased")


def _policy(corpus: Corpus, keep: int | None, grace_days: float | None) -> Retention:
    changes = {"versions": keep, "grace_days": grace_days}
    said = corpus.manifest().recipe.get("retention", {})
    base = Retention.model_validate(said)
    try:
        return Retention.model_validate(base.model_dump() | {k: v for k, v in changes.items() if v is not None})
    except ValidationError as error:
        options = {"versions": "--keep", "grace_days": "--grace-days"}
        raise RecipeError([Problem(options[str(e["loc"][0])], e["msg"]) for e in error.errors()]) from None


def _recorded(corpus: Corpus, plan: Vacuumed, cause: Cause, who: str, corrects: int | None = None) -> Vacuum:
    """The record of what is about to be removed; the list of files is written here, before it."""
    listing = RemovedFiles(files=plan.files).model_dump_json(indent=1).encode()
    path = f"{FILES}/{hashlib.sha256(listing).hexdigest()}.json"
    corpus.storage.write(path, listing)
    return Vacuum(
        when=datetime.now(UTC),
        who=who,
        cause=cause,
        versions=plan.versions,
        gone=plan.gone,
        files=len(plan.files),
        bytes=plan.bytes,
        listing=path,
        corrects=corrects,
    )


def _both(plan: Vacuumed, later: Vacuumed) -> Vacuumed:
    """What the plan and a later look at the same corpus agree to remove."""
    files = set(later.files)
    versions = tuple(number for number in plan.versions if number in later.versions)
    given_up = set(plan.versions) - set(versions)
    agreed = {
        "gone": tuple(gone for gone in plan.gone if gone.version not in given_up),
        "versions": versions,
        "files": tuple(file for file in plan.files if file in files),
    }
    return plan.model_copy(update=agreed)


def _batches(files: Sequence[RemovedFile]) -> Iterator[list[str]]:
    paths = [file.path for file in files]
    for start in range(0, len(paths), BATCH):
        yield paths[start : start + BATCH]


# ------------------------------------------------------------------------- plan


@dataclass(frozen=True)
class _Underway:
    """What runs in progress may still want."""

    named: frozenset[str]
    """The files that the drafts name of what is about to be published."""
    runs: frozenset[str]
    """The runs that have no draft yet."""

    def wants(self, path: str) -> bool:
        """Documents' files are named by their content, so whoever has no draft yet might come to want any of them."""
        if path in self.named:
            return True
        is_its_own = any(part in self.runs or part.removeprefix("run=") in self.runs for part in path.split("/"))
        return bool(self.runs) and (path.startswith(DOCUMENTS) or is_its_own)


def _plan(corpus: Corpus, policy: Retention, now: datetime, before: Vacuum | None) -> Vacuumed:
    """What stays and what goes. `before` is the record that was in force when this vacuum began.

    Runs in progress are looked at first, then what has been published, then the files: one that publishes meanwhile is
    seen as the one or the other, and the files of one that begins meanwhile are younger than `now`.
    """
    cutoff = now - timedelta(days=policy.grace_days)
    underway = _underway(corpus)
    versions = corpus.versions()
    wanted = _wanted(corpus)
    earlier = {gone.version: gone for gone in before.gone} if before else {}
    entries = {entry.key: entry for prefix in VACUUMED for entry in corpus.storage.list(prefix)}

    revived = {n for n, gone in earlier.items() if n in wanted and _is_whole(corpus, versions, gone, entries)}
    lost = {number: gone for number, gone in earlier.items() if number not in revived}
    present = [version for version in versions if version.version not in lost]
    stays = _stays(versions, present, policy, wanted, cutoff)
    manifests = {version.version: corpus.manifest_of(version) for version in present}
    named = {part.path for number in stays for part in manifests[number].parts}

    idle = [entry for path, entry in entries.items() if path not in named]
    doomed = {entry.key for entry in idle if _is_old(entry, cutoff) and not underway.wants(entry.key)}
    going = [n for n, found in manifests.items() if n not in stays and not doomed.isdisjoint(_paths(found))]
    gone = lost | {number: Gone(version=number, when=now, cause="vacuum") for number in going}
    return Vacuumed(
        stays=stays,
        gone=_in_order(gone),
        versions=tuple(sorted(going)),
        files=tuple(RemovedFile(path=path, bytes=entries[path].size) for path in sorted(doomed)),
        spared=len(idle) - len(doomed),
    )


def _wanted(corpus: Corpus) -> dict[int, list[str]]:
    """The versions that a person wants to stay, and why."""
    wanted: dict[int, list[str]] = {}
    for tag in tags(corpus):
        if tag.version is not None:
            wanted.setdefault(tag.version, []).append(f"tag {tag.name}")
    for number, reason in held_versions(corpus).items():
        wanted.setdefault(number, []).append(f"held: {reason}")
    return wanted


def _stays(
    versions: Sequence[Version],
    present: Sequence[Version],
    policy: Retention,
    wanted: Mapping[int, Sequence[str]],
    cutoff: datetime,
) -> dict[int, tuple[str, ...]]:
    """The versions of those present that stay, and why. The newest always does."""
    newest = {version.version for version in versions[-policy.versions :]}
    superseded = {old.version: new.published for old, new in pairwise(versions)}
    stays: dict[int, tuple[str, ...]] = {}
    for number in (version.version for version in present):
        why = list(wanted.get(number, ()))
        if number in newest:
            why.append(f"among the newest {policy.versions}")
        if number in superseded and superseded[number] > cutoff:
            why.append(f"superseded only on {superseded[number]:%Y-%m-%d}")
        if why:
            stays[number] = tuple(why)
    return stays


def _is_whole(corpus: Corpus, versions: Sequence[Version], gone: Gone, entries: Mapping[str, Entry]) -> bool:
    """Whether a version that is said to be vacuumed has all its files: the vacuum was cut off before it removed any."""
    version = next((version for version in versions if version.version == gone.version), None)
    if version is None or gone.cause == "erasure":
        return False
    parts = [part for part in corpus.manifest_of(version).parts if part.path.startswith(VACUUMED)]
    return all(part.path in entries and entries[part.path].size == part.bytes for part in parts)


def _is_old(entry: Entry, cutoff: datetime) -> bool:
    return entry.modified is not None and entry.modified + RESOLUTION < cutoff


def _paths(manifest: Manifest) -> Iterator[str]:
    return (part.path for part in manifest.parts)


def _in_order(gone: Mapping[int, Gone]) -> tuple[Gone, ...]:
    return tuple(gone[number] for number in sorted(gone))


def _underway(corpus: Corpus) -> _Underway:
    named: set[str] = set()
    runs: set[str] = set()
    for run in _runs(corpus):
        try:
            draft = Manifest.model_validate_json(corpus.storage.read(f"_runs/{run}/manifest.json"))
        except (MissingError, ValidationError):
            runs.add(run)
        else:
            named |= set(_paths(draft))
    return _Underway(frozenset(named), frozenset(runs))


def _runs(corpus: Corpus) -> list[str]:
    """The ids of the runs in progress."""
    folders = (entry.key.split("/") for entry in corpus.storage.list("_runs/") if entry.key.endswith("/run.json"))
    return [names[1] for names in folders if len(names) == 3]


def _stirring(corpus: Corpus) -> tuple[object, ...]:
    """What changes when a run begins, or a version is published."""
    return (corpus.newest_commit(), *_runs(corpus))
