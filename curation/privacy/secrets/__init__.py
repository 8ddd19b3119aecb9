"""Keys, tokens and passwords."""

from __future__ import annotations

from curation.privacy.secrets.secrets import Secrets

__all__ = ["Secrets"]
