"""Which version of a corpus a page is about, as its address says: a number, a tag, or nothing for the newest."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from services.control_plane.plane import Plane
from services.control_plane.routes.versions import NEWEST, VERSION_PATTERN, number_of
from services.identity.principal import Principal

VersionName = Annotated[str, Query(max_length=80, pattern=rf"^$|{VERSION_PATTERN}")]


def number_asked(plane: Plane, who: Principal, corpus: str, version: str) -> int:
    """The number of the version that is called so. Raises NotFound."""
    number = number_of(plane, who, corpus, version or NEWEST)
    return plane.insights.version(who.project_id, corpus, number).version
