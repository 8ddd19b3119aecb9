"""Column types and the clock, the same on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 in UTC, so that both databases compare and add alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + int(value) * MICROSECOND


def micros(value: datetime) -> int:
    """Microseconds since 1970; the datetime must be aware."""
    return (value - EPOCH) // MICROSECOND


class clock(FunctionElement[datetime]):  # noqa: N801, it reads as a function in SQL
    """The database's clock, which every lease and deadline is measured by; not the transaction's beginning, but now."""

    type = Instant()
    inherit_cache = True
    name = "clock"


@compiles(clock, "sqlite")
def _sqlite(_element: clock, _compiler: Any, **_options: Any) -> str:
    seconds, fraction = "CAST(strftime('%s','now') AS INTEGER)", "CAST(substr(strftime('%f','now'), 4) AS INTEGER)"
    return f"({seconds} * 1000000 + {fraction} * 1000)"


@compiles(clock, "postgresql")
def _postgresql(_element: clock, _compiler: Any, **_options: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


def later(seconds: float) -> Any:
    """This many seconds after the database's now."""
    from sqlalchemy import literal, type_coerce

    return type_coerce(type_coerce(clock(), BigInteger) + literal(int(seconds * 1e6), BigInteger), Instant)
