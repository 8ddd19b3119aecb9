"""A registry of benchmarks: JSON lines of items, whose digest is its version. The items themselves are never shipped.

An item is `{"benchmark": …, "id": …, "question": …}` with, as there may be, `split`, `answer`, `choices`, `passage` and
`canary`; `text` is another name of `question`. Other fields are passed over. A line with a `canary` may be without a
question: it is then a mark that the benchmark's makers put beside their data, and that no corpus should hold.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
import zstandard

from curation.errors import ModelError
from curation.storage import Entry, Storage, find_all, open_storage

FILES = "**/*.jsonl*"
"""What is read below a folder."""
MOST_BYTES = 2 << 30
"""Of each of a registry's files, uncompressed."""
LEAST_CANARY = 16
"""Characters that a canary must have, so that it stands nowhere by chance."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LOADING = threading.Lock()


@dataclass(frozen=True)
class Item:
    """One question of a benchmark; empty strings for what it does not have."""

    benchmark: str
    id: str
    split: str = ""
    question: str = ""
    answer: str = ""
    choices: tuple[str, ...] = ()
    passage: str = ""
    canary: str = ""


@dataclass(frozen=True)
class Registry:
    """Items by benchmark and id; `sha256` is over their content, whatever files they came in and in what order."""

    url: str
    items: tuple[Item, ...]
    sha256: str

    def __hash__(self) -> int:
        return hash(self.sha256)

    @property
    def canaries(self) -> tuple[tuple[str, str], ...]:
        """(benchmark, mark) of each canary, in order, each once."""
        return tuple(dict.fromkeys((item.benchmark, canary_mark(item.canary)) for item in self.items if item.canary))


def load_registry(url: str, sha256: str | None = None) -> Registry:
    """The registry in a file, a glob or a folder of JSON lines (plain, gzip or zstd; local or `s3://`), read once a
    process.

    Raises ModelError where there is none, where it is empty or an item is not as it should be, and where its digest is
    not `sha256` (hex).
    """
    if sha256 is not None:
        return _checked(url, sha256)
    storage, entries = _files(url)
    with _LOADING:  # so that it is read once, however many threads ask for it
        return _loaded(url, storage.url, tuple(entries))


def make_registry(items: Iterable[Item], url: str = "a registry") -> Registry:
    """The registry of these items. Raises ModelError where there are none, or two of one benchmark and id differ."""
    by_name: dict[tuple[str, str], Item] = {}
    for item in items:
        if by_name.setdefault((item.benchmark, item.id), item) != item:
            raise ModelError(f"{url}: two different items of {item.benchmark!r} have the id {item.id!r}")
    if not by_name:
        raise ModelError(f"{url}: the registry is empty; a corpus cannot be compared with nothing")
    ordered = tuple(by_name[name] for name in sorted(by_name))
    digest = hashlib.sha256()
    for item in ordered:
        digest.update(orjson.dumps(item, option=orjson.OPT_SORT_KEYS) + b"\n")
    return Registry(url, ordered, digest.hexdigest())


def canary_mark(canary: str) -> str:
    """What is looked for: the GUID in a canary, if there is one, else all of it. Raises ModelError if it is short."""
    guid = _GUID.search(canary)
    mark = guid[0] if guid else canary.strip()
    if len(mark) < LEAST_CANARY:
        raise ModelError(f"canary {canary!r}: fewer than {LEAST_CANARY} characters would be found by chance")
    return mark


# ---------------------------------------------------------------------- reading


def _files(url: str) -> tuple[Storage, list[Entry]]:
    storage, entries = find_all(url, FILES)
    if not entries:
        raise ModelError(
            f"{url}: there is no such registry: neither a file of this name, nor below a folder one that matches "
            f"{FILES}; name a file of JSON lines, a glob, or a folder of them"
        )
    return storage, entries


@lru_cache(maxsize=4)
def _checked(url: str, sha256: str) -> Registry:
    """Looked at once: whatever becomes of the files, the registry is the one that was asked for."""
    registry = load_registry(url)
    if registry.sha256 != sha256.lower():
        raise ModelError(f"{url}: the registry's SHA-256 is {registry.sha256}, expected {sha256}")
    return registry


@lru_cache(maxsize=4)
def _loaded(url: str, folder: str, entries: tuple[Entry, ...]) -> Registry:
    """Read again when a file's size or tag is another."""
    storage = open_storage(folder)
    names = [url if len(entries) == 1 else f"{url}: {entry.key}" for entry in entries]
    each = zip(entries, names, strict=True)
    return make_registry((item for entry, name in each for item in _items(storage, entry, name)), url)


def _items(storage: Storage, entry: Entry, where: str) -> Iterator[Item]:
    if entry.size > MOST_BYTES:
        raise ModelError(f"{where}: {entry.size} bytes, expected at most {MOST_BYTES}")
    data = _decompressed(storage.read(entry.key, size=entry.size), where)
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            try:
                yield parse_item(orjson.loads(line))
            except (orjson.JSONDecodeError, ModelError) as error:
                raise ModelError(f"{where}, line {number}: {error}") from None


def _decompressed(data: bytes, where: str) -> bytes:
    try:
        if data.startswith(_ZSTD):
            with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as stream:
                return _bounded(stream.read(MOST_BYTES + 1), where)
        plain = bytearray()
        while data.startswith(_GZIP):
            stream_ = zlib.decompressobj(31)
            plain += stream_.decompress(data, MOST_BYTES + 1 - len(plain))
            if not stream_.eof:
                raise ModelError(f"{where}: the gzip stream is cut short, or has more than {MOST_BYTES} bytes")
            data = stream_.unused_data.lstrip(b"\0")
            if not data:
                return _bounded(bytes(plain), where)
    except (zstandard.ZstdError, zlib.error) as error:
        raise ModelError(f"{where}: cannot be decompressed: {error}") from None
    if plain:
        raise ModelError(f"{where}: something follows the gzip stream")
    return data


def _bounded(data: bytes, where: str) -> bytes:
    if len(data) > MOST_BYTES:
        raise ModelError(f"{where}: more than {MOST_BYTES} bytes when decompressed")
    return data


def parse_item(record: Any) -> Item:
    """The item that a line holds. Raises ModelError with what is wrong."""
    if not isinstance(record, dict):
        raise ModelError(f"found {type(record).__name__}, expected an object")
    fields = {name: _text(record, name) for name in ("benchmark", "id", "split", "answer", "passage", "canary")}
    question = _text(record, "question") or _text(record, "text")
    choices = record.get("choices") or ()
    if not isinstance(choices, list | tuple):
        choices = (choices,)
    if not fields["benchmark"].strip():
        raise ModelError("found no 'benchmark', expected its name")
    if fields["canary"]:
        canary_mark(fields["canary"])
        fields["id"] = fields["id"] or "canary"
    elif not question.strip():
        raise ModelError("found neither 'question' nor 'text' nor 'canary'")
    if not fields["id"].strip():
        raise ModelError("found no 'id', expected the item's name within its benchmark")
    return Item(question=question, choices=tuple(map(_plain, choices)), **fields)


def _text(record: dict[str, Any], name: str) -> str:
    value = record.get(name)
    if isinstance(value, list | tuple):
        return "\n".join(map(_plain, value))
    return _plain(value)


def _plain(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
