"""Every error that this library raises on purpose, named by what the caller should do.

CurationError
├── RecipeError         mend the recipe: every problem is listed by its path            (exit code 2)
│   ├── OtherRunError   the run's id stands for another recipe, input or parent: give another
│   └── RedoError       the recipe changed: allow a refresh to read the old files again
├── InputError          look at the sources: nothing matched, or too much of it failed  (exit code 3)
├── StorageError        mend the address, the credentials or the store                  (exit code 4)
│   ├── MissingError    what was asked for is not there
│   ├── CorruptError    what is there is not what was recorded: size or SHA-256 differ
│   └── TransientError  try again: the only error that a runner retries
├── ConflictError       reload: somebody else wrote first                               (exit code 5)
├── HeldError           look, then approve or discard: a gate does not let the run pass  (exit code 9)
├── ModelError          bring the model: a file is missing or not what its digest says  (exit code 6)
└── AccountingError     report a bug: in != kept + dropped + failed, nothing published  (exit code 7)

Everything else that escapes is a defect of ours (exit code 1); Ctrl-C is exit code 130, SIGTERM 143.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class CurationError(Exception):
    """The root of the tree; `exit_code` is what the command line ends with."""

    exit_code = 1


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a recipe: `path` is dotted (`stages.2.min_words`)."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class RecipeError(CurationError):
    """The recipe cannot be run as it is."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[RecipeError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class OtherRunError(RecipeError):
    """The id of a run stands for another recipe, other input, or another version to start from."""


class RedoError(RecipeError):
    """The recipe says something else about files that were read before; each problem names a part that changed."""


class InputError(CurationError):
    """The sources do not hold what the recipe promises."""

    exit_code = 3


class StorageError(CurationError):
    """The store refused, or cannot do what a corpus needs."""

    exit_code = 4


class MissingError(StorageError):
    """There is no such object, corpus, version or document."""


class CorruptError(StorageError):
    """What was read is not what was written: its size or its SHA-256 differs from the record."""


class TransientError(StorageError):
    """The same call may go through later (a timeout, 5xx, a lost connection, a killed worker)."""


class ConflictError(CurationError):
    """Somebody else wrote first; what was to be written was not."""

    exit_code = 5


class HeldError(CurationError):
    """A run is done but for publishing, and does not pass a gate of its recipe; what it would publish is at hand."""

    exit_code = 9

    def __init__(self, run: str, digest: str, breaches: Sequence[str]) -> None:
        self.run, self.digest, self.breaches = run, digest, tuple(breaches)
        super().__init__(f"run {run} is held, nothing is published: {'; '.join(breaches)}")

    def __reduce__(self) -> tuple[type[HeldError], tuple[str, str, tuple[str, ...]]]:
        return type(self), (self.run, self.digest, self.breaches)


class ModelError(CurationError):
    """A model is missing, unreadable, or not the one that the recipe names."""

    exit_code = 6


class AccountingError(CurationError):
    """A run's own sums do not add up. Nothing is published."""

    exit_code = 7
