"""How much one task holds."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

FEW = 4
LEAST_DOCUMENTS = 1 << 10
LEAST_ROWS = 1 << 15
MOST_GROUPS = 4096

Size = Annotated[int, Field(ge=1)]


class Bounds(BaseModel):
    """Bounds that keep a task's memory flat whatever the size of the corpus. The result does not depend on them.

    A corpus that keeps below them is still divided into up to FEW tasks, of some size each, so that a few workers can
    help: by its size alone, never by the workers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    group_documents: Size = 1 << 15
    """Shards are dealt into groups of about so many documents, of more where that would make very many groups."""
    partition_rows: Size = 2 << 20
    """Rows (keys, bands, pairs, fates) that a partition is meant to have."""
    lot_bytes: Size = 48 << 20
    """Shingle hashes that one task of the verification is meant to hold, counted once for each pair."""
    group_edges: Size = 4 << 20
    """Edges, verified pairs, that are decided in one go."""

    def documents(self, total: int) -> int:
        """How many documents a group of shards is meant to have, of so many in all."""
        return max(_share(total, LEAST_DOCUMENTS, self.group_documents), total // MOST_GROUPS)

    def partitions(self, rows: int) -> int:
        """In how many partitions so many rows are dealt."""
        return 1 + max(0, rows - 1) // _share(rows, LEAST_ROWS, self.partition_rows)


def _share(total: int, least: int, most: int) -> int:
    """A FEW-th of all, but at least `least` and, above all, at most `most`."""
    return min(max(-(-total // FEW), least), most)
