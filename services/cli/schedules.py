"""`curation schedule …`: recipes that run again and again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.login import open_client
from services.cli.options import TIMES, aware, made, pairs
from services.cli.show import JsonOption, LimitOption, say, show_facts, show_json, show_table

if TYPE_CHECKING:
    from services.schedules.schedule import Preview

ScheduleArgument = Annotated[str, typer.Argument(metavar="SCHEDULE", help="A schedule's name or id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Recipes that run again and again.")
    group.command("list")(show_schedules)
    for command in (show, create, pause, resume, trigger, preview, backfill, delete):
        group.command()(command)
    app.add_typer(group, name="schedule")


def show_schedules(as_json: JsonOption = False) -> None:
    """Every schedule."""
    with open_client() as client:
        found = list(client.schedules.list())
    if as_json:
        show_json(found)
    elif not found:
        say("No schedules.")
    else:
        columns = ("schedule", "recipe", "cron", "time zone", "next", "paused", "why")
        rows = ((s.name, s.recipe_name, s.cron, s.timezone, s.next, s.paused, s.pause_reason) for s in found)
        show_table("", columns, rows)


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
        show_table("", columns, ((o.occurrence, o.kind, o.state, o.job_id, o.job_state, o.reason) for o in occurrences))


def create(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A stored recipe's name.")],
    cron: Annotated[str, typer.Argument(metavar="CRON", help="Five fields, such as '30 2 * * *'.")],
    timezone: Annotated[str, typer.Option(help="An IANA time zone, such as Europe/London.")] = "UTC",
    revision: Annotated[int | None, typer.Option(min=1, help="Of the recipe; default: the newest each time.")] = None,
    jitter_s: Annotated[int, typer.Option("--jitter", min=0, help="Start up to so many seconds later.")] = 0,
    overlap: Annotated[
        str | None, typer.Option(help="While a job still runs: skip, queue_one, queue_all, cancel_other or allow.")
    ] = None,
    misfire: Annotated[str | None, typer.Option(help="For missed times: skip, run_latest or run_all.")] = None,
    labels: Annotated[list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="Of its jobs.")] = None,
    hold: Annotated[bool, typer.Option("--hold", help="Its jobs wait for approval.")] = False,
    pause_after_failures: Annotated[int | None, typer.Option(min=1, help="Pause after so many in a row.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show when it would run.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a schedule; it fires from now on."""
    from services.schedules.schedule import NewSchedule

    new = made(
        NewSchedule,
        name=name,
        recipe_name=recipe,
        recipe_revision=revision,
        cron=cron,
        timezone=timezone,
        jitter_s=jitter_s,
        overlap=overlap,
        misfire=misfire,
        labels=pairs("--label", labels or []),
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
        found = client.schedules.trigger(schedule)
    if as_json:
        show_json(found)
    else:
        say(f"{schedule}: {found.state}{f', job {found.job_id}' if found.job_id else ''} {found.reason}".rstrip())


def preview(schedule: ScheduleArgument, as_json: JsonOption = False) -> None:
    """The next times, in UTC and on the schedule's clock."""
    with open_client() as client:
        _show_times(client.schedules.preview(schedule), as_json)


def backfill(
    schedule: ScheduleArgument,
    start: Annotated[datetime, typer.Option("--from", help="The first time.", formats=TIMES)],
    end: Annotated[datetime, typer.Option("--to", help="The last time.", formats=TIMES)],
    reprocess: Annotated[str, typer.Option(help="Run again what was run: none, failed or completed.")] = "none",
    max_parallel: Annotated[int, typer.Option(min=1, help="How many of its jobs at once.")] = 1,
    newest_first: Annotated[bool, typer.Option("--newest-first")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be run.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the times of a period that is over."""
    from services.schedules.schedule import BackfillRequest

    request = made(
        BackfillRequest,
        **{"from": aware(start)},
        to=aware(end),
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
    rows = ((entry.occurrence, entry.local, entry.will_run, entry.reason) for entry in plan.entries)
    show_table("", ("occurrence", "schedule's clock", "runs", "why not"), rows)
    say(f"{plan.will_run} {'would be run' if dry_run else 'will be run'}.")


def delete(schedule: ScheduleArgument) -> None:
    """Forget a schedule; its jobs stay."""
    with open_client() as client:
        client.schedules.delete(schedule)
    say(f"{schedule} is forgotten.")


def _show_times(times: Sequence[Preview], as_json: bool) -> None:
    if as_json:
        show_json(times)
    else:
        rows = ((str(one.utc), str(one.local), one.skipped_because) for one in times)
        show_table("", ("UTC", "schedule's clock", "skipped because"), rows)
