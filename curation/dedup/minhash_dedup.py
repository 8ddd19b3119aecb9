"""Near duplicates: documents that share most of their word n-grams."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from curation.dedup.stage import Count, DedupStage


class MinHashDedup(DedupStage):
    """Drop a document if a better one is kept whose word n-grams have at least `min_similarity` Jaccard with its own.

    MinHash signatures find candidates; the exact Jaccard of the shingle sets decides. Nothing is dropped for being like
    a document that is itself dropped (no chaining), so each dropped document names a kept one that it resembles.
    """

    reference: ClassVar[str] = (
        "14 bands of 8 rows over word 5-grams: FineWeb (arXiv:2406.17557), datatrove 0.10; "
        "permutations: datasketch 2.0, scheme affine32"
    )

    kind: Literal["minhash_dedup"] = "minhash_dedup"
    ngram: Annotated[int, Field(ge=1, le=64)] = 5
    """Words in a shingle. A shorter document has one shingle, all its words; one without words is never a duplicate."""
    bands: Count = 14
    """Bands of a signature; two documents that agree in one of them are candidates."""
    rows: Annotated[int, Field(ge=1, le=64)] = 8
    """Permutations in a band: two documents of similarity s are candidates with chance 1 - (1 - s^rows)^bands."""
    min_similarity: Annotated[float, Field(gt=0, le=1)] = 0.7
    """The Jaccard similarity, of the exact sets of shingles, from which one of two documents is dropped."""
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 1
    """Draws the permutations; 1 is datasketch's default."""
    max_bucket: Annotated[int, Field(ge=2, le=4096)] = 64
    """In a bucket of more (different) documents than this, each is compared with the best so many, and with a few
    near it in the order of the keep policy, instead of with all. Documents with equal shingle sets count as one."""

    @property
    def permutations(self) -> int:
        """The length of a signature."""
        return self.bands * self.rows

    def columns(self) -> pa.Schema:
        """`cluster_size`: how many documents a kept one stands for, itself included."""
        return pa.schema([pa.field(self.column("cluster_size"), pa.int64())])
