"""Which kept documents tombstones refuse, in which files of which versions: what a takedown looks for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.corpus import Corpus, Version
from curation.document import ID, METADATA, ROW, SHARD, SOURCE, TEXT, URL
from curation.manifest import Manifest, Part
from curation.runner.runner import Runner
from curation.storage import open_storage
from curation.tombstones import Tombstones, text_hashes

MATCHES = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in (SOURCE, SHARD)),
        pa.field(ROW, pa.int64(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in (ID, "reason", "sha256")),
        pa.field("text_hash", pa.string()),
        pa.field("bytes", pa.int64(), nullable=False),
    ]
)
"""Kept documents that are refused: where they were read, why, the SHA-256 of the text, the salted hash of its exact key
(null where there is nothing but white space) and its size in UTF-8."""

_COLUMNS = [ID, SHARD, ROW, URL, METADATA]


@dataclass(frozen=True)
class Held:
    """A version that keeps, or kept, some of the documents."""

    version: Version
    manifest: Manifest
    documents: int


@dataclass(frozen=True)
class Matches:
    """What was found in the versions whose files are there."""

    by_file: Mapping[str, pa.Table]
    """MATCHES by the path of the kept documents' file; files without any are left out."""
    held: tuple[Held, ...]
    """The versions that hold some, oldest first."""
    free: tuple[Held, ...]
    """The others."""
    gone: tuple[int, ...]
    """Versions whose files are not there any more, so that nobody can tell."""

    @property
    def documents(self) -> pa.Table:
        """Each different document once, as MATCHES, by address."""
        every = pa.concat_tables([MATCHES.empty_table(), *self.by_file.values()])
        keys = [SOURCE, SHARD, ROW, "sha256"]
        firsts = every.group_by(keys, use_threads=False).aggregate(
            [(name, "min") for name in MATCHES.names if name not in keys]
        )
        named = firsts.rename_columns([name.removesuffix("_min") for name in firsts.schema.names])
        return named.select(MATCHES.names).sort_by([(name, "ascending") for name in keys])


def find_matches(corpus: Corpus, stones: Tombstones, runner: Runner, *, with_texts: bool) -> Matches:
    """Look for the documents that the tombstones refuse in every version whose files are there; a file that versions
    share is read once. `with_texts` asks for the texts, too, which are then all read."""
    versions = corpus.versions()
    manifests = [(version, corpus.manifest_of(version)) for version in versions if not version.gone]
    files = list({part.path: part for _, manifest in manifests for part in manifest.shards}.values())
    tables = runner.map(partial(refused_in, corpus.url, stones, with_texts), files)
    by_file = {part.path: table for part, table in zip(files, tables, strict=True) if table.num_rows}
    counted = [Held(version, manifest, _count(manifest, by_file)) for version, manifest in manifests]
    return Matches(
        by_file=by_file,
        held=tuple(each for each in counted if each.documents),
        free=tuple(each for each in counted if not each.documents),
        gone=tuple(version.version for version in versions if version.gone),
    )


def refused_in(url: str, stones: Tombstones, with_texts: bool, part: Part) -> pa.Table:
    """The documents of one file that are refused, as MATCHES."""
    with open_storage(url).open_seekable(part.path) as file, pq.ParquetFile(file) as kept:
        groups = [_refused(kept, group, part.source, stones, with_texts) for group in range(kept.num_row_groups)]
    return pa.concat_tables([MATCHES.empty_table(), *groups])


def _refused(kept: pq.ParquetFile, group: int, source: str, stones: Tombstones, with_texts: bool) -> pa.Table:
    columns = [*_COLUMNS, TEXT] if with_texts else _COLUMNS
    table = kept.read_row_group(group, columns, use_threads=False).combine_chunks()
    table = table.append_column(SOURCE, pa.repeat(source, table.num_rows).cast(pa.string()))
    batch = _batch(table)
    reasons = stones.refused(batch)
    if with_texts:
        reasons = pc.coalesce(reasons, stones.refused_texts(batch))
    hits = reasons.is_valid()
    if not pc.any(hits).as_py():
        return MATCHES.empty_table()
    texts = table[TEXT] if with_texts else kept.read_row_group(group, [TEXT], use_threads=False)[TEXT]
    lost, text = batch.filter(hits), pa.chunked_array(texts).filter(hits).combine_chunks()
    return pa.table([*_described(lost, text, reasons.filter(hits), stones.salt)], schema=MATCHES)


def _described(lost: pa.RecordBatch, text: pa.LargeStringArray, reasons: pa.Array, salt: str) -> Sequence[pa.Array]:
    """The columns of MATCHES."""
    texts = text.to_pylist()
    hashes = zip(texts, text_hashes(salt, text), strict=True)
    return (
        *(lost[name] for name in (SOURCE, SHARD, ROW, ID)),
        reasons,
        pa.array([hashlib.sha256(each.encode("utf-8", "surrogatepass")).hexdigest() for each in texts]),
        pa.array([hashed if each.strip() else None for each, hashed in hashes], pa.string()),
        pc.binary_length(text).cast(pa.int64()),
    )


def _batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _count(manifest: Manifest, by_file: Mapping[str, pa.Table]) -> int:
    return sum(by_file[part.path].num_rows for part in manifest.shards if part.path in by_file)
