"""Ids that sort by the time they were made, so that a list's order needs no other column."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, which keeps the order of numbers."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RANDOM_BITS = 80


def new_id(prefix: str, at: datetime | None = None) -> str:
    """`job_01kav…`: 48 bits of milliseconds since 1970, now or `at`, then 80 random ones."""
    return _id(prefix, _milliseconds(at), secrets.randbits(RANDOM_BITS))


def first_id(prefix: str, at: datetime, *, last: bool = False) -> str:
    """The lowest id that can have been made in this millisecond, or the highest: a bound for ids by time."""
    return _id(prefix, _milliseconds(at), (1 << RANDOM_BITS) - 1 if last else 0)


def _milliseconds(at: datetime | None) -> int:
    if at is None:
        return time.time_ns() // 1_000_000
    return max(0, (at - EPOCH) // timedelta(milliseconds=1))


def _id(prefix: str, milliseconds: int, rest: int) -> str:
    number = milliseconds << RANDOM_BITS | rest
    return f"{prefix}_" + "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
