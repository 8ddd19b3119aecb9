"""`curation submit`, `jobs`, `logs`, `follow`, and the verbs of jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curation.cli import SERVICE, LeftRunning
from curation.errors import MissingError, Problem, RecipeError
from services.cli.login import open_client
from services.cli.options import made, pairs, time_option
from services.cli.show import JsonOption, LimitOption, moment, say, show_facts, show_json, show_list, show_table, text

if TYPE_CHECKING:
    from services.client import Client
    from services.client.jobs import Estimate, Range
    from services.insights.models import RunReport
    from services.jobs.job import Job, JobFilter, LogLine, Submission

UNSUCCESSFUL, HELD = 8, 9
"""The exit codes where a job that was followed did not succeed, and where it waits for approval."""
ENDINGS = (".yaml", ".yml", ".json")

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.")]


class Level(StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (submit, jobs, follow, logs, cancel, pause, resume, retry, approve, discard, forget):
        app.command(rich_help_panel=SERVICE)(command)


def submit(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML or JSON file, or a stored recipe's name.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change the file's recipe.")
    ] = None,
    is_refresh: Annotated[
        bool, typer.Option("--refresh", help="Read only what is new since the last version.")
    ] = False,
    redo: Annotated[
        bool, typer.Option("--redo", help="With --refresh: do everything anew where the recipe has changed.")
    ] = False,
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="For finding the job again.")
    ] = None,
    revision: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Of the stored recipe; default: the newest.")
    ] = None,
    priority: Annotated[int, typer.Option(metavar="N", min=-100, max=100, help="Larger goes first.")] = 0,
    hold: Annotated[bool, typer.Option("--hold", help="Wait for `curation approve` before publishing.")] = False,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="How many workers it may use.")] = None,
    occurrence: Annotated[datetime | None, time_option(help="What ${occurrence} stands for:")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at its input now, list it, estimate; run nothing.")
    ] = False,
    is_followed: Annotated[bool, typer.Option("--follow", "-f", help="Show progress until it is done.")] = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The same key again gives the same job; default: a new one each time."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Have the service run a recipe. The recipe is checked at once, its input when the job runs: --dry-run looks at it
    now. Relative paths are below the service's first root. With --follow the exit code is 0 when the job succeeds, 8
    when it does not, 9 when it is held."""
    submission = _submission(
        recipe,
        settings or [],
        revision,
        occurrence,
        mode="refresh" if is_refresh else None,
        redo=redo,
        labels=pairs("--label", labels or []),
        priority=priority,
        hold=hold,
        workers=workers,
    )
    with open_client() as client:
        if dry_run:
            _show_estimate(client.jobs.estimate(submission), as_json)
            return
        job = client.jobs.submit(submission, idempotency_key=idempotency_key)
        if is_followed:
            say(f"{job.id}: {job.recipe_name} into the corpus {job.corpus}")
            _end(_follow(client, job.id), as_json)
        elif as_json:
            show_json(job)
        else:
            say(f"{job.id} is {job.state}: {job.recipe_name} into the corpus {job.corpus}")
            say(f"Watch it: curation follow {job.id}")


def jobs(
    job_id: Annotated[str | None, typer.Argument(metavar="JOB", help="Show this one; default: list them.")] = None,
    states: Annotated[list[str] | None, typer.Option("--state", metavar="STATE", help="Only in these states.")] = None,
    mode: Annotated[Literal["run", "refresh", "takedown"] | None, typer.Option(help="Only those that do this.")] = None,
    recipe: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this recipe.")] = None,
    corpus: Annotated[str | None, typer.Option(metavar="NAME", help="Only into this corpus.")] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="Only with this label.")
    ] = None,
    after: Annotated[datetime | None, time_option(help="Only made since then:")] = None,
    before: Annotated[datetime | None, time_option(help="Only made before:")] = None,
    finished_after: Annotated[datetime | None, time_option(help="Only ended since then:")] = None,
    finished_before: Annotated[datetime | None, time_option(help="Only ended before:")] = None,
    report: Annotated[
        bool, typer.Option("--report", help="With JOB: what it did, or what it would publish while it is held.")
    ] = False,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """The newest jobs, or one with its steps and attempts."""
    with open_client() as client:
        if job_id is not None and report:
            run = client.jobs.report(job_id)
            show_json(run) if as_json else show_run(run)
            return
        if job_id is not None:
            job = client.jobs.get(job_id)
            show_json(job) if as_json else show_job(job)
            return
        which = _which(
            states=[state.upper() for state in states or []],
            mode=mode,
            recipe=recipe,
            corpus=corpus,
            labels=pairs("--label", labels or []),
            created_after=after,
            created_before=before,
            finished_after=finished_after,
            finished_before=finished_before,
        )
        found = list(islice(client.jobs.list(which, page_size=min(limit, 100)), limit))
    columns = ("job", "state", "why", "mode", "recipe", "corpus", "made", ">version", ">kept", "labels")
    show_list(found, as_json, "No jobs.", columns, (_row(job) for job in found))


def follow(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Show a job's progress until it is done, held or paused. Ctrl-C leaves it running. Exit code: 0 when it succeeded,
    8 when it did not, 9 when it is held."""
    with open_client() as client:
        _end(_follow(client, job_id), as_json)


def logs(
    job_id: JobArgument,
    is_followed: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job rests.")] = False,
    level: Annotated[Level | None, typer.Option(help="Leave out what is below.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON each.")] = False,
) -> None:
    """What a job's drivers have written."""
    with open_client() as client:
        read = client.jobs.follow_logs if is_followed else client.jobs.logs
        with _left_running(job_id):
            for line in read(job_id, level=None if level is None else level.value):
                print(line.model_dump_json() if as_json else _log_line(line), flush=True)


def cancel(
    job_id: JobArgument,
    force: Annotated[bool, typer.Option("--force", help="Kill it, without waiting for it to stop by itself.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask a job to stop. What it has recorded stays for `curation retry`."""
    _steer(lambda client: client.jobs.cancel(job_id, force=force), as_json)


def pause(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Free a job's workers for now. `curation resume` goes on from its records."""
    _steer(lambda client: client.jobs.pause(job_id), as_json)


def resume(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Go on with a paused job."""
    _steer(lambda client: client.jobs.resume(job_id), as_json)


def retry(
    job_id: JobArgument,
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="Forget its records.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a job again that did not succeed. It goes on from its last record."""
    _steer(lambda client: client.jobs.retry(job_id, start="beginning" if from_beginning else "records"), as_json)


def approve(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Let a held job publish."""
    _steer(lambda client: client.jobs.approve(job_id), as_json)


def discard(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """End a held job without publishing."""
    _steer(lambda client: client.jobs.discard(job_id), as_json)


def forget(job_id: JobArgument) -> None:
    """Delete a final job from the lists. What it published stays."""
    with open_client() as client:
        client.jobs.delete(job_id)
    say(f"{job_id} is forgotten.")


# ------------------------------------------------------------------------------ submit


def _submission(
    recipe: str,
    settings: list[str],
    revision: int | None,
    occurrence: datetime | None,
    **values: Any,
) -> Submission:
    """What is sent: a file's recipe as it is written there, or a stored one's name."""
    from services.jobs.job import Submission

    if is_file(recipe):
        if revision is not None:
            raise RecipeError([Problem("--revision", "a file has none; give the name of a stored recipe")])
        named: dict[str, Any] = {"recipe": read_recipe(Path(recipe), settings)}
    else:
        if settings:
            raise RecipeError([Problem("--set", "changes a file's recipe, not a stored one")])
        named = {"recipe_name": recipe, "recipe_revision": revision}
    return made(Submission, {"recipe": "RECIPE", "recipe_name": "RECIPE"}, **named, occurrence=occurrence, **values)


def is_file(recipe: str) -> bool:
    """Whether this means a file, not a stored recipe's name."""
    return recipe.endswith(ENDINGS) or "/" in recipe


def read_recipe(path: Path, settings: Sequence[str] = ()) -> dict[str, Any]:
    """The recipe in a file as it is written: the service checks it. Raises RecipeError where it cannot be read."""
    from curation.recipe.reading import read_mapping
    from curation.recipe.setting import apply_setting

    try:
        data = read_mapping(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise MissingError(f"{path}: no such recipe") from None
    except OSError as error:
        raise RecipeError([Problem(str(path), error.strerror or str(error))]) from None
    except UnicodeDecodeError:
        raise RecipeError([Problem(str(path), "found no UTF-8 text, expected YAML or JSON")]) from None
    except RecipeError as error:
        raise RecipeError([Problem(str(path), str(problem)) for problem in error.problems]) from None
    for setting in settings:
        apply_setting(data, setting)
    return data


# ------------------------------------------------------------------------------ follow


@contextmanager
def _left_running(job_id: str) -> Iterator[None]:
    """Ctrl-C ends the watching, not the job."""
    try:
        yield
    except KeyboardInterrupt:
        raise LeftRunning(f"{job_id} goes on; stop it with: curation cancel {job_id}") from None


def _follow(client: Client, job_id: str) -> Job:
    """The job where it rests, its progress shown on the way."""
    from rich.console import Console

    from services.cli.progress import JobDisplay

    with _left_running(job_id), JobDisplay(Console(stderr=True)) as display:
        for job in client.jobs.watch(job_id):
            display.watch(job)
    return job


def _end(job: Job, as_json: bool) -> None:
    """Say how it ended, and exit with it."""
    from services.jobs.states import State

    if as_json:
        show_json(job)
    else:
        say(_ending(job))
    if job.state is not State.SUCCEEDED:
        raise typer.Exit(HELD if job.state is State.HELD else UNSUCCESSFUL)


def _ending(job: Job) -> str:
    from services.jobs.states import State

    if job.state is State.SUCCEEDED and job.published is False:
        return f"{job.id}: nothing new; version {job.version} of {job.corpus} was published before"
    if job.state is State.SUCCEEDED:
        said = (job.message or "").removeprefix(f"version {job.version}: ")
        return f"{job.id} published version {job.version} of {job.corpus}: {said or _kept(job)}"
    if job.state is State.HELD:
        why = f": {job.message}" if job.message else ""
        return f"{job.id} is held{why}\nLet it go on: curation approve {job.id}, or end it: curation discard {job.id}"
    if job.state is State.PAUSED:
        return f"{job.id} is paused: curation resume {job.id}"
    return f"{job.id} is {job.state}: {job.message or job.reason or 'no reason given'}"


def _kept(job: Job) -> str:
    if job.documents_read is None or job.documents_kept is None:
        return ""
    return f"{job.documents_kept:,} of {job.documents_read:,} documents kept"


# ------------------------------------------------------------------------------- show


def _row(job: Job) -> tuple[object, ...]:
    labels = {**job.labels}
    made_at = moment(job.created)
    return (
        job.id,
        job.state,
        job.reason,
        job.mode,
        job.recipe_name,
        job.corpus,
        made_at,
        job.version,
        job.documents_kept,
        labels,
    )


def show_job(job: Job) -> None:
    """One job for people."""
    from services.cli.progress import rate

    show_facts(
        [
            ("job", job.id),
            ("state", f"{job.state}{f' ({job.reason})' if job.reason else ''}"),
            ("", job.message),
            ("mode", job.mode + (", redo" if job.redo else "")),
            ("recipe", job.recipe_name + (f", revision {job.recipe_revision}" if job.recipe_revision else "")),
            ("corpus", job.corpus + (f", version {job.version}" if job.version is not None else "")),
            ("documents", _kept(job)),
            ("made", f"{moment(job.created)} by {job.created_by}"),
            ("started", job.started),
            ("finished", job.finished),
            ("labels", job.labels),
            ("priority", job.priority or ""),
            ("schedule", job.schedule_id),
            ("occurrence", job.occurrence),
        ]
    )
    if job.progress:
        steps = ((step.step, f"{step.shards_done}/{step.shards_total}", rate(step)) for step in job.progress)
        show_table("Steps", ("step", ">done", ""), steps)
    if job.attempts:
        columns = (">attempt", "runner", "started", "finished", "ended", "why")
        rows = ((a.attempt, a.owner, a.started, a.finished, a.ended, a.message or a.reason) for a in job.attempts)
        show_table("Attempts", columns, rows)
    if job.conditions:
        rows_ = ((c.type, c.is_true, c.at, c.message or c.reason) for c in job.conditions)
        show_table("Conditions", ("condition", "", "since", "why"), rows_)


def show_run(run: RunReport) -> None:
    """What a run did, or would publish, for people."""
    from services.cli.corpora import show_steps

    show_steps(f"Version {run.version}{', not published' if run.is_draft else ''}", run.steps)
    kept = f"{run.kept.documents:,} of {run.documents_read:,} documents"
    say(f"{kept} {'would be' if run.is_draft else 'were'} kept by the run {run.run}.")


def _which(**fields: object) -> JobFilter:
    """The filter. Raises CommandError."""
    from services.jobs.job import JobFilter

    called = {"states": "--state", "labels": "--label", "created_after": "--after", "created_before": "--before"}
    return made(JobFilter, called, **fields)


def _log_line(line: LogLine) -> str:
    fields = f"  {text(line.fields)}" if line.fields else ""
    return f"{moment(line.at)} {line.level:<7} {text(line.message)}{fields}"


def _show_estimate(estimate: Estimate, as_json: bool) -> None:
    if as_json:
        show_json(estimate)
    else:
        show_facts(
            [
                ("recipe", estimate.recipe_name),
                ("corpus", f"{estimate.corpus_url}, newest version {estimate.newest_version}"),
                ("found", _compared(estimate)),
                ("reads", f"{estimate.files:,} files, {estimate.input_bytes:,} bytes, in {estimate.shards:,} shards"),
                ("documents", _range(estimate.documents, "")),
                ("work", _range(estimate.cpu_s, " s of one core")),
                ("takes", _range(estimate.elapsed_s, " s")),
                ("output", _range(estimate.output_bytes, " bytes")),
                ("", estimate.basis_detail),
                ("", "Nothing new: it would publish nothing." if estimate.is_nothing_new else ""),
            ]
        )
        show_table("Sources", ("source", ">files", ">bytes"), ((s.source, s.files, s.bytes) for s in estimate.sources))


def _compared(estimate: Estimate) -> str:
    found = estimate.compared
    if found is None:
        return ""
    return f"{found.new:,} new, {found.changed:,} changed, {found.vanished:,} vanished, {found.unchanged:,} known files"


def _range(range_: Range | None, unit: str) -> str:
    return "" if range_ is None else f"{range_.low:,.0f} to {range_.high:,.0f}{unit}"


def _steer(change: Callable[[Client], Job], as_json: bool) -> None:
    with open_client() as client:
        job = change(client)
    if as_json:
        show_json(job)
    else:
        say(f"{job.id} is {job.state}{f': {job.message or job.reason}' if job.message or job.reason else ''}")
