"""What the stages of this family share: what they find is replaced, makes a document go, or is only counted."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from curation.document import TEXT, with_column, with_text
from curation.privacy.spans import Spans, exhausted, listed, replaced, values
from curation.stage import Bound, RuleStage
from curation.text.words import Int64

Placeholder = Annotated[str, Field(pattern=r"^[<\[{|][^0-9@:=\s\"'`]*[>\]}|]$", max_length=64)]
_SEPARATORS = re.compile(rb"[\s().\-/]+")


class Redaction(RuleStage):
    """A stage that finds places of some types in the text."""

    TYPES: ClassVar[tuple[str, ...]] = ()
    """Every type that it knows, the most specific first."""

    action: Literal["redact", "drop", "tag"] = "redact"
    """`redact` replaces what is found; `drop` leaves the text as it is and drops documents by the bounds below, all
    with a find if none is given; `tag` only counts. Whatever it is, what is found is replaced in all that a report
    shows of documents that any stage drops."""
    max_count: Annotated[int, Field(ge=0)] | None = None
    """A document with more finds than this is dropped."""
    max_counts: Mapping[str, Annotated[int, Field(ge=0)]] = {}
    """The same by type: `{email: 5}`."""
    placeholders: Mapping[str, Placeholder] = {}
    """What replaces a type; default its name, as `<EMAIL>`. It begins and ends in brackets or bars, and has no digit,
    white space, quotation mark, @, : or =."""
    numbered: bool = False
    """Whether different values of a document get numbers (`<EMAIL_1>`, `<EMAIL_2>`), and equal ones the same."""

    @property
    def rewrites(self) -> bool:
        return self.action == "redact"

    @property
    @abstractmethod
    def sought(self) -> tuple[str, ...]:
        """The types that are looked for."""

    @abstractmethod
    def find(self, text: pa.LargeStringArray) -> Spans:
        """The places of the sought types; kinds are indices of TYPES."""

    @model_validator(mode="after")
    def _fits(self) -> Redaction:
        for field, given in (("max_counts", self.max_counts), ("placeholders", self.placeholders)):
            if unknown := sorted(set(given) - set(self.sought)):
                raise ValueError(f"{field} names {', '.join(unknown)}, but looked for are {', '.join(self.sought)}")
        if self.action == "tag" and (self.max_count is not None or self.max_counts):
            raise ValueError("the action tag drops nothing: leave out max_count and max_counts, or say redact or drop")
        return self

    def columns(self) -> pa.Schema:
        counts = [pa.field(self.column(name), pa.int64()) for name in (*self._columns(), "total")]
        return pa.schema([*counts, pa.field(self.column("spans"), pa.string())])

    def _columns(self) -> list[str]:
        return [name for name in self.TYPES if name in self.sought]

    def bounds(self) -> Sequence[Bound]:
        if self.action == "tag":
            limits: dict[str, int] = {}
            total = None
        else:
            limits = dict(self.max_counts)
            total = 0 if self.action == "drop" and self.max_count is None and not limits else self.max_count
        by_type = [Bound(f"too_many_{name}", name, ">", limits.get(name)) for name in self._columns()]
        return [*by_type, Bound("too_many", "total", ">", total)]

    def thresholds(self) -> frozenset[str]:
        return super().thresholds() | ({"max_counts"} if self.action != "tag" else set())

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds how often each type was found, the `total`, and `spans`: where, in code points of the text as it
        came."""
        text = batch[TEXT]
        spans = exhausted(text, self.find, self._names)
        counts = np.zeros((batch.num_rows, len(self.TYPES)), np.int64)
        np.add.at(counts, (spans.documents, spans.kinds), 1)
        for name in self._columns():
            batch = with_column(batch, self.column(name), pa.array(counts[:, self.TYPES.index(name)]))
        batch = with_column(batch, self.column("total"), pa.array(counts.sum(axis=1)))
        batch = with_column(batch, self.column("spans"), listed(text, spans, self.TYPES))
        is_new = self.rewrites and spans.size > 0
        return with_text(batch, replaced(text, spans, self._names(text, spans))) if is_new else batch

    def redacted(self, text: pa.LargeStringArray) -> pa.LargeStringArray:
        """The texts with all that is found replaced, whatever the action."""
        spans = exhausted(text, self.find, self._names)
        return replaced(text, spans, self._names(text, spans))

    def _names(self, text: pa.LargeStringArray, spans: Spans) -> list[bytes]:
        """What replaces each place."""
        plain = [self.placeholders.get(name, f"<{name.upper()}>").encode() for name in self.TYPES]
        kinds = spans.kinds.tolist()
        if not self.numbered:
            return [plain[kind] for kind in kinds]
        numbers = _numbers(
            spans.documents, kinds, [_SEPARATORS.sub(b"", value.lower()) for value in values(text, spans)]
        )
        return [_with_number(plain[kind], number) for kind, number in zip(kinds, numbers, strict=True)]


def _numbers(documents: Int64, kinds: Sequence[int], found: Sequence[bytes]) -> list[int]:
    """For each value its number among those of its kind in its document, from 1, in the order of their first places."""
    known: dict[tuple[int, int], dict[bytes, int]] = {}
    numbers = []
    for document, kind, value in zip(documents.tolist(), kinds, found, strict=True):
        mine = known.setdefault((document, kind), {})
        numbers.append(mine.setdefault(value, len(mine) + 1))
    return numbers


def _with_number(placeholder: bytes, number: int) -> bytes:
    """`<EMAIL>` and 2 as `<EMAIL_2>`: the number stands behind the name, before what closes it."""
    closing = len(placeholder) - len(placeholder.rstrip(b">]}|"))
    return placeholder[:-closing] + b"_%d" % number + placeholder[-closing:]
