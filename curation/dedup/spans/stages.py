"""The stages that take repeated parts out of the documents that deduplication has kept."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from curation.dedup import shingle
from curation.dedup.stage import Scope
from curation.stage import Stage


class SpanStage(Stage):
    """A stage that looks for parts that documents share, once it is known which documents are kept. It cuts every copy
    but the first, in the order of the sources, of their files and of the records in them, and drops nothing."""

    min_left: Annotated[int, Field(ge=1)] = 200
    """A document of which less than this would be left, in bytes of UTF-8, stays whole: none is left empty."""
    scope: Scope = "corpus"
    """Whether copies are looked for within each source, or across all."""

    def columns(self) -> pa.Schema:
        """`spans`: how many stretches were cut; `removed`: how much shorter the document became, in bytes of UTF-8;
        `whole`: whether it stayed whole because too little would be left; `cuts`: where the first stretches were and
        where they stand first, as `listed` reads it. Null where the document was dropped."""
        kinds = {"spans": pa.int64(), "removed": pa.int64(), "whole": pa.bool_(), "cuts": pa.string()}
        return pa.schema([pa.field(self.column(name), kind) for name, kind in kinds.items()])

    def reasons(self) -> frozenset[str]:
        return frozenset()

    def salt(self, source: str) -> int:
        """What is mixed into the keys of a source's parts, so that only what may be compared is."""
        return shingle.salt(source if self.scope == "source" else None)


class ParagraphDedup(SpanStage):
    """Cut paragraphs, or lines, that a document before has too.

    Two are equal if they are so but for case and white space. Only the documents of one run are compared (see
    `refresh.repeats`).
    """

    reference: ClassVar[str] = (
        "as CCNet (arXiv 1911.00359) and Dolma do with a Bloom filter, but exact, by 128-bit keys"
    )

    kind: Literal["paragraph_dedup"] = "paragraph_dedup"
    unit: Literal["paragraph", "line"] = "paragraph"
    """What is compared: stretches between lines that are empty or of white space, or single lines."""
    min_characters: Annotated[int, Field(ge=1)] = 100
    """Shorter ones stay: headings and short lines are repeated for good reasons."""


class SubstringDedup(SpanStage):
    """Cut stretches of at least `min_words` words that stand before, in this document or another.

    Every sequence of so many words is hashed (a rolling hash of 128 bits, over the words as they are written; white
    space does not count), and each but the first occurrence is covered; what is covered is cut. In scripts without
    spaces each character is a word. Only the documents of one run are compared (see `refresh.repeats`).
    """

    reference: ClassVar[str] = (
        "Lee et al. 2021, arXiv 2107.06499, exact-substring deduplication with 50 tokens; by rolling hashes that are "
        "dealt into partitions instead of a suffix array, so that it shards"
    )

    kind: Literal["substring_dedup"] = "substring_dedup"
    min_words: Annotated[int, Field(ge=5, le=10_000)] = 50
    """The shortest stretch that is cut."""
