"""Documents and failures of one shard, gathered into chunks of bounded size."""

from __future__ import annotations

from curation.document import document_batch
from curation.sources.record import Document, checked_size
from curation.sources.source import Chunk, Failure, Limits

DETAIL_CHARACTERS = 300


class Gathering:
    """What has been read of a shard and not yet been given. `row` is the number of the next record,
    `characters` counts the texts of all before it."""

    def __init__(self, source: str, shard: str, limits: Limits) -> None:
        self.row = 0
        self.characters = 0
        self._source = source
        self._shard = shard
        self._limits = limits
        self._start_again()

    def keep(self, document: Document) -> None:
        """The next record is this document. Raises UnusableRecordError (`too_large`) for a field beyond its bound."""
        size = checked_size(document)
        self._documents.append(document)
        self._rows.append(self.row)
        self.characters += len(document.text)
        self._bytes += size
        self.row += 1

    def fail(
        self, reason: str, detail: str, line: int | None = None, *, ends_file: bool = False, begins: str = ""
    ) -> None:
        """The next record, or with `ends_file` it and an unknown number of others, could not be read."""
        self._failures.append(Failure(self.row, reason, _printable(detail), line, ends_file, begins))
        self.row += 1

    @property
    def is_full(self) -> bool:
        """Whether it is time to give a chunk: documents and failures together are bounded, and so are their strings."""
        count = len(self._documents) + len(self._failures)
        return count >= self._limits.batch_documents or self._bytes >= self._limits.batch_bytes

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to give."""
        return not self._documents and not self._failures

    def take(self) -> Chunk:
        """All that was gathered."""
        texts, ids, urls, added, metadata = zip(*self._documents, strict=True) if self._documents else ((),) * 5
        batch = document_batch(
            texts,
            source=self._source,
            shard=self._shard,
            ids=ids,
            rows=self._rows,
            urls=urls,
            added=added,
            metadata=metadata,
        )
        chunk = Chunk(batch, tuple(self._failures))
        self._start_again()
        return chunk

    def _start_again(self) -> None:
        self._documents: list[Document] = []
        self._rows: list[int] = []
        self._failures: list[Failure] = []
        self._bytes = 0


def _printable(detail: str) -> str:
    """At most 300 characters that can be written as UTF-8 and stand on one line."""
    text = detail.encode("utf-8", "backslashreplace").decode()
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:DETAIL_CHARACTERS])
    return text[:DETAIL_CHARACTERS]
