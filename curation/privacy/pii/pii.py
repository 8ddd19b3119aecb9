"""Addresses and numbers of people: e-mail, telephone, IP, bank account, payment card, social security."""

from __future__ import annotations

import hashlib
from typing import Annotated, ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

from curation.privacy.pii import kernels, phones
from curation.privacy.pii.tables import Tables, constants
from curation.privacy.redaction import Redaction
from curation.privacy.spans import Spans, disjoint, free, in_order, values
from curation.text.arrow import text_buffers
from curation.text.unicode import tables
from curation.text.words import Int64

PiiType = Literal["email", "iban", "card", "ssn", "ipv6", "ipv4", "phone"]


class Pii(Redaction):
    """Replace e-mail addresses, telephone numbers, public IP addresses, IBANs, payment cards and US social security
    numbers, or drop the documents that hold them."""

    reference: ClassVar[str] = (
        "ISO 13616 and SWIFT's IBAN registry; ISO/IEC 7812 (Luhn); IANA special-purpose addresses; SSA's number "
        "structure; libphonenumber's numbering plans; replace some and drop what has many: Dolma, arXiv 2402.00159"
    )
    TYPES: ClassVar[tuple[str, ...]] = get_args(PiiType)

    kind: Literal["pii"] = "pii"
    types: Annotated[tuple[PiiType, ...], Field(min_length=1)] = get_args(PiiType)
    """What is looked for. Where two overlap, the one that stands first in the default stays."""
    regions: tuple[str, ...] = ("US",)
    """Countries (`US`, `DE`) whose telephone numbers are found without a country code; with one, all are."""

    @field_validator("regions")
    @classmethod
    def _regions_are_known(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(regions) - phones.known_regions()):
            raise ValueError(
                f"no numbering plan for {', '.join(unknown)}; give ISO 3166 codes in capitals, as US or DE"
            )
        return regions

    @property
    def sought(self) -> tuple[str, ...]:
        return self.types

    def models(self) -> dict[str, str]:
        """The table's digest, and the version of the numbering plans where telephone numbers are looked for."""
        plans = {phones.LIBRARY: hashlib.sha256(phones.LIBRARY.encode()).hexdigest()}
        return super().models() | (plans if "phone" in self.types else {})

    def find(self, text: pa.LargeStringArray) -> Spans:
        wanted = sum(1 << self.TYPES.index(name) for name in set(self.types))
        table = Tables(*constants(), phones.domestic_lengths(self.regions))
        found = kernels.find_candidates(*text_buffers(text), tables().classes, wanted, table)
        candidates = Spans(*(found[:, column] for column in range(4)))
        is_number = candidates.kinds == kernels.PHONE
        exact = disjoint(candidates.of(~is_number), kernels.PHONE)
        return in_order([exact, self._phones(text, candidates.of(is_number), found[is_number, kernels.NAMED], exact)])

    def _phones(self, text: pa.LargeStringArray, candidates: Spans, named: Int64, taken: Spans) -> Spans:
        """The candidates that are telephone numbers and overlap nothing that is taken."""
        alone = free(candidates, taken)
        candidates, named = candidates.of(alone), named[alone]
        written = [value.decode() for value in values(text, candidates)]
        return candidates.of(
            np.array(phones.first_valid(written, candidates.starts, candidates.ends, named, self.regions), np.int64)
        )
