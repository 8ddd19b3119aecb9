"""Documents by their web address: lists of domains and addresses, and words that stand in an address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curation.document import URL
from curation.rules.ratio import with_values
from curation.rules.urls import entries, kernels
from curation.stage import Evidence, RowStage, Sha256
from curation.text.arrow import Bytes, Offsets, text_buffers

_LISTS: Mapping[str, Callable[[bytes], Any]] = {
    "domains": entries.domains,
    "addresses": entries.addresses,
    "hard_words": entries.words,
    "soft_words": entries.words,
    "substrings": entries.substrings,
}
"""The fields that name a list, in the order in which they are asked, and how each is read."""
_COLUMNS = {
    "domains": "domain",
    "addresses": "address",
    "hard_words": "hard_word",
    "soft_words": "soft_word",
    "substrings": "substring",
}
"""Which column holds the entry that was found."""
_REASONS = {**_COLUMNS, "soft_words": "soft_words"}


class Urls(RowStage):
    """Drop documents whose web address is on a list, or has words on it that are. The decision names list and entry.

    A list is a text file (path or `s3://` URL), one entry a line; lines that begin with `#` are left out. Only letters
    and digits of ASCII make words. Capitals do not matter.
    """

    reference: ClassVar[str] = (
        "RefinedWeb, arXiv 2306.01116, section G.1; rules of datatrove 0.10.1 URLFilter, in which a domain of the list "
        "stands for the host and for its registered domain only, and words are compared in their case"
    )
    files: ClassVar[Mapping[str, frozenset[str]]] = {field: frozenset() for field in _LISTS}

    kind: Literal["urls"] = "urls"
    domains: str | None = None
    """A list of domains."""
    domains_sha256: Sha256 | None = None
    """The SHA-256 that the list of domains must have, in hex."""
    subdomains: bool = True
    """Whether a domain on the list stands for all below it too."""
    addresses: str | None = None
    """A list of whole addresses, as documents have them."""
    addresses_sha256: Sha256 | None = None
    """The SHA-256 that the list of addresses must have, in hex."""
    hard_words: str | None = None
    """A list of words of which one is enough; the words of an address are its runs of letters and digits."""
    hard_words_sha256: Sha256 | None = None
    """The SHA-256 that the list of hard words must have, in hex."""
    soft_words: str | None = None
    """A list of words of which it takes several."""
    soft_words_sha256: Sha256 | None = None
    """The SHA-256 that the list of soft words must have, in hex."""
    min_soft_words: Annotated[int, Field(ge=1)] = 2
    """How many different soft words drop a document."""
    substrings: str | None = None
    """A list of what may stand nowhere in an address, all but letters and digits taken out of it."""
    substrings_sha256: Sha256 | None = None
    """The SHA-256 that the list of substrings must have, in hex."""
    without_url: Literal["keep", "drop"] = "keep"
    """What happens to a document that has no address."""

    @model_validator(mode="after")
    def _has_a_list(self) -> Self:
        if not self._lists:
            raise ValueError(f"give at least one list: {', '.join(_LISTS)}")
        return self

    @property
    def _lists(self) -> list[str]:
        return [field for field in _LISTS if getattr(self, field) is not None]

    def columns(self) -> pa.Schema:
        """`soft_words` counts; the others are the entry that was found, null without one; `soft_word` the first."""
        fields = [pa.field(self.column(_COLUMNS[field]), pa.string()) for field in self._lists]
        count = [pa.field(self.column("soft_words"), pa.int64())] * ("soft_words" in self._lists)
        return pa.schema([pa.field(self.column("has_url"), pa.bool_()), *fields, *count])

    def reasons(self) -> frozenset[str]:
        without = ["no_url"] * (self.without_url == "drop")
        return frozenset(map(self.column, [*without, *(_REASONS[field] for field in self._lists)]))

    def thresholds(self) -> frozenset[str]:
        return frozenset({"min_soft_words", "without_url"})

    def models(self) -> dict[str, str]:
        """The lists' digests. Raises ModelError for a file that is not there, or is no list."""
        return {getattr(self, field): self._read(field)[1] for field in self._lists}

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        lowered = pc.ascii_lower(pc.utf8_trim_whitespace(pc.fill_null(batch[URL], ""))).cast(pa.large_string())
        data, offsets = text_buffers(lowered)
        values: dict[str, Any] = {"has_url": pc.not_equal(lowered, "")}
        for field in self._lists:
            values |= self._look(field, data, offsets)
        return with_values(batch, self.columns(), values)

    def _look(self, field: str, data: Bytes, offsets: Offsets) -> dict[str, Any]:
        """The columns that come from one list."""
        known, _ = self._read(field)
        listed = (known.data, known.offsets)
        found, counts = np.empty(len(offsets) - 1, np.int64), np.empty(len(offsets) - 1, np.int64)
        if field == "substrings":
            kernels.find_substrings(data, offsets, *listed, known.begins, known.order, found)
        elif field == "domains":
            kernels.find_domains(data, offsets, *listed, known.table, self.subdomains, found)
        elif field == "addresses":
            kernels.find_all(data, offsets, *listed, known.table, found)
        else:
            kernels.find_words(data, offsets, *listed, known.table, counts, found)
        values = {_COLUMNS[field]: known.names.take(pa.array(found, mask=found < 0)).cast(pa.string())}
        return values | {"soft_words": counts} if field == "soft_words" else values

    def _read(self, field: str) -> Any:
        return entries.read_entries(getattr(self, field), getattr(self, f"{field}_sha256"), _LISTS[field])

    def drop_reasons(self, batch: pa.RecordBatch) -> pa.StringArray:
        reasons = pa.nulls(batch.num_rows, pa.string())
        for field in reversed(self._lists):  # the first list that has it names the reason
            reason = _REASONS[field]
            if field == "soft_words":
                hit = pc.greater_equal(batch[self.column("soft_words")], self.min_soft_words)
            else:
                hit = batch[self.column(reason)].is_valid()
            reasons = pc.if_else(hit, self.column(reason), reasons)
        if self.without_url == "drop":
            reasons = pc.if_else(batch[self.column("has_url")], reasons, self.column("no_url"))
        return reasons

    def evidence(self, batch: pa.RecordBatch, reasons: pa.StringArray) -> Evidence:
        """The detail is `list: entry`; of soft words the first, with their number against `min_soft_words`."""
        values, thresholds = (pa.nulls(batch.num_rows, pa.float64()) for _ in range(2))
        details = pa.nulls(batch.num_rows, pa.string())
        for field in self._lists:
            here = pc.fill_null(pc.equal(reasons, self.column(_REASONS[field])), False)
            entry = batch[self.column(_COLUMNS[field])]
            details = pc.if_else(here, pc.binary_join_element_wise(f"{field}: ", entry, ""), details)
            if field == "soft_words":
                values = pc.if_else(here, batch[self.column("soft_words")].cast(pa.float64()), values)
                thresholds = pc.if_else(here, float(self.min_soft_words), thresholds)
        return Evidence(values, thresholds, details)
