"""A corpus: a versioned table of kept documents in object storage, with every decision beside it.

`<url>/`                        Delta table of kept documents, partitioned by source
`<url>/_decisions/`             Delta table of decisions, partitioned by version and run
`<url>/_index/<run>/`           the dedup index of a version's kept documents
`<url>/_ids/<run>/`             where each document's decisions are, by its id
`<url>/_manifests/`, `_reports/`, `_changes/`  `<version>-<run>.json`, named by the version's commit
`<url>/_tags/`, `_holds/`, `_vacuums/`  what keeps versions, and what became of the others
`<url>/_runs/<run>/`            the work of a run in progress

The commit to the documents' table is the one atomic step that publishes; what it names was written before it. Rows and
files of a run that no commit names belong to a run that did not publish: readers pass over them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction
from pyarrow.dataset import FileSystemDataset
from pydantic import BaseModel

from curation import decision, document
from curation.change import Change
from curation.errors import ConflictError, CorruptError, MissingError, StorageError, TransientError
from curation.explanation import Found, decisions_about, kept_document
from curation.manifest import Kind, Manifest, Part
from curation.report import Report
from curation.storage import Storage, check_corpus_url, open_storage
from curation.vacuums import Gone, gone

SCHEMA = pa.schema(
    [
        *document.SCHEMA,
        pa.field("language", pa.string()),
        pa.field("cluster_size", pa.int32(), nullable=False),
    ]
)
"""A kept document: the columns of a batch, the label of the recipe's first language stage (null without one), and how
many documents it stands for, itself included."""

ROW_GROUP = 1024
DECISIONS = "_decisions"
IDS = "_ids"

_PARTITIONS = ["version", "run"]
_TRIES = 5
_TRANSIENT = re.compile(
    r"\b(?:5\d\d|429|408) [A-Z][a-z]|error sending request|client error \(Connect\)|timed out"
    r"|[Cc]onnection (?:refused|reset|closed)|SlowDown|InternalError|incomplete message",
)
"""How deltalake writes that a store did not answer, or was busy: it has no classes of its own for that."""
_CONFIGURATION: dict[str, str | None] = {"delta.checkpointInterval": "10"}
"""Whoever opens a table reads what was committed since the last checkpoint: a refresh does so some ten times."""
_HOOKS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Version:
    """One line of a corpus's history."""

    version: int
    run: str
    published: datetime
    kind: Kind
    recipe: str
    fingerprint: str
    documents: int
    bytes: int
    tokens: int | None = None
    """None where its recipe does not count them."""
    gone: Gone | None = None
    """That, and when, its files were removed; its manifest, report and change are there still."""


class Corpus:
    """A corpus at a folder or an `s3://` prefix. Opening one reads nothing; StorageError for what is no address."""

    def __init__(self, url: str) -> None:
        check_corpus_url(url)
        self.storage: Storage = open_storage(url)
        self.url = self.storage.url

    # ------------------------------------------------------------------ reading

    def versions(self) -> list[Version]:
        """What has been published, oldest first; empty for a corpus that has no version yet, or is not there."""
        table = self._table("")
        if table is None:
            return []
        without = gone(self.storage)
        found = [_version(commit) for commit in table.history() if "run" in commit]
        found = [replace(version, gone=without.get(version.version)) for version in found]
        return sorted(found, key=lambda version: version.version)

    def version(self, number: int | None = None) -> Version:
        """One version, by default the newest. Raises MissingError with what there is."""
        versions = self.versions()
        chosen = [version for version in versions if number is None or version.version == number]
        if not chosen:
            what = "no version" if number is None else f"no version {number}"
            known = f"; there are {_numbers(versions)}" if versions else " has been published here"
            raise MissingError(f"{self.url}: {what}{known}")
        return chosen[-1]

    def readable(self, number: int | None = None) -> Version:
        """As `version`, of one whose documents and decisions are there. Raises MissingError where they were removed."""
        version = self.version(number)
        if version.gone:
            raise MissingError(f"{self.url}: {version.gone}")
        return version

    def manifest(self, number: int | None = None) -> Manifest:
        """The manifest of a version, by default of the newest."""
        return self.manifest_of(self.version(number))

    def report(self, number: int | None = None) -> Report:
        """The report of a version, by default of the newest."""
        return self.report_of(self.version(number))

    def change(self, number: int | None = None) -> Change:
        """How a version came of the one before it, by default of the newest."""
        return self.change_of(self.version(number))

    def manifest_of(self, version: Version) -> Manifest:
        """The manifest of a version of this corpus that is known already: one read, and no look at the history."""
        return self._named(version, "manifest", Manifest)

    def report_of(self, version: Version) -> Report:
        """As `manifest_of`."""
        return self._named(version, "report", Report)

    def change_of(self, version: Version) -> Change:
        """As `manifest_of`."""
        return self._named(version, "change", Change)

    def documents(self, number: int | None = None) -> Any:
        """The kept documents of a version as a `pyarrow.dataset.Dataset`, which DuckDB and Polars read as it is."""
        version = self.readable(number)
        table = DeltaTable(self.url, version=version.version, storage_options=self.storage.delta_options())
        return table.to_pyarrow_dataset()

    def decisions(self, number: int | None = None) -> Any:
        """The decisions in force in a version as a `pyarrow.dataset.Dataset`; `version` and `run` say when each was
        made."""
        manifest = self.manifest_of(self.readable(number))
        table = self._table(DECISIONS)
        if table is None:
            raise CorruptError(f"{self.url}: version {manifest.version} is published, but there is no {DECISIONS}")
        every = table.to_pyarrow_dataset()
        paths = {part.path.removeprefix(f"{DECISIONS}/") for part in manifest.decisions}
        own = [fragment for fragment in every.get_fragments() if fragment.path in paths]
        if len(own) != len(paths):
            found = f"{len(own)} of {len(paths)} files of version {manifest.version}"
            raise CorruptError(f"{self.url}: {DECISIONS} has {found}")
        return FileSystemDataset(own, every.schema, every.format, every.filesystem)

    def explain(self, document_id: str, number: int | None = None) -> list[dict[str, Any]]:
        """The decisions about a document: several if the input held its id several times. Raises MissingError."""
        return [found.row for found in self.decisions_about(self.manifest(number), document_id)]

    def decisions_about(
        self, manifest: Manifest, document_id: str, source: str | None = None, limit: int | None = None
    ) -> list[Found]:
        """As `explain`, of a manifest that is at hand (a draft's, too); of one source, at most so many, if given."""
        with self.saying_what_is_gone(manifest.version):
            about = decisions_about(self.storage, manifest, document_id, source, limit)
        if not about:
            where = f" in source {source!r}" if source is not None else ""
            raise MissingError(
                f"{self.url}: version {manifest.version} knows no document {document_id!r}, kept or dropped{where}"
            )
        return about

    def kept_document(self, manifest: Manifest, found: Found) -> dict[str, Any] | None:
        """The kept document that a decision is about, with its text; None where it was not kept."""
        with self.saying_what_is_gone(manifest.version):
            return kept_document(self.storage, manifest, found)

    def read(self, part: Part) -> bytes:
        """One file of the corpus. Raises CorruptError unless it is what the manifest says."""
        return read_part(self.storage, part)

    def verify(self, number: int | None = None) -> int:
        """Read every file of a version and compare it with the manifest; how many there are. Raises CorruptError or
        MissingError for the first that is not what it was."""
        manifest = self.manifest_of(self.readable(number))
        for part in manifest.parts:
            self.read(part)
        return len(manifest.parts)

    # --------------------------------------------------------------- publishing

    def create(self) -> None:
        """Make the empty tables, if they are not there."""
        self._create("", SCHEMA, [document.SOURCE])
        self._create(DECISIONS, _with_partitions(decision.SCHEMA), _PARTITIONS)

    def head(self) -> int:
        """The number of the newest commit, which the next version's number follows; 0 before the first version.

        Commits of others count too (an optimize, say), so numbers of versions may have gaps.
        """
        table = self._table("")
        return table.version() if table else 0

    def newest_commit(self) -> tuple[str, str] | None:
        """What tells the newest commit from every other, by one listing: while it is the same, so are the versions.
        None where there is no table."""
        commits = [entry for entry in self.storage.list("_delta_log/", deep=False) if entry.key.endswith(".json")]
        return (commits[-1].key, commits[-1].etag) if commits else None

    def newest(self) -> Manifest | None:
        """The manifest of the newest version; None before the first."""
        versions = self.versions()
        return self.manifest_of(versions[-1]) if versions else None

    def published(self, run: str) -> int | None:
        """The version that this run published, if it did."""
        table = self._table("")
        return table.transaction_version(run) if table else None

    def publish(self, manifest: Manifest, report: Report, change: Change, decisions: pa.Schema) -> int:
        """Make the manifest's files the newest version, in one atomic step; again is the same as once.

        The files are there already; `decisions` is the schema of those that hold the decisions. Raises ConflictError,
        with nothing published, if the corpus has moved on from the manifest's parent.
        """
        table = self._create("", SCHEMA, [document.SOURCE])
        if (already := table.transaction_version(manifest.run)) is not None:
            return int(already)
        self._check_parent(manifest, table.version())
        self._publish_decisions(manifest, decisions)
        commit: dict[str, str] = {"run": manifest.run, "recipe": str(manifest.recipe["name"])}
        commit |= {"kind": manifest.kind, "fingerprint": manifest.fingerprint, "digest": manifest.digest}
        commit |= {"documents": str(manifest.documents), "bytes": str(manifest.bytes)}
        commit |= {} if manifest.tokens is None else {"tokens": str(manifest.tokens)}
        for what, model in (("manifest", manifest), ("report", report), ("change", change)):
            commit[what] = f"_{what}s/{manifest.version}-{manifest.run}.json"
            self.storage.write(commit[what], model.model_dump_json(indent=1).encode())
        self._commit("", table, manifest.shards, manifest, commit, SCHEMA, [document.SOURCE])
        return manifest.version

    def _publish_decisions(self, manifest: Manifest, schema: pa.Schema) -> None:
        schema = _with_partitions(schema)
        table = self._create(DECISIONS, schema, _PARTITIONS)
        folder = f"{DECISIONS}/version={manifest.version}/run={manifest.run}/"
        own = tuple(part for part in manifest.decisions if part.path.startswith(folder))
        if table.transaction_version(manifest.run) == manifest.version and _has_decisions(table, own):
            return
        for _ in range(_TRIES):
            known = set(pa.schema(table.schema().to_arrow()).names)
            missing = [field for field in schema if field.name not in known]
            if not missing:
                break
            with suppress(CommitFailedError), self._delta_errors():
                table.alter.add_columns(Schema.from_arrow(pa.schema(missing)).fields)
            table = self._create(DECISIONS, schema, _PARTITIONS)
        self._commit(DECISIONS, table, own, manifest, {}, schema, _PARTITIONS)

    def _check_parent(self, manifest: Manifest, head: int) -> None:
        if head != manifest.parent:
            raise ConflictError(
                f"{self.url}: somebody else published (or changed the table) while run {manifest.run} worked: it is at "
                f"version {head}, the run began at {manifest.parent}. Nothing of it is published; run the recipe again"
            )

    def _commit(
        self,
        name: str,
        table: DeltaTable,
        parts: tuple[Part, ...],
        manifest: Manifest,
        metadata: dict[str, str],
        schema: pa.Schema,
        partitions: list[str],
    ) -> None:
        """Commit the parts to a table: the documents' get replaced, decisions are added. Twice is the same as once."""
        wanted = {part.path.removeprefix(f"{name}/"): part for part in parts}
        present = {} if name else _present(table)
        actions: list[AddAction | RemoveAction] = [
            _add(path, part, manifest) for path, part in wanted.items() if path not in present
        ]
        now = int(datetime.now(UTC).timestamp() * 1000)
        actions += [
            RemoveAction(path, True, now, size, {document.SOURCE: source})
            for path, (size, source) in present.items()
            if path not in wanted
        ]
        properties = CommitProperties(
            custom_metadata=metadata,
            max_commit_retries=None if name else 0,
            app_transactions=[Transaction(manifest.run, manifest.version)],
        )
        try:
            with self._delta_errors():
                table.create_write_transaction(
                    actions,
                    "append",
                    schema,
                    partitions,
                    commit_properties=properties,
                    post_commithook_properties=_HOOKS,
                )
        except CommitFailedError as error:
            # The acknowledgement may have been lost, or the same run goes on elsewhere: the log says what is so.
            written = self._table(name)
            if written is None or written.transaction_version(manifest.run) != manifest.version:
                raise ConflictError(
                    f"{self.url}: somebody else published first; nothing of this run is ({error})"
                ) from None

    # ----------------------------------------------------------------- removing

    def forget_decisions(self, paths: Collection[str]) -> None:
        """Take files of decisions that are to be deleted out of their table; those that it does not name are passed
        over. Raises ConflictError where others commit all the time."""
        for _ in range(_TRIES):
            table = self._table(DECISIONS)
            if table is None:
                return
            now = int(datetime.now(UTC).timestamp() * 1000)
            removed: list[AddAction | RemoveAction] = [
                RemoveAction(action["path"], True, now, action["size_bytes"], _values(action))
                for action in pa.table(table.get_add_actions(flatten=True)).to_pylist()
                if f"{DECISIONS}/{action['path']}" in paths
            ]
            if not removed:
                return
            schema = pa.schema(table.schema().to_arrow())
            with suppress(CommitFailedError), self._delta_errors():
                table.create_write_transaction(
                    removed, "append", schema, _PARTITIONS, post_commithook_properties=_HOOKS
                )
                return
        raise ConflictError(f"{self.url}: {DECISIONS} changes all the time; try again later")

    @contextmanager
    def saying_what_is_gone(self, *numbers: int) -> Iterator[None]:
        """Within, a file that is missing because one of these versions was vacuumed is an error that says so."""
        try:
            yield
        except MissingError:
            removed = gone(self.storage)
            for number in numbers:
                if number in removed:
                    raise MissingError(f"{self.url}: {removed[number]}") from None
            raise

    # ------------------------------------------------------------------- tables

    def _table(self, name: str) -> DeltaTable | None:
        """The table, as it is now; None where there is none. The storage is asked first: its errors are sentences."""
        if not self.storage.list(f"{name}/_delta_log/" if name else "_delta_log/", deep=False):
            return None
        try:
            with self._delta_errors():
                return DeltaTable(self._url(name), storage_options=self.storage.delta_options())
        except TableNotFoundError:
            return None

    def _create(self, name: str, schema: pa.Schema, partitions: list[str]) -> DeltaTable:
        options = self.storage.delta_options()
        if (table := self._table(name)) is not None:
            return table
        with self._delta_errors():
            return DeltaTable.create(
                self._url(name),
                schema,
                mode="ignore",
                partition_by=partitions,
                configuration=_CONFIGURATION,
                storage_options=options,
            )

    @contextmanager
    def _delta_errors(self) -> Iterator[None]:
        """Within, what deltalake raises becomes an error of ours; a lost commit and a missing table pass through."""
        try:
            yield
        except (CommitFailedError, TableNotFoundError):
            raise
        except (DeltaError, OSError) as error:
            text = str(error)
            kind = TransientError if _TRANSIENT.search(text) else StorageError
            raise kind(f"{self.url}: {_said(text)}") from error

    def _url(self, name: str) -> str:
        return f"{self.url}/{name}" if name else self.url

    def _named(self, version: Version, what: str, model: type[Model]) -> Model:
        data = self.storage.read(f"_{what}s/{version.version}-{version.run}.json")
        return model.model_validate_json(data)


def _said(text: str) -> str:
    """The first and the last line of an error's chain, without colours, nor the page that a server sent."""
    chain = re.sub(r"\x1b\[\d+m", "", text).partition("<")[0]
    lines = [said for line in chain.splitlines() if (said := line.strip(" ↳\t:"))]
    return ": ".join(dict.fromkeys((lines[0], lines[-1]))) if lines else ""


def read_part(storage: Storage, part: Part) -> bytes:
    """One file of a corpus. Raises CorruptError unless it is what the manifest says."""
    return storage.read(part.path, size=part.bytes, sha256=part.sha256)


def ids_path(run: str, name: str) -> str:
    """Where the index of ids of a run's part lies."""
    return f"{IDS}/{run}/{name}.ids"


def _with_partitions(schema: pa.Schema) -> pa.Schema:
    return pa.schema([*schema, pa.field("version", pa.int32()), pa.field("run", pa.string())])


def _version(commit: dict[str, Any]) -> Version:
    """Its number is in its manifest's name: deltalake counts the log's newest commit as the table's version, and is
    wrong by one where somebody publishes between its two looks."""
    return Version(
        version=int(commit["manifest"].rpartition("/")[2].partition("-")[0]),
        run=commit["run"],
        published=datetime.fromtimestamp(commit["timestamp"] / 1000, UTC),
        kind=commit["kind"],
        recipe=commit["recipe"],
        fingerprint=commit["fingerprint"],
        documents=int(commit["documents"]),
        bytes=int(commit["bytes"]),
        tokens=int(commit["tokens"]) if "tokens" in commit else None,
    )


def _numbers(versions: Sequence[Version]) -> str:
    """Which versions there are; of very many only how many, the first and the last."""
    numbers = [version.version for version in versions]
    if len(numbers) > 10:
        return f"{len(numbers):,}, from {numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))


def _present(table: DeltaTable) -> dict[str, tuple[int, str]]:
    """The files of the table's newest version: path → (size in bytes, source)."""
    actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    return {action["path"]: (action["size_bytes"], action[f"partition.{document.SOURCE}"]) for action in actions}


def _values(action: dict[str, Any]) -> dict[str, str | None]:
    """The partition that a file of decisions is in."""
    return {name: str(action[f"partition.{name}"]) for name in _PARTITIONS}


def _has_decisions(table: DeltaTable, parts: Collection[Part]) -> bool:
    """Whether the decisions' table names these files; a vacuum may have taken those of a run that was given up."""
    named = {f"{DECISIONS}/{path}" for path in pa.table(table.get_add_actions())["path"].to_pylist()}
    return named.issuperset(part.path for part in parts)


def _add(path: str, part: Part, manifest: Manifest) -> AddAction:
    values = {document.SOURCE: part.source} if part.source else {"version": str(manifest.version), "run": manifest.run}
    return AddAction(path, part.bytes, values, 0, True, json.dumps({"numRecords": part.rows}))
