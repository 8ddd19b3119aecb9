"""The input of a run: which files the sources name, and how they are dealt into shards of work."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from curation.errors import AccountingError, InputError, Problem, RecipeError
from curation.manifest import InputShard
from curation.recipe import Recipe
from curation.sources import Chunk, Limits, Source, format_of, read_shard
from curation.storage import Entry, find, object_url, open_storage

FILES_A_SHARD = 256


class Shard(BaseModel):
    """One task's input: a file, or a few hundred of a folder of plain texts, where every file is one document."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Tells it from every other shard of the run; safe in a file's name; depends on the source and the URIs only."""
    source: Source
    storage: str
    entries: tuple[Entry, ...]
    only: str | None = None
    """Key, in the run's storage, of the records that are to be read (ADDRESSES, as Parquet); None for all."""

    def read(self, limits: Limits) -> Iterator[tuple[str, Chunk]]:
        """Its documents and failures, file after file, each with the file's URI."""
        storage = open_storage(self.storage)
        for entry in self.entries:
            uri = object_url(storage, entry.key)
            for chunk in read_shard(storage, entry, self.source, limits):
                yield uri, chunk

    def inputs(self) -> list[InputShard]:
        """Its files as a manifest lists them."""
        storage = open_storage(self.storage)
        return [
            InputShard(
                source=self.source.name, uri=object_url(storage, e.key), size=e.size, etag=e.etag, shard=self.name
            )
            for e in self.entries
        ]


class Files(NamedTuple):
    """The files of a source, by key."""

    source: Source
    storage: str
    entries: tuple[Entry, ...]


def list_shards(recipe: Recipe) -> list[Shard]:
    """The shards of a whole run. Raises as `list_files`."""
    return deal(list_files(recipe))


def list_files(recipe: Recipe) -> list[Files]:
    """The files that the sources name, by the order of the sources in the recipe.

    Raises InputError for a source that names nothing, and for files whose format cannot be told; RecipeError where the
    corpus lies among the files of a source.
    """
    output = open_storage(recipe.output).url + "/"
    found: list[Files] = []
    for source in recipe.sources:
        storage, entries = find(source.uri)
        if not entries:
            nothing = f"nothing matches {source.uri}; if that is meant, take the source out of the recipe"
            raise InputError(f"sources.{source.name}: {nothing}")
        for entry in entries:
            if object_url(storage, entry.key).startswith(output):
                where = f"it lies among the files of source {source.name}: {object_url(storage, entry.key)}"
                raise RecipeError([Problem("output", where)])
            format_of(entry.key, source)
        found.append(Files(source, storage.url, tuple(entries)))
    return found


def refuse_shared(recipe: Recipe, inputs: Iterable[InputShard]) -> None:
    """Raises RecipeError where two sources have the same file and the recipe deduplicates: a duplicate names its
    survivor by file and record, which would not tell one source's documents from the other's."""
    if recipe.exact is None and recipe.minhash is None:
        return
    sources: dict[str, str] = {}
    for file in inputs:
        other = sources.setdefault(file.uri, file.source)
        if other != file.source:
            what = f"{file.uri} is a file of source {other}, too: give it to one of them, or do not deduplicate"
            raise RecipeError([Problem(f"sources.{file.source}", what)])


def deal(files: Sequence[Files]) -> list[Shard]:
    """The shards that these files are read in."""
    shards = [_shard(source, storage, dealt) for source, storage, entries in files for dealt in _deal(source, entries)]
    if len({shard.name for shard in shards}) < len(shards):
        raise AccountingError("two shards have the same name")
    return shards


def _deal(source: Source, entries: Sequence[Entry]) -> Iterator[tuple[Entry, ...]]:
    """The files of each shard: one, but for runs of plain texts."""
    texts: list[Entry] = []
    for entry in entries:
        if format_of(entry.key, source) == "text":
            texts.append(entry)
        else:
            yield (entry,)
    for start in range(0, len(texts), FILES_A_SHARD):
        yield tuple(texts[start : start + FILES_A_SHARD])


def _shard(source: Source, storage: str, files: tuple[Entry, ...]) -> Shard:
    uris = [object_url(open_storage(storage), file.key) for file in files]
    digest = hashlib.blake2b("\0".join([source.name, *uris]).encode(), digest_size=8).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9]+", "-", PurePosixPath(files[0].key).name.split(".")[0]).strip("-")[:40] or "shard"
    return Shard(name=f"{source.name}/{stem}-{digest}", source=source, storage=storage, entries=files)
