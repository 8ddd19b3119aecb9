"""What a document says of people and must not reach a model: personal data and secrets."""

from __future__ import annotations

from curation.privacy.pii import Pii
from curation.privacy.redaction import Redaction
from curation.privacy.secrets import Secrets

__all__ = ["Pii", "Redaction", "Secrets"]
