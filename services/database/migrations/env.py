"""What Alembic runs: over the connection that `services.database.migrate` gives it, or into a text."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from services.database.tables import metadata
from services.database.types import Instant


def _render(kind: str, item: Any, _autogenerate: AutogenContext) -> str | Literal[False]:
    """Write an Instant as what it is in the database, so that a revision does not change with the program."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.BigInteger()"
    return False


def run() -> None:
    """Run the revisions that were asked for."""
    if context.is_offline_mode():
        dialect: str = context.config.attributes["dialect"]
        context.configure(dialect_name=dialect, target_metadata=metadata, literal_binds=True)
    else:
        connection = context.config.attributes["connection"]
        context.configure(connection=connection, target_metadata=metadata, render_item=_render)
    with context.begin_transaction():
        context.run_migrations()


run()
