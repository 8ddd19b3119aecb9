"""Tombstones: what was taken down from a corpus and must not come back, whoever reads it again.

A takedown leaves one in `_tombstones/`, which every later version's manifest names. It holds no document: ids and texts
are salted hashes, and what a person gave as a rule (a URL's beginning, a source, a licence) stands as it was given.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Annotated, NamedTuple, Self
from urllib.parse import unquote, urlsplit

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, Field, model_validator

from curation.dedup.fingerprint import exact_keys
from curation.document import ID, METADATA, SOURCE, TEXT, URL
from curation.manifest import Frozen, Part
from curation.storage import Storage, open_storage

TAKEDOWN = "takedown"
"""The step of the funnel, and what its reasons begin with."""
REASONS = tuple(f"{TAKEDOWN}.{why}" for why in ("ids", "url", "source", "licence", "text"))
BY_ID, BY_URL, BY_SOURCE, BY_LICENCE, BY_TEXT = REASONS
LICENCE_KEYS = ("license", "licence")
"""Where in a document's metadata its licence stands: a string or a list of them, at the top, under one of these."""
COLUMNS = (ID, SOURCE, URL, METADATA)
"""What `Tombstones.refused` looks at."""

_HASH_BYTES = 16
_PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """A URL in the form in which places are compared; the fragment and the user's name are no part of it."""

    scheme: str
    """Lower case; empty stands for any."""
    host: str
    """Lower case, in ASCII, with the port unless it is the scheme's own."""
    segments: tuple[str, ...]
    """The path between slashes, percent-decoded, without the empty ones at its ends."""
    query: str

    def holds(self, other: Place) -> bool:
        """Whether the other lies at this place or below it: by whole segments, so `/a` holds `/a/b` and not `/ab`. With
        a query it holds only this path, with this query or one that goes on after an `&`."""
        if self.scheme not in {"", other.scheme} or self.host != other.host:
            return False
        if self.query:
            begins = other.query == self.query or other.query.startswith(f"{self.query}&")
            return self.segments == other.segments and begins
        return other.segments[: len(self.segments)] == self.segments


def place_of(url: str) -> Place | None:
    """Where a URL points; None for what names no host. Without a scheme it begins with the host."""
    try:
        parts = urlsplit(url.strip() if "://" in url or url.startswith("//") else f"//{url.strip()}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    scheme = parts.scheme.lower()
    shown = _ascii(host.rstrip(".")) + (f":{port}" if port not in {None, _PORTS.get(scheme)} else "")
    return Place(scheme, shown, tuple(unquote(part) for part in parts.path.strip("/").split("/") if part), parts.query)


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


def _prefix(url: str) -> str:
    place = place_of(url)
    if place is None or ("." not in place.host and "://" not in url):
        raise ValueError(f"{url!r} names no host; expected https://example.org/path, or example.org/path")
    return url.strip()


def _licence(name: str) -> str:
    if not name.strip():
        raise ValueError("a licence has a name")
    return name.strip().casefold()


class WantedId(Frozen):
    """A document by its id, of one source or of any."""

    id: Annotated[str, Field(min_length=1)]
    source: str | None = None


class Criteria(Frozen):
    """Which documents are to be taken down: those that any of these names."""

    ids: tuple[WantedId, ...] = ()
    urls: tuple[Annotated[str, AfterValidator(_prefix)], ...] = ()
    """Places on the web with all below them: `https://example.org/blog`, or without a scheme for any."""
    sources: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    licences: tuple[Annotated[str, AfterValidator(_licence)], ...] = ()
    """Compared without regard to case and to white space at the ends."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not (self.ids or self.urls or self.sources or self.licences):
            raise ValueError("say what to take down: ids, a URL, a source or a licence")
        return self

    @property
    def concerns_texts(self) -> bool:
        """Whether the texts themselves must go, whatever they are called: an id and a URL name a text, a source and a
        licence name where a copy came from, and another copy may stay."""
        return bool(self.ids or self.urls)

    @property
    def digest(self) -> str:
        """SHA-256, the same for the same criteria in any order."""
        fields = [sorted({str(each) for each in values}) for values in (self.urls, self.sources, self.licences)]
        ids = sorted({(each.source or "", each.id) for each in self.ids})
        return hashlib.sha256(orjson.dumps([ids, *fields])).hexdigest()


class Tombstone(Frozen):
    """What one takedown keeps out."""

    run: str
    """The run that took it down."""
    reason: str | None = None
    """Why, in the words of whoever asked for it."""
    salt: str
    """32 hex digits, the same in all tombstones of a corpus."""
    criteria: str
    """Salted hash of what was asked, which tells whether the same is asked again."""
    ids: tuple[str, ...] = ()
    """Salted hashes, in hex, of ids."""
    source_ids: tuple[str, ...] = ()
    """Salted hashes, in hex, of (source, id)."""
    urls: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    """Salted hashes, in hex, of the exact keys of texts: equal for texts that differ in case and white space only."""


def tombstone(run: str, criteria: Criteria, salt: str, reason: str | None = None) -> Tombstone:
    """The tombstone of these criteria, before it is known which texts they name."""
    return Tombstone(
        run=run,
        reason=reason,
        salt=salt,
        criteria=_hash(salt, criteria.digest),
        ids=tuple(sorted({_hash(salt, each.id) for each in criteria.ids if each.source is None})),
        source_ids=tuple(sorted({_hash(salt, each.source, each.id) for each in criteria.ids if each.source})),
        urls=tuple(dict.fromkeys(criteria.urls)),
        sources=tuple(dict.fromkeys(criteria.sources)),
        licences=tuple(dict.fromkeys(criteria.licences)),
    )


def new_salt() -> str:
    """A salt for a corpus that has none yet."""
    return secrets.token_hex(16)


def id_hash(salt: str, document_id: str) -> str:
    """The salted hash of an id, as tombstones and certificates have it."""
    return _hash(salt, document_id)


def text_hashes(salt: str, text: pa.LargeStringArray) -> list[str]:
    """The salted hashes of the texts' exact keys, (documents,)."""
    return [hashed.hex() for hashed in _keyed(bytes.fromhex(salt), text)]


class Tombstones:
    """All tombstones of a version, to be asked about batches of documents. Pickles."""

    def __init__(self, stones: Iterable[Tombstone]) -> None:
        self.stones = tuple(stones)
        self._salts = sorted({stone.salt for stone in self.stones})
        self._ids = self._gathered("ids")
        self._source_ids = self._gathered("source_ids")
        self._texts = {bytes.fromhex(salt): values for salt, values in self._gathered("texts").items()}
        self._sources = pa.array(sorted({name for stone in self.stones for name in stone.sources}), pa.string())
        self._licences = {name for stone in self.stones for name in stone.licences}
        self._places: dict[str, list[Place]] = {}
        for url in {url for stone in self.stones for url in stone.urls}:
            if (place := place_of(url)) is not None:
                self._places.setdefault(place.host, []).append(place)

    @classmethod
    def load(cls, storage: Storage, parts: Sequence[Part]) -> Tombstones:
        """The tombstones that a manifest names; read once a process. Raises CorruptError, MissingError."""
        return _loaded(storage.url, tuple(parts))

    def __bool__(self) -> bool:
        return bool(self.stones)

    @property
    def salt(self) -> str:
        """The corpus's salt: that of its tombstones, or a new one."""
        return self.stones[0].salt if self.stones else new_salt()

    @property
    def concerns_texts(self) -> bool:
        """Whether `refused_texts` may refuse anything."""
        return bool(self._texts)

    def of(self, criteria: Criteria) -> Tombstone | None:
        """The tombstone that was set for these very criteria, if there is one."""
        digest = criteria.digest
        return next((stone for stone in self.stones if stone.criteria == _hash(stone.salt, digest)), None)

    def refused(self, batch: pa.RecordBatch) -> pa.StringArray:
        """Why each document of a batch must not be there, by what it is called: one of REASONS, null where it may.

        Looks at COLUMNS alone.
        """
        reasons = np.full(batch.num_rows, None, object)
        for reason, hits in (
            (BY_LICENCE, self._by_licence(batch)),
            (BY_SOURCE, self._by_source(batch)),
            (BY_URL, self._by_url(batch)),
            (BY_ID, self._by_id(batch)),
        ):
            reasons[hits] = reason
        return pa.array(reasons, pa.string())

    def refused_texts(self, batch: pa.RecordBatch) -> pa.StringArray:
        """`takedown.text` for each document of a batch whose text, but for case and white space, is one that was taken
        down; null for the others. A text that no stage will rewrite any more, or one that was just read."""
        reasons = np.full(batch.num_rows, None, object)
        for salt, values in self._texts.items():
            reasons[[hashed.hex() in values for hashed in _keyed(salt, batch[TEXT])]] = BY_TEXT
        return pa.array(reasons, pa.string())

    def _gathered(self, field: str) -> dict[str, frozenset[str]]:
        """The hashes of one kind by their salt; salts without any are left out."""
        found = {
            salt: frozenset(value for stone in self.stones if stone.salt == salt for value in getattr(stone, field))
            for salt in self._salts
        }
        return {salt: values for salt, values in found.items() if values}

    def _by_id(self, batch: pa.RecordBatch) -> list[int]:
        hits: set[int] = set()
        for salt, values in self._ids.items():
            hits |= {row for row, each in enumerate(batch[ID].to_pylist()) if _hash(salt, each) in values}
        for salt, values in self._source_ids.items():
            named = zip(batch[SOURCE].to_pylist(), batch[ID].to_pylist(), strict=True)
            hits |= {row for row, (source, each) in enumerate(named) if _hash(salt, source, each) in values}
        return sorted(hits)

    def _by_url(self, batch: pa.RecordBatch) -> list[int]:
        if not self._places:
            return []
        return [row for row, url in enumerate(batch[URL].to_pylist()) if url is not None and self._is_there(url)]

    def _is_there(self, url: str) -> bool:
        place = place_of(url)
        return place is not None and any(each.holds(place) for each in self._places.get(place.host, ()))

    def _by_source(self, batch: pa.RecordBatch) -> list[int]:
        if not len(self._sources):
            return []
        hits: list[int] = np.flatnonzero(pc.is_in(batch[SOURCE], self._sources).to_numpy(zero_copy_only=False)).tolist()
        return hits

    def _by_licence(self, batch: pa.RecordBatch) -> list[int]:
        if not self._licences:
            return []
        states = pc.fill_null(pc.match_substring(batch[METADATA], "licen"), False).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(states).tolist()
        return [row for row in rows if _licences(batch[METADATA][row].as_py()) & self._licences]


def _licences(metadata: str) -> set[str]:
    try:
        fields = orjson.loads(metadata)
    except orjson.JSONDecodeError:
        return set()
    stated = [fields.get(key) for key in LICENCE_KEYS] if isinstance(fields, dict) else []
    names = [name for each in stated for name in (each if isinstance(each, list) else [each])]
    return {name.strip().casefold() for name in names if isinstance(name, str)}


@lru_cache(maxsize=8)
def _loaded(url: str, parts: tuple[Part, ...]) -> Tombstones:
    storage = open_storage(url)
    read = (storage.read(part.path, size=part.bytes, sha256=part.sha256) for part in parts)
    return Tombstones(Tombstone.model_validate_json(data) for data in read)


def _keyed(salt: bytes, text: pa.LargeStringArray) -> list[bytes]:
    keys = exact_keys(text).astype("<u8")
    return [hashlib.blake2b(key.tobytes(), digest_size=_HASH_BYTES, key=salt).digest() for key in keys]


def _hash(salt: str, *names: str | None) -> str:
    data = "\0".join(name or "" for name in names).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=_HASH_BYTES, key=bytes.fromhex(salt)).hexdigest()
