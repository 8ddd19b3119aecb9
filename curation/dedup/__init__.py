"""Deduplication: exact copies and near-duplicates, each dropped document with a kept one that it resembles."""

from curation.dedup.bounds import Bounds
from curation.dedup.deduplicate import DedupResult, deduplicate
from curation.dedup.exact_dedup import ExactDedup
from curation.dedup.fates import GROWN, LOSERS, REPLACED, read_clusters, read_grown, read_losers, read_replaced
from curation.dedup.fingerprint import fingerprints, read_fingerprints, write_fingerprints
from curation.dedup.index import IndexMeta, read_index_meta
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import ShardInput
from curation.dedup.stage import DedupStage

__all__ = [
    "GROWN",
    "LOSERS",
    "REPLACED",
    "Bounds",
    "DedupResult",
    "DedupStage",
    "ExactDedup",
    "IndexMeta",
    "MinHashDedup",
    "ShardInput",
    "deduplicate",
    "fingerprints",
    "read_clusters",
    "read_fingerprints",
    "read_grown",
    "read_index_meta",
    "read_losers",
    "read_replaced",
    "write_fingerprints",
]
