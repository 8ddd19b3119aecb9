"""The database: SQLite embedded, PostgreSQL in production; one schema, one clock."""

from services.database.database import Database, open_database
from services.database.ids import new_id

__all__ = ["Database", "new_id", "open_database"]
