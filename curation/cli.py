"""`curation …`: the command line over the library; `curation --help` lists the exit codes."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from typer.core import TyperGroup

from curation.errors import CurationError, Problem, RecipeError

if TYPE_CHECKING:
    from curation.runner.runner import OpenRunner

LIBRARY, SERVICE, ADMINISTRATION = "Library", "Service", "Administration"
"""The sections of the help."""

HELP = "Turn raw text into a training corpus: `run` does it here, `submit` has a service do it."
EXIT_CODES = """\b
Exit codes:
  0  done
  1  a defect of ours
  2  the recipe or the command is wrong
  3  the input is not what the recipe promises
  4  the store or the service refuses, or something is not there
  5  conflict: somebody else was first, or it is not in this state
  6  a model is missing
  7  the accounts do not add up; nothing is published
  8  a job that was followed did not succeed
  9  a job that was followed is held: approve or discard it
  130 interrupted, 143 terminated
"""


class _Sections(TyperGroup):
    """The list of commands under the headings that they name."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        longest = max(map(len, self.commands))
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (LIBRARY, SERVICE, ADMINISTRATION)}
        for name, command in self.commands.items():
            said = command.get_short_help_str(formatter.width - 6 - longest)
            heading = getattr(command, "rich_help_panel", None) or "Commands"
            sections.setdefault(heading, []).append((f"{name:<{longest}}", said))
        for heading in filter(sections.get, sections):
            with formatter.section(heading):
                formatter.write_dl(sections[heading])


app = typer.Typer(
    cls=_Sections,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,
    help=HELP,
    epilog=EXIT_CODES,
)

PLUGINS = "curation.commands"
REMIND_S = 1.0
"""How long after a Ctrl-C the code that goes on nevertheless is interrupted again."""

Engine = Literal["ray", "local"]
CorpusArgument = Annotated[str, typer.Argument(metavar="CORPUS", help="A folder or s3://bucket/prefix.")]
RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="A YAML or JSON file.")]
VersionOption = Annotated[int | None, typer.Option("--version", metavar="N", help="Which version; default the newest.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command(rich_help_panel=LIBRARY)
def run(
    recipe: RecipeArgument,
    engine: Annotated[Engine, typer.Option(help="Where the work is done: Ray, or this process (to debug).")] = "ray",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change the recipe.")
    ] = None,
    run_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name the run; default: a digest of recipe and input.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Workers of the local Ray; default: one a core.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A Ray cluster to join; default: start one here.")
    ] = None,
) -> None:
    """Curate a recipe's sources and publish a version. The same command again goes on where it was."""
    from curation.pipeline import curate
    from curation.recipe import load_recipe
    from curation.render import ProgressDisplay, screen, show_report

    loaded = load_recipe(recipe, settings or [])
    with _open_runner(engine, workers, address) as runner, ProgressDisplay(Console(stderr=True)) as seen:
        outcome = curate(loaded, runner, run_id, seen.watch)
    show_report(screen(), loaded.output, outcome.version)
    if not outcome.published:
        print(f"Nothing new: version {outcome.version} was published before, from the same recipe and input.")


@app.command(rich_help_panel=LIBRARY)
def report(corpus: CorpusArgument, version: VersionOption = None, as_json: JsonOption = False) -> None:
    """Where every document went. The funnel, by source, by language, examples by rule."""
    from curation.render import report_json, screen, show_report

    if as_json:
        _print_json(report_json(corpus, version))
    else:
        show_report(screen(), corpus, version)


@app.command(rich_help_panel=LIBRARY)
def explain(
    corpus: CorpusArgument,
    document_id: Annotated[str, typer.Argument(metavar="DOC_ID")],
    version: VersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a document was kept or dropped. Every stage's values, the decision, the survivor and the similarity."""
    from curation.corpus import Corpus
    from curation.render import screen, show_explanation

    opened = Corpus(corpus)
    rows = opened.explain(document_id, version)
    if as_json:
        _print_json(rows)
    else:
        show_explanation(screen(), opened, rows, version)


@app.command(rich_help_panel=LIBRARY)
def versions(corpus: CorpusArgument, as_json: JsonOption = False) -> None:
    """What has been published, newest first."""
    from curation.corpus import Corpus
    from curation.render import screen, show_versions, versions_json

    opened = Corpus(corpus)
    opened.version()
    if as_json:
        _print_json(versions_json(opened))
    else:
        show_versions(screen(), opened)


@app.command(rich_help_panel=LIBRARY)
def verify(corpus: CorpusArgument, version: VersionOption = None) -> None:
    """Compare every file of a version with its manifest. By size and SHA-256."""
    from curation.corpus import Corpus

    opened = Corpus(corpus)
    number = opened.version(version).version
    print(f"version {number}: {opened.verify(number):,} files are what the manifest says")


@app.command(rich_help_panel=LIBRARY)
def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made if it is not there.")],
) -> None:
    """Harvest real text from this machine. Packages' descriptions, licences, sources, manual pages, translations."""
    from curation.render import screen, show_harvest
    from curation.sample import harvest

    show_harvest(screen(), directory, harvest(directory))


@app.command(rich_help_panel=LIBRARY)
def doctor(url: Annotated[str, typer.Argument(metavar="URL", help="A folder or s3://bucket/prefix.")]) -> None:
    """Check that a store can hold a corpus. It must let exactly one of many racing writers win."""
    from curation.render import screen, show_checks
    from curation.storage import doctor as examine

    checks = examine(url)
    show_checks(screen(), url, checks)
    if not all(check.ok for check in checks):
        raise typer.Exit(4)


@app.command(rich_help_panel=LIBRARY)
def stages(as_json: JsonOption = False) -> None:
    """Every stage with its options, defaults and source."""
    from curation.render import screen, show_stages, stages_json

    if as_json:
        _print_json(stages_json())
    else:
        show_stages(screen())


def _is_typed(problem: Problem) -> bool:
    """Whether it is about an option or (as its name in the help) an argument."""
    return problem.path.startswith("--") or problem.path.isupper()


class _Interrupted(BaseException):
    """The user, or whoever runs this process, wants it to end."""

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        self.word = "interrupted" if number == signal.SIGINT else "terminated"


class LeftRunning(CurationError):  # noqa: N818, whoever only watches may stop watching
    """Ctrl-C where it ends the command, but not the work, which is done elsewhere; the message says how to end that."""

    exit_code = 130


@cache
def open_app() -> typer.Typer:
    """The command line with what installed packages add to it: each entry point of the group `curation.commands` is a
    function that is given the app."""
    for plugin in sorted(entry_points(group=PLUGINS), key=lambda plugin: plugin.name):
        plugin.load()(app)
    return app


def main() -> None:
    """The entry point: runs a command and turns errors and signals into a sentence and an exit code."""
    try:
        with _interruptible():
            open_app()()
    except RecipeError as error:
        what = "command" if all(map(_is_typed, error.problems)) else "recipe"
        complaints = "\n".join(f"  {problem}" for problem in error.problems)
        _fail(f"the {what} is wrong:\n{complaints}", error.exit_code)
    except CurationError as error:
        _fail(str(error), error.exit_code)
    except _Interrupted as interrupted:
        _fail(f"{interrupted.word}; the same command goes on from what is recorded", interrupted.exit_code)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt in the code below, and leave it as _Interrupted whatever that became
    on its way: out of a compiled function it comes as a SystemError, out of typer as an exit without a word. Where it
    was swallowed, it is raised again."""
    received: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        received.append(number)
        signal.signal(signal.SIGALRM, remind)
        signal.setitimer(signal.ITIMER_REAL, REMIND_S, REMIND_S)
        raise KeyboardInterrupt

    def remind(*_: object) -> None:
        if sys.exception() is None:  # else somebody is tidying up
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except BaseException as error:
        is_done = isinstance(error, SystemExit) and not error.code
        if received and not is_done and not isinstance(error, LeftRunning):
            raise _Interrupted(received[0]) from None
        raise
    finally:
        if received:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _open_runner(engine: Engine, workers: int | None, address: str | None) -> OpenRunner:
    """The engine's runner; options that it does not have are the command's fault, not the recipe's."""
    from curation.runner import open_runner

    try:
        return open_runner(engine, workers=workers, address=address)
    except RecipeError as error:
        raise RecipeError([Problem(f"--{problem.path}", problem.message) for problem in error.problems]) from None


def _fail(message: str, code: int) -> None:
    """What is said may quote what others wrote: nothing in it drives the terminal."""
    shown = "".join(c if c.isprintable() or c == "\n" else f"<{ord(c):04X}>" for c in message)
    print(f"curation: {shown}", file=sys.stderr)
    sys.exit(code)


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=1, ensure_ascii=False, default=str))
