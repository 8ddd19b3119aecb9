"""Whether an API process can do its work, and who else is there: the truth, looked up when it is asked."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from services.database import Database
from services.database.migrate import NewerSchemaError, check
from services.database.presence import present
from services.errors import SettingsError
from services.settings import Settings

SEEN_WITHIN_S = 60.0
CLOCK_SKEW = timedelta(seconds=5)
"""What signatures of webhooks and tokens bear easily."""
DISK_LEFT_BYTES = 1 << 30


class Health(StrEnum):
    """How a component is."""

    OK = "ok"
    DEGRADED = "degraded"
    """Requests are answered, but something that they wait for does not happen."""
    DOWN = "down"
    """Requests cannot be answered."""


class Component(BaseModel):
    """One thing that this process needs, or that the installation does."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    state: Health
    detail: str = ""


class Readiness(BaseModel):
    """Whether requests can be answered."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "state": "degraded",
                    "components": {
                        "database": {"state": "ok", "detail": "answered in 1 ms"},
                        "schema": {"state": "ok", "detail": "at head"},
                        "runner": {"state": "degraded", "detail": "none was seen in the last minute: jobs wait"},
                    },
                }
            ]
        },
    )

    state: Health
    """The worst of the components."""
    components: dict[str, Component]


Check = Callable[[Database], Component]


def look(database: Database, settings: Settings) -> Readiness:
    """Ask every component. What the database holds is not asked where it does not answer."""
    components = {"database": _database(database), "secret_key": _secret_key(settings), "disk": _disk(settings)}
    if components["database"].state is Health.OK:
        components |= {name: _safely(ask, database) for name, ask in _IN_DATABASE.items()}
    states = {component.state for component in components.values()}
    worst = next(state for state in (Health.DOWN, Health.DEGRADED, Health.OK) if state in states)
    return Readiness(state=worst, components=components)


def _database(database: Database) -> Component:
    started = time.monotonic()
    try:
        database.now()
    except SQLAlchemyError:
        return Component(state=Health.DOWN, detail="the database does not answer")
    return Component(state=Health.OK, detail=f"answered in {(time.monotonic() - started) * 1000:.0f} ms")


def _safely(ask: Check, database: Database) -> Component:
    try:
        return ask(database)
    except SQLAlchemyError:
        return Component(state=Health.DOWN, detail="the database does not answer this question")


def _schema(database: Database) -> Component:
    try:
        check(database)
    except NewerSchemaError:  # a release works with the schema after it, while processes are exchanged
        return Component(state=Health.DEGRADED, detail="newer than this process: exchange it")
    except SettingsError as error:  # behind a colon is what the driver said, which names hosts and users
        return Component(state=Health.DOWN, detail=str(error).partition(":")[0])
    return Component(state=Health.OK, detail="at head")


def _secret_key(settings: Settings) -> Component:
    try:
        settings.secret_key()
    except SettingsError:
        return Component(state=Health.DOWN, detail="the secret key cannot be read, or is too short")
    return Component(state=Health.OK)


def _scheduler(database: Database) -> Component:
    return _role(database, "scheduler", "schedules do not fire, and lost workers are not noticed")


def _runner(database: Database) -> Component:
    return _role(database, "runner", "jobs wait")


def _role(database: Database, role: str, consequence: str) -> Component:
    seen = sum(process.role == role for process in present(database, SEEN_WITHIN_S))
    if seen:
        return Component(state=Health.OK, detail=f"{seen} in the last minute")
    return Component(state=Health.DEGRADED, detail=f"none was seen in the last minute: {consequence}")


def _clock(database: Database) -> Component:
    before = datetime.now(UTC)
    there = database.now()
    after = datetime.now(UTC)
    skew = max(before - there, there - after, timedelta(0))
    state = Health.DEGRADED if skew > CLOCK_SKEW else Health.OK
    return Component(state=state, detail=f"{skew.total_seconds():.1f} s from the database's")


def _disk(settings: Settings) -> Component:
    if not settings.is_embedded:
        return Component(state=Health.OK, detail="nothing is kept on it")
    try:
        left = shutil.disk_usage(Path(str(make_url(settings.url).database)).parent).free
    except OSError:
        return Component(state=Health.DOWN, detail="the folder of the database is not there")
    state = Health.OK if left >= DISK_LEFT_BYTES else Health.DEGRADED
    return Component(state=state, detail=f"{left / (1 << 30):.1f} GiB left")


_IN_DATABASE: dict[str, Check] = {"schema": _schema, "scheduler": _scheduler, "runner": _runner, "clock": _clock}
