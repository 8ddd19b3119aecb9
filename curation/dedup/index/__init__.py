"""The index: the keys of the documents that a version keeps, in partitioned files that outlive the runs, so that a
refresh compares new documents with them by reading a few per cent of it."""

from curation.dedup.index.compaction import compact, due
from curation.dedup.index.layout import REBUILD, Segment, address_hashes, segments_of
from curation.dedup.index.meta import IndexMeta, read_index_meta
from curation.dedup.index.opening import Index, OpenIndex, open_index, read_index
from curation.dedup.index.rebuilding import rebuild
from curation.dedup.index.writing import Growth, write_segment

__all__ = [
    "REBUILD",
    "Growth",
    "Index",
    "IndexMeta",
    "OpenIndex",
    "Segment",
    "address_hashes",
    "compact",
    "due",
    "open_index",
    "read_index",
    "read_index_meta",
    "rebuild",
    "segments_of",
    "write_segment",
]
