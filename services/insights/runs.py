"""Which job a run is of."""

from __future__ import annotations

import re

REBUILT = "rebuilt"
"""The reason of jobs that `services.rebuild` made of versions."""

_JOBS_RUN = re.compile(r"(job_[0-9a-z]{26})-[0-9]+")


def job_of(run: str) -> str | None:
    """The id of the job, as the run's own id names it; None for a run that was nobody's job."""
    found = _JOBS_RUN.fullmatch(run)
    return found[1] if found else None
