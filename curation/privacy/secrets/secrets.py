"""Keys, tokens and passwords: what is found, and what is done."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field, field_validator

from curation.privacy.redaction import Redaction
from curation.privacy.secrets import kernels, patterns
from curation.privacy.spans import Spans, disjoint
from curation.text.arrow import text_buffers


class Secrets(Redaction):
    """Replace API keys, tokens, private keys and passwords, or drop the documents that hold them."""

    reference: ClassVar[str] = (
        "the providers' documentation of their tokens; rules of gitleaks 8 (MIT); RFC 7468 (private keys), RFC 7519 "
        "(JSON Web Tokens)"
    )
    TYPES: ClassVar[tuple[str, ...]] = patterns.TYPES

    kind: Literal["secrets"] = "secrets"
    types: Annotated[tuple[str, ...], Field(min_length=1)] = patterns.TYPES
    """What is looked for. Where two overlap, the one that stands first in the default stays."""
    min_entropy: Annotated[float, Field(ge=0, le=8)] = 2.75
    """Least entropy, in bits a character, of a value that is a secret by its name alone (`password = "…"`)."""

    @field_validator("types")
    @classmethod
    def _types_are_known(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(types) - set(patterns.TYPES)):
            raise ValueError(f"unknown are {', '.join(unknown)}; known are {', '.join(patterns.TYPES)}")
        return types

    @property
    def sought(self) -> tuple[str, ...]:
        return self.types

    def find(self, text: pa.LargeStringArray) -> Spans:
        found = kernels.find_secrets(*text_buffers(text), patterns.patterns(), self.min_entropy)
        wanted = [self.TYPES.index(name) for name in set(self.types)]
        found = found[[kind in wanted for kind in found[:, kernels.KIND].tolist()]]
        return disjoint(Spans(*found.T), len(self.TYPES))
