"""Addresses and numbers of people."""

from __future__ import annotations

from curation.privacy.pii.pii import Pii

__all__ = ["Pii"]
