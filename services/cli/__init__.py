"""`curation …`: the commands of the service, added to the library's.

They speak to a service over REST; only `serve` and `admin` work on the installation itself. Nothing heavy is imported
before a command runs.
"""

from __future__ import annotations

import typer

from services.cli import administration, corpora, identity, jobs, login, recipes, schedules, webhooks


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for module in (administration, login, jobs, recipes, schedules, corpora, identity, webhooks):
        module.register(app)
