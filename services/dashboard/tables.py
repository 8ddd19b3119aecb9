"""Tables, which are also what charts are drawn from, and what is exported."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from starlette.responses import Response

from services.dashboard import text

Kind = Literal["text", "code", "state", "count", "change", "bytes", "share", "number", "duration", "time", "moment"]
"""How a column is shown: `code` for ids and paths, `change` with its sign, `share` of 1, `duration` in seconds,
`moment` for times to the second."""
Row = Mapping[str, Any]
FORMATS: Mapping[Kind, Callable[[Any], str]] = {
    "count": text.count,
    "change": text.change,
    "bytes": text.size,
    "share": text.share,
    "number": text.number,
    "duration": text.duration,
    "time": text.time_of,
    "moment": text.moment_of,
}
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for a formula at a cell's beginning."""


@dataclass(frozen=True)
class Column:
    """One column: its key in the rows and in exports, its heading, how it is shown, and where a cell leads."""

    name: str
    label: str
    kind: Kind = "text"
    link: Callable[[Row], str | None] | None = None

    @property
    def is_number(self) -> bool:
        return self.kind in FORMATS and self.kind not in {"time", "moment"}

    def show(self, row: Row) -> object:
        """A cell for people. Texts go through `visible` in the template."""
        value = row.get(self.name)
        return FORMATS[self.kind](value) if self.kind in FORMATS else value


@dataclass(frozen=True)
class Chart:
    """What is drawn from a table: one series for each name in `y`, over the column `x`. Axes begin at zero."""

    kind: Literal["bar", "bars", "line", "stacked"]
    """`bar`: lying bars, a row each; `bars`: standing ones; `stacked`: lying, the series on one bar."""
    x: str
    y: tuple[str, ...]
    unit: str
    """Of the axis."""
    step: bool = False
    """Of a line: constant from one point to the next."""


@dataclass(frozen=True)
class Table:
    """Rows under a caption. `name` is unique on its page; with a chart, the table is its numbers."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    chart: Chart | None = None
    total: Row | None = None
    """A last row, which charts leave out."""
    note: str = ""
    """What the reader must know to read it rightly."""
    empty: str = "Nothing yet."
    more: str | None = None
    """The address of the next page."""
    has_export: bool = field(default=True, kw_only=True)
    """Whether its address gives it as a file: not where the page is the answer to what was sent."""
    classes: str = field(default="", kw_only=True)


def export(table: Table, how: str) -> Response:
    """The rows that the page shows, as `csv` or `json`."""
    rows = [*table.rows, *([table.total] if table.total else [])]
    if how == "json":
        found = [{column.name: _plain(row.get(column.name)) for column in table.columns} for row in rows]
        body, media = json.dumps(found, ensure_ascii=False, indent=1), "application/json"
    else:
        written = io.StringIO()
        writer = csv.writer(written)
        writer.writerow([column.name for column in table.columns])
        writer.writerows([_cell(row.get(column.name)) for column in table.columns] for row in rows)
        body, media = written.getvalue(), "text/csv; charset=utf-8"
    headers = {"Content-Disposition": f'attachment; filename="{table.name}.{how}"'}
    return Response(body.encode("utf-8", "backslashreplace"), media_type=media, headers=headers)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else value


def _cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers."""
    plain = _plain(value)
    if plain is None:
        return ""
    shown = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return f"'{shown}" if isinstance(plain, str) and shown.startswith(FORMULA) else shown
