"""Schedules over REST."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from pydantic import BaseModel

from services.client.transport import Transport, listed, shaped
from services.schedules.schedule import (
    BackfillCancelled,
    BackfillPlan,
    BackfillRequest,
    NewSchedule,
    Occurrence,
    Preview,
    Schedule,
    SchedulePatch,
)


class Schedules:
    """The schedules of one project. Each is called by its id or its name."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, new: NewSchedule) -> Schedule:
        """Make one; it fires from now on."""
        return self._transport.post("/v1/schedules", Schedule, _sent(new))

    def list(self) -> Iterator[Schedule]:
        """Newest first."""
        return self._transport.pages("/v1/schedules", Schedule)

    def get(self, schedule: str) -> Schedule:
        """One of them."""
        return self._transport.get(_schedule(schedule), Schedule)

    def update(self, schedule: str, patch: SchedulePatch, *, revision: int | None = None) -> Schedule:
        """Change what the patch names; with `revision` only while that is the present one."""
        tag = {"If-Match": "*" if revision is None else f'"{self.get(schedule).id}-{revision}"'}
        body = patch.model_dump(mode="json", include=patch.model_fields_set)
        return shaped(Schedule, self._transport.send("PATCH", _schedule(schedule), body=body, headers=tag))

    def delete(self, schedule: str) -> None:
        """Forget it; its jobs stay."""
        self._transport.send("DELETE", _schedule(schedule), headers={"If-Match": "*"})

    def pause(self, schedule: str) -> Schedule:
        """Start nothing until it is resumed."""
        return self._transport.post(f"{_schedule(schedule)}/pause", Schedule)

    def resume(self, schedule: str) -> Schedule:
        """Go on."""
        return self._transport.post(f"{_schedule(schedule)}/resume", Schedule)

    def trigger(self, schedule: str) -> Occurrence:
        """Run it now, once."""
        return self._transport.post(f"{_schedule(schedule)}/trigger", Occurrence)

    def preview(self, schedule: str, times: int = 20) -> Sequence[Preview]:
        """The next times."""
        return listed(Preview, self._transport.send("GET", f"{_schedule(schedule)}/preview", query={"n": times}))

    def preview_of(self, new: NewSchedule, times: int = 20) -> Sequence[Preview]:
        """The next times of a schedule that is not made yet."""
        response = self._transport.send("POST", "/v1/schedules/preview", body=_sent(new), query={"n": times})
        return listed(Preview, response)

    def occurrences(self, schedule: str) -> Iterator[Occurrence]:
        """What became of its times, newest first."""
        return self._transport.pages(f"{_schedule(schedule)}/occurrences", Occurrence)

    def backfill(self, schedule: str, request: BackfillRequest) -> BackfillPlan:
        """Run the occurrences of a time that is over."""
        return self._transport.post(f"{_schedule(schedule)}/backfill", BackfillPlan, _sent(request))

    def cancel_backfill(self, schedule: str, backfill_id: str) -> BackfillCancelled:
        """Leave out what still waits of a backfill; the jobs that it has started go on."""
        path = f"{_schedule(schedule)}/backfill/{quote(backfill_id, safe='')}/cancel"
        return self._transport.post(path, BackfillCancelled)


def _sent(model: BaseModel) -> object:
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _schedule(schedule: str) -> str:
    return f"/v1/schedules/{quote(schedule, safe='')}"
