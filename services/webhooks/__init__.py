"""Webhooks: signed messages about what happened, sent until they arrive."""
