"""What became of one document: from version to version, and of the copies that stand for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from curation import document
from curation.corpus import Corpus, Version
from curation.decision import KEPT
from curation.errors import MissingError
from curation.explanation import Found, Row, decisions_in
from curation.manifest import Frozen, InputShard, Kind, Manifest
from curation.report import Outcome

Address = tuple[str, str, int]
"""Source, URI of the input file, and record in it."""

_DECIDED = ("outcome", "stage", "reason", "value", "threshold", "detail")
_SURVIVOR = ("survivor", "survivor_shard", "survivor_row", "similarity")


class Link(Frozen):
    """The decision about a survivor."""

    id: str
    source: str
    shard: str
    row: int
    outcome: Outcome
    reason: str | None = None
    version: int
    """The version in which the decision was recorded."""


class Chain(Frozen):
    """From a document to the one that stands for it.

    `kept`: the last link is a kept document (or there is no link, and the document itself is kept); `dropped`: the last
    link was dropped by a rule, or taken down; `gone`: the version has no decision about the next survivor, whose record
    left; `circular`: the next survivor is a link already.
    """

    links: tuple[Link, ...]
    end: Literal["kept", "dropped", "gone", "circular"]


class Moment(Frozen):
    """What a version has decided anew about a document; of `gone`, why there is no decision any more.

    `input_left`, `input_changed`: its input file is not among the version's, or has other content; `unaccounted`: the
    file is as it was.
    """

    version: int
    run: str
    kind: Kind
    published: datetime
    source: str
    shard: str
    row: int
    outcome: Literal["kept", "dropped", "failed", "gone"]
    why: Literal["input_left", "input_changed", "unaccounted"] | None = None
    stage: str | None = None
    reason: str | None = None
    value: float | None = None
    threshold: float | None = None
    detail: str | None = None
    survivor: str | None = None
    survivor_shard: str | None = None
    survivor_row: int | None = None
    similarity: float | None = None


class History(Frozen):
    """Every version in which a decision about the document changed, oldest first; an id that the input holds several
    times has one for each record."""

    id: str
    moments: tuple[Moment, ...]
    unknown: tuple[int, ...]
    """Versions whose files have been removed, so that nobody knows what they said."""


def survivors(corpus: Corpus, manifest: Manifest, found: Found) -> Chain:
    """The copies that stand for a document, one after the other: a survivor may have been dropped in its turn."""
    links: list[Link] = []
    row, met = found.row, {_record(found.row)}
    while row["outcome"] != KEPT and row["survivor"] is not None:
        wanted = (row["survivor"], row["survivor_shard"], row["survivor_row"])
        if wanted in met:
            return Chain(links=tuple(links), end="circular")
        met.add(wanted)
        with corpus.saying_what_is_gone(manifest.version):
            about = decisions_in(corpus.storage, list(manifest.files()), row["survivor"])
        survivor = next((one.row for one in about if _record(one.row) == wanted), None)
        if survivor is None:
            return Chain(links=tuple(links), end="gone")
        row = survivor
        links.append(Link(**{name: row[name] for name in Link.model_fields}))
    return Chain(links=tuple(links), end="kept" if row["outcome"] == KEPT else "dropped")


def history(corpus: Corpus, document_id: str, versions: Sequence[Version] | None = None) -> History:
    """What the versions have said about a document: all, or these, oldest first, of which the first is told as it
    stands. Files that versions share are asked once, so this costs what the versions differ by. Raises MissingError
    where no version knows it."""
    moments: list[Moment] = []
    unknown: list[int] = []
    known: dict[str, list[Row]] = {}
    before: dict[Address, Row] = {}
    files: dict[tuple[str, str], InputShard] = {}
    for version in corpus.versions() if versions is None else versions:
        if version.gone:
            unknown.append(version.version)
            continue
        manifest = corpus.manifest_of(version)
        known = _asked(corpus, manifest, document_id, known)
        now = {_address(row): row for rows in known.values() for row in rows}
        files_now = {(file.source, file.uri): file for file in manifest.inputs}
        left = sorted(before.keys() - now.keys())
        said = sorted(at for at in now if at not in before or _said(now[at]) != _said(before[at]))
        moments += [_gone(version, manifest, address, files, files_now) for address in left]
        moments += [_moment(version, manifest, now[address]) for address in said]
        before, files = now, files_now
    if not moments:
        corpus.version()  # which says it where there is none
        beside = f"; {len(unknown)} more have been removed" if unknown else ""
        raise MissingError(f"{corpus.url}: no version that is there knows a document {document_id!r}{beside}")
    return History(id=document_id, moments=tuple(moments), unknown=tuple(unknown))


def _asked(corpus: Corpus, manifest: Manifest, document_id: str, known: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """The rows about a document, by file of decisions, of all files of a version; what is known is not asked again."""
    pieces = list(manifest.files())
    rows = {piece.decisions.path: known.get(piece.decisions.path, []) for piece in pieces}
    new = [piece for piece in pieces if piece.decisions.path not in known]
    with corpus.saying_what_is_gone(manifest.version):
        for found in decisions_in(corpus.storage, new, document_id):
            rows[found.files.decisions.path].append(found.row)
    return rows


def _gone(
    version: Version,
    manifest: Manifest,
    address: Address,
    before: dict[tuple[str, str], InputShard],
    now: dict[tuple[str, str], InputShard],
) -> Moment:
    source, shard, row = address
    file = now.get((source, shard))
    is_same = file is not None and (source, shard) in before and file.file == before[source, shard].file
    why: Any = "input_left" if file is None else "unaccounted" if is_same else "input_changed"
    return Moment(**_made(version, manifest), source=source, shard=shard, row=row, outcome="gone", why=why)


def _moment(version: Version, manifest: Manifest, row: Row) -> Moment:
    told = {name: row[name] for name in (document.SOURCE, document.SHARD, document.ROW, *_DECIDED, *_SURVIVOR)}
    return Moment(**_made(version, manifest), **told)


def _made(version: Version, manifest: Manifest) -> dict[str, Any]:
    return {"version": version.version, "run": version.run, "kind": manifest.kind, "published": version.published}


def _address(row: Row) -> Address:
    return row[document.SOURCE], row[document.SHARD], row[document.ROW]


def _record(row: Row) -> tuple[str, str, int]:
    """A file that has changed may hold another document in this place, so the id belongs to it."""
    return row[document.ID], row[document.SHARD], row[document.ROW]


def _said(row: Row) -> tuple[Any, ...]:
    """What tells one decision from another: not what stages measured, nor where it is recorded."""
    return tuple(row[name] for name in (*_DECIDED, *_SURVIVOR))
