"""The compiled loops that look for addresses and numbers, by type: how they are written, and what they are not."""

from __future__ import annotations

from curation.privacy.pii.kernels.candidates import find_candidates
from curation.privacy.pii.kernels.columns import KIND, NAMED, PHONE
from curation.privacy.pii.kernels.networks import is_global

__all__ = ["KIND", "NAMED", "PHONE", "find_candidates", "is_global"]
