"""How the dedup index is shown."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from curation.dedup.index import due, segments_of
from curation.manifest import Manifest
from curation.render import new_table, visible


def index_json(manifest: Manifest) -> dict[str, Any]:
    """The segments of a version's index, for programs."""
    segments = segments_of(manifest.index)
    return {
        "version": manifest.version,
        "due": due(segments),
        "segments": [
            {
                "folder": segment.folder,
                "documents": segment.documents,
                "removed": segment.tables["removed"].rows,
                "grown": segment.tables["growth"].rows,
                "files": len(segment.parts),
                "bytes": segment.bytes,
            }
            for segment in segments
        ],
    }


def show_index(console: Console, manifest: Manifest) -> None:
    """The segments of a version's index as a table, oldest first."""
    segments = segments_of(manifest.index)
    title = f"The dedup index of version {manifest.version}, oldest segment first"
    columns = ("documents", "bytes", "a document", "gone from older", "grown in older", "files")
    table = new_table(title, "segment", *(f">{name}" for name in columns))
    for segment in segments:
        numbers = (
            segment.documents,
            segment.bytes,
            segment.bytes // segment.documents if segment.documents else "",
            segment.tables["removed"].rows,
            segment.tables["growth"].rows,
            len(segment.parts),
        )
        table.add_row(visible(segment.folder), *(f"{n:,}" if isinstance(n, int) else n for n in numbers))
    console.print(table)
    documents, size = sum(each.documents for each in segments), sum(each.bytes for each in segments)
    if documents:
        console.print(f"{documents:,} entries, {size:,} bytes, {size / documents:.0f} an entry.", highlight=False)
