"""Count each document's tokens by a real tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from curation.document import TEXT, with_column
from curation.mixture.tokenizer import BUILT_IN, load_tokenizer
from curation.stage import RowStage


class Tokens(RowStage):
    """Count tokens. It drops nothing; mixtures and budgets go by its counts.

    Counted is the text as the corpus has it: it stands behind the stages that rewrite text and before deduplication,
    and documents of which paragraph_dedup or substring_dedup cut something are counted again.
    """

    version: ClassVar[int] = 2
    counts_text: ClassVar[bool] = True
    reference: ClassVar[str] = "tiktoken's encodings; Hugging Face `tokenizers` for a tokenizer.json"
    files: ClassVar[Mapping[str, frozenset[str]]] = {"tokenizer": frozenset(BUILT_IN)}

    kind: Literal["tokens"] = "tokens"
    tokenizer: str = "o200k_base"
    """`o200k_base` or `cl100k_base` (tiktoken's), or the path or `s3://` URL of a `tokenizer.json`."""
    tokenizer_sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    """The SHA-256 that the tokenizer's file must have, in hex."""

    def columns(self) -> pa.Schema:
        return pa.schema([(self.column("count"), pa.int64())])

    def reasons(self) -> frozenset[str]:
        return frozenset()

    def models(self) -> dict[str, str]:
        """The digest of the tokenizer's file."""
        return {self.tokenizer: load_tokenizer(self.tokenizer, self.tokenizer_sha256).sha256}

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds `count`: what looks like a special token is text, and none is added for beginning and end."""
        tokenizer = load_tokenizer(self.tokenizer, self.tokenizer_sha256)
        return with_column(batch, self.column("count"), pa.array(tokenizer.counter.count(batch[TEXT]), pa.int64()))

    def drop_reasons(self, batch: pa.RecordBatch) -> pa.StringArray:
        return pa.nulls(batch.num_rows, pa.string())
