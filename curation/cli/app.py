"""The application: what is common to all commands, and how errors and signals end one."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from curation.cli.options import ADMINISTRATION, LIBRARY, SERVICE
from curation.errors import CurationError, Problem, RecipeError, RedoError
from curation.runner.interruption import may_interrupt

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
  9  a run, or a job that was followed, is held: approve or discard it
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

COMMANDS = (
    "run",
    "held",
    "look",
    "whatif",
    "keeping",
    "takedown",
    "contamination",
    "index",
    "mixture",
    "tokenizer",
    "quality",
    "tools",
)
PLUGINS = "curation.commands"
REMIND_S = 1.0
"""How long after a Ctrl-C the code that goes on nevertheless is interrupted again."""
SOON_S = 0.02
"""The same, where it came while it must not be."""


def _is_typed(problem: Problem) -> bool:
    """Whether it is about an option or (as its name in the help) an argument."""
    return problem.path.startswith("--") or problem.path.isupper()


def _wrong(error: RecipeError) -> str:
    if isinstance(error, RedoError):
        return "everything must be done anew"
    return f"the {'command' if all(map(_is_typed, error.problems)) else 'recipe'} is wrong"


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
    """The command line: the commands of the files beside this one, in the order of the help, and what installed
    packages add: each entry point of the group `curation.commands` is a function that is given the app."""
    for name in COMMANDS:
        import_module(f"curation.cli.{name}")
    for plugin in sorted(entry_points(group=PLUGINS), key=lambda plugin: plugin.name):
        plugin.load()(app)
    return app


def main() -> None:
    """The entry point: runs a command and turns errors and signals into a sentence and an exit code."""
    try:
        with _interruptible():
            open_app()()
    except RecipeError as error:
        complaints = "\n".join(f"  {problem}" for problem in error.problems)
        _fail(f"{_wrong(error)}:\n{complaints}", error.exit_code)
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

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(signal.SIGALRM, remind)
        signal.setitimer(signal.ITIMER_REAL, REMIND_S, REMIND_S)
        stop(frame)

    def remind(_: int, frame: FrameType | None) -> None:
        if sys.exception() is None:  # else somebody is tidying up
            stop(frame)

    def stop(frame: FrameType | None) -> None:
        if may_interrupt(frame):
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, SOON_S, REMIND_S)

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


def _fail(message: str, code: int) -> None:
    """What is said may quote what others wrote: nothing in it drives the terminal."""
    shown = "".join(c if c.isprintable() or c == "\n" else f"<{ord(c):04X}>" for c in message)
    print(f"curation: {shown}", file=sys.stderr)
    sys.exit(code)
