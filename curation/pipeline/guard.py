"""Who may stop a run: before it reads its input, and before it publishes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from curation.change import Change
from curation.errors import HeldError
from curation.manifest import InputShard, Manifest
from curation.report import Report


class Guard(Protocol):
    """Asked at a run's two doors; raising keeps them shut, and whatever it raises leaves `curate` as it is.

    Nothing is published then, and the run's records stay, so that it can go on from them.
    """

    def inputs(self, files: Sequence[InputShard]) -> None:
        """These files have been listed, and nothing has been read of them."""

    def publish(self, manifest: Manifest, report: Report, change: Change) -> None:
        """All work is done, and the one commit comes next. What is published is a draft in the run's folder already:
        see `held`. Where `change` has breaches of the recipe's gates, a person must have approved."""


class Unguarded:
    """Every door is open, but for a run that does not pass the recipe's gates."""

    def inputs(self, files: Sequence[InputShard]) -> None:
        """They may be read."""

    def publish(self, manifest: Manifest, report: Report, change: Change) -> None:
        """It may be published. Raises HeldError where it does not pass a gate."""
        if change.breaches:
            raise HeldError(manifest.run, manifest.digest, [breach.message for breach in change.breaches])
