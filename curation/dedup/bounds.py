"""How much one task holds."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Size = Annotated[int, Field(ge=1)]


class Bounds(BaseModel):
    """Bounds that keep a task's memory flat whatever the size of the corpus. The result does not depend on them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    group_documents: Size = 1 << 15
    """Shards are dealt into groups of about so many documents, of more where that would make very many groups."""
    partition_rows: Size = 2 << 20
    """Rows (keys, bands, pairs, fates) that a partition is meant to have."""
    lot_bytes: Size = 48 << 20
    """Shingle hashes that one task of the verification is meant to hold, counted once for each pair."""
    group_edges: Size = 4 << 20
    """Edges, verified pairs, that are decided in one go."""

    def partitions(self, rows: int) -> int:
        """In how many partitions so many rows are dealt."""
        return 1 + max(0, rows - 1) // self.partition_rows
