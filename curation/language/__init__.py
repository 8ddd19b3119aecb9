"""Which language a document is in."""

from __future__ import annotations

from curation.language.language import Language

__all__ = ["Language"]
