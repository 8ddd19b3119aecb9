"""What a stage of this family finds, for tests."""

from __future__ import annotations

import pyarrow as pa

from curation.document import document_batch
from curation.privacy.redaction import Redaction


def annotated(stage: Redaction, *texts: str) -> pa.RecordBatch:
    """These texts, looked through."""
    return stage.annotate(document_batch(texts, source="here", shard="here.jsonl"))


def places(stage: Redaction, text: str) -> list[tuple[str, int, int]]:
    """(type, first code point, the one behind the last) of all that is found."""
    (spans,) = annotated(stage, text)[stage.column("spans")].to_pylist()
    return parsed(spans)


def parsed(spans: str) -> list[tuple[str, int, int]]:
    """The column `spans`, read."""
    found = []
    for entry in spans.split(";") if spans else []:
        name, _, place = entry.partition(":")
        start, _, end = place.partition("-")
        found.append((name, int(start), int(end)))
    return found


def found(stage: Redaction, text: str) -> list[tuple[str, str]]:
    """(type, value) of all that is found."""
    return [(name, text[start:end]) for name, start, end in places(stage, text)]
