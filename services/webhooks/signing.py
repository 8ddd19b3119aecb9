"""Signatures of webhooks, as Standard Webhooks has them, by secrets that are derived and never stored."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook


class SigningSecrets:
    """Every webhook's secret, by its id and how often it was rotated."""

    def __init__(self, installation_secret: bytes) -> None:
        self._key = hmac.digest(installation_secret, b"webhook-signing", "sha256")

    def secret(self, webhook_id: str, generation: int) -> str:
        """`whsec_…`, as the receiver is given it."""
        derived = hmac.digest(self._key, f"webhook:{webhook_id}:{generation}".encode(), "sha256")
        return "whsec_" + base64.b64encode(derived).decode()


def signed_headers(secrets: Sequence[str], message_id: str, at: datetime, body: str) -> dict[str, str]:
    """The headers of one try. While a secret is being rotated there are two: either verifies."""
    signatures = [Webhook(secret).sign(message_id, at, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
