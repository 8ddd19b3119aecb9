"""`curation schedule …`: recipes that run again and again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curation.cli import SERVICE
from services.cli.login import open_client
from services.cli.options import CommandError, made, pairs, time_option
from services.cli.show import JsonOption, LimitOption, say, show_facts, show_json, show_list, show_table

if TYPE_CHECKING:
    from services.client import Client
    from services.schedules.schedule import Occurrence, Preview

START_S = 3.0
"""How long a triggered schedule is watched for its job."""

Mode = Literal["run", "refresh"]
Overlap = Literal["skip", "queue_one", "queue_all", "cancel_other", "allow"]
Misfire = Literal["skip", "run_latest", "run_all"]
CALLED = {
    "name": "NAME",
    "recipe_name": "RECIPE",
    "recipe_revision": "--revision",
    "cron": "CRON",
    "jitter_s": "--jitter",
    "labels": "--label",
    "catch_up_window_s": "--catch-up-window",
    "skip_dates": "--skip-date",
}
"""What the fields of a schedule are called here."""


class Clearable(StrEnum):
    """What a schedule can have or not have."""

    REVISION = "revision"
    START = "start"
    END = "end"
    PAUSE_AFTER_FAILURES = "pause-after-failures"


ScheduleArgument = Annotated[str, typer.Argument(metavar="SCHEDULE", help="A schedule's name or id.")]
RevisionOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Of the recipe; default: the newest each time.")
]
LabelsOption = Annotated[list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="Of its jobs; several.")]
MaxCatchUpOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=1000, help="How many run_all makes up for at most.")
]
WindowOption = Annotated[
    int | None, typer.Option("--catch-up-window", min=0, metavar="SECONDS", help="Older ones are never made up for.")
]
SkipDatesOption = Annotated[
    list[str] | None, typer.Option("--skip-date", metavar="DATE", help="A day of its clock without runs; several.")
]
StartOption = Annotated[datetime | None, time_option(help="Nothing is run before:")]
EndOption = Annotated[datetime | None, time_option(help="Nothing is run after:")]
FailuresOption = Annotated[int | None, typer.Option(metavar="N", min=1, help="Pause after so many in a row.")]
MODE_HELP = "Whether its jobs read all of the input, or only what is new."
OVERLAP_HELP = "What happens to a time while a job still runs."
MISFIRE_HELP = "What happens to times when nobody was there."
PRIORITY_HELP = "Of its jobs; larger goes first."
JITTER_HELP = "Start up to so many seconds later."
TIMEZONE_HELP = "An IANA time zone, such as Europe/London."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Recipes that run again and again.")
    group.command("list")(show_schedules)
    for command in (show, create, update, pause, resume, trigger, preview, backfill, cancel_backfill, delete):
        group.command()(command)
    app.add_typer(group, name="schedule", rich_help_panel=SERVICE)


def show_schedules(as_json: JsonOption = False) -> None:
    """Every schedule."""
    with open_client() as client:
        found = list(client.schedules.list())
    columns = ("schedule", "mode", "recipe", "cron", "time zone", "next", "paused", "why")
    rows = ((s.name, s.mode, s.recipe_name, s.cron, s.timezone, s.next, s.paused, s.pause_reason) for s in found)
    show_list(found, as_json, "No schedules.", columns, rows)


def show(schedule: ScheduleArgument, limit: LimitOption = 10, as_json: JsonOption = False) -> None:
    """One schedule, and what became of its latest times."""
    with open_client() as client:
        found = client.schedules.get(schedule)
        occurrences = list(islice(client.schedules.occurrences(found.id), limit))
    if as_json:
        show_json({"schedule": found, "occurrences": occurrences})
        return
    show_facts(found.model_dump(mode="json").items())
    if occurrences:
        columns = ("occurrence", "kind", "state", "job", "job's state", "why")
        rows = ((o.occurrence, o.kind, o.state, o.job_id, o.job_state, o.reason or o.job_message) for o in occurrences)
        show_table("", columns, rows)


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A stored recipe's name.")],
    cron: Annotated[str, typer.Argument(metavar="CRON", help="Five fields, such as '30 2 * * *'.")],
    timezone: Annotated[str, typer.Option(metavar="ZONE", help=TIMEZONE_HELP)] = "UTC",
    revision: RevisionOption = None,
    mode: Annotated[Mode, typer.Option(help=MODE_HELP)] = "refresh",
    jitter_s: Annotated[int, typer.Option("--jitter", min=0, metavar="SECONDS", help=JITTER_HELP)] = 0,
    overlap: Annotated[Overlap, typer.Option(help=OVERLAP_HELP)] = "queue_one",
    misfire: Annotated[Misfire, typer.Option(help=MISFIRE_HELP)] = "run_latest",
    max_catch_up: MaxCatchUpOption = None,
    window_s: WindowOption = None,
    start: StartOption = None,
    end: EndOption = None,
    skip_dates: SkipDatesOption = None,
    labels: LabelsOption = None,
    priority: Annotated[int, typer.Option(metavar="N", min=-100, max=100, help=PRIORITY_HELP)] = 0,
    hold: Annotated[bool, typer.Option("--hold", help="Its jobs wait for approval.")] = False,
    pause_after_failures: FailuresOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show when it would run.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a schedule; it fires from now on."""
    from services.schedules.schedule import NewSchedule

    new = made(
        NewSchedule,
        CALLED,
        name=name,
        recipe_name=recipe,
        recipe_revision=revision,
        mode=mode,
        cron=_five_fields(cron),
        timezone=timezone,
        jitter_s=jitter_s,
        overlap=overlap,
        misfire=misfire,
        max_catch_up=max_catch_up,
        catch_up_window_s=window_s,
        start=start,
        end=end,
        skip_dates=skip_dates,
        labels=pairs("--label", labels or []),
        priority=priority,
        hold=hold,
        pause_after_failures=pause_after_failures,
    )
    with open_client() as client:
        if dry_run:
            _show_times(client.schedules.preview_of(new), as_json)
            return
        schedule = client.schedules.create(new)
    if as_json:
        show_json(schedule)
    else:
        say(f"{schedule.name} is made: {schedule.id}. Next: {schedule.next_local or 'never'}.")


def update(
    schedule: ScheduleArgument,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Call it so.")] = None,
    recipe: Annotated[str | None, typer.Option(metavar="RECIPE", help="A stored recipe's name.")] = None,
    cron: Annotated[str | None, typer.Option(metavar="CRON", help="Five fields, such as '30 2 * * *'.")] = None,
    timezone: Annotated[str | None, typer.Option(metavar="ZONE", help=TIMEZONE_HELP)] = None,
    revision: RevisionOption = None,
    mode: Annotated[Mode | None, typer.Option(help=MODE_HELP)] = None,
    jitter_s: Annotated[int | None, typer.Option("--jitter", min=0, metavar="SECONDS", help=JITTER_HELP)] = None,
    overlap: Annotated[Overlap | None, typer.Option(help=OVERLAP_HELP)] = None,
    misfire: Annotated[Misfire | None, typer.Option(help=MISFIRE_HELP)] = None,
    max_catch_up: MaxCatchUpOption = None,
    window_s: WindowOption = None,
    start: StartOption = None,
    end: EndOption = None,
    skip_dates: SkipDatesOption = None,
    labels: LabelsOption = None,
    priority: Annotated[int | None, typer.Option(metavar="N", min=-100, max=100, help=PRIORITY_HELP)] = None,
    hold: Annotated[bool | None, typer.Option("--hold/--no-hold", help="Its jobs wait for approval.")] = None,
    pause_after_failures: FailuresOption = None,
    clear: Annotated[list[Clearable] | None, typer.Option("--clear", help="Take this away again; several.")] = None,
    if_revision: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only while this is the schedule's revision.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given; the rest stays. A new cron expression or time zone counts from now on."""
    from services.schedules.schedule import SchedulePatch

    given: dict[str, Any] = {
        "name": name,
        "recipe_name": recipe,
        "recipe_revision": revision,
        "mode": mode,
        "cron": None if cron is None else _five_fields(cron),
        "timezone": timezone,
        "jitter_s": jitter_s,
        "overlap": overlap,
        "misfire": misfire,
        "max_catch_up": max_catch_up,
        "catch_up_window_s": window_s,
        "start": start,
        "end": end,
        "skip_dates": skip_dates or None,
        "labels": pairs("--label", labels) if labels else None,
        "priority": priority,
        "hold": hold,
        "pause_after_failures": pause_after_failures,
    }
    cleared = {"recipe_revision" if one == "revision" else one.value.replace("-", "_"): None for one in clear or []}
    if both := [name for name in cleared if given[name] is not None]:
        raise CommandError(f"found {both[0].replace('_', ' ')} both given and cleared, expected one of them")
    called = CALLED | {"name": "--name", "recipe_name": "--recipe", "cron": "--cron"}
    patch = made(SchedulePatch, called, **given).model_copy(update=cleared)
    if not patch.model_fields_set:
        raise CommandError("found nothing to change, expected at least one option")
    with open_client() as client:
        found = client.schedules.update(schedule, patch, revision=if_revision)
    if as_json:
        show_json(found)
    else:
        say(f"{found.name} is at revision {found.revision}. Next: {found.next_local or 'never'}.")


def pause(schedule: ScheduleArgument) -> None:
    """Start nothing until it is resumed."""
    with open_client() as client:
        client.schedules.pause(schedule)
    say(f"{schedule} is paused.")


def resume(schedule: ScheduleArgument) -> None:
    """Go on with a paused schedule."""
    with open_client() as client:
        found = client.schedules.resume(schedule)
    say(f"{schedule} goes on. Next: {found.next_local or 'never'}.")


def trigger(schedule: ScheduleArgument, as_json: JsonOption = False) -> None:
    """Run it now, once."""
    with open_client() as client:
        found = _started(client, schedule, client.schedules.trigger(schedule))
    if as_json:
        show_json(found)
    elif found.job_id:
        say(f"{schedule} has started {found.job_id}. Watch it: curation follow {found.job_id}")
    else:
        why = f": {found.reason}" if found.reason else ""
        say(f"{schedule} is {found.state}{why}. See what becomes of it: curation schedule show {schedule}")


def _started(client: Client, schedule: str, triggered: Occurrence) -> Occurrence:
    """The occurrence once it has its job, or as it is after some seconds."""
    until = time.monotonic() + START_S
    while triggered.state == "WAITING" and time.monotonic() < until:
        time.sleep(0.1)
        latest = islice(client.schedules.occurrences(schedule), 20)
        triggered = next((one for one in latest if one.run == triggered.run), triggered)
    return triggered


def preview(schedule: ScheduleArgument, as_json: JsonOption = False) -> None:
    """The next times, in UTC and on the schedule's clock."""
    with open_client() as client:
        _show_times(client.schedules.preview(schedule), as_json)


def backfill(
    schedule: ScheduleArgument,
    start: Annotated[datetime, time_option("--from", help="The first time:")],
    end: Annotated[datetime, time_option("--to", help="The last time:")],
    reprocess: Annotated[
        Literal["none", "failed", "completed"], typer.Option(help="What was run before and is run again.")
    ] = "none",
    max_parallel: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="How many of its jobs at once.")] = 1,
    newest_first: Annotated[bool, typer.Option("--newest-first", help="Begin with the latest.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be run.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the times of a period that is over."""
    from services.schedules.schedule import BackfillRequest

    request = made(
        BackfillRequest,
        {"from": "--from"},
        from_=start,
        to=end,
        reprocess=reprocess,
        max_parallel=max_parallel,
        order="newest" if newest_first else "oldest",
        dry_run=dry_run,
    )
    with open_client() as client:
        plan = client.schedules.backfill(schedule, request)
    if as_json:
        show_json(plan)
        return
    rows = ((entry.occurrence, str(entry.local), entry.will_run, entry.reason) for entry in plan.entries)
    show_table("", ("occurrence", "schedule's clock", "runs", "why not"), rows)
    called = f" This is {plan.id}." if plan.id else ""
    say(f"{plan.will_run} {'would be run' if dry_run else 'will be run'}.{called}")


def cancel_backfill(
    schedule: ScheduleArgument,
    backfill_id: Annotated[str, typer.Argument(metavar="BACKFILL", help="The id that `schedule backfill` has shown.")],
    as_json: JsonOption = False,
) -> None:
    """Leave out what still waits of a backfill. The jobs that it has started go on."""
    with open_client() as client:
        found = client.schedules.cancel_backfill(schedule, backfill_id)
    if as_json:
        show_json(found)
    else:
        say(f"{found.id} is cancelled: {found.skipped} will not be run.")


def delete(schedule: ScheduleArgument) -> None:
    """Forget a schedule; its jobs stay."""
    with open_client() as client:
        client.schedules.delete(schedule)
    say(f"{schedule} is forgotten.")


def _five_fields(cron: str) -> str:
    """The expression. Raises CommandError for a macro, which other schedulers know."""
    if cron.startswith("@") or len(cron.split()) != 5:
        raise CommandError(f"CRON: found {cron!r}, expected five fields such as '0 0 * * *'; macros are not taken")
    return cron


def _show_times(times: Sequence[Preview], as_json: bool) -> None:
    if as_json:
        show_json(times)
    else:
        rows = ((one.utc, str(one.local), one.skipped_because) for one in times)
        show_table("", ("UTC", "schedule's clock", "skipped because"), rows)
