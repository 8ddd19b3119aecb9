"""Writes the tables of operations.md that the code knows: `.venv/bin/python -m docs.tables`."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from pydantic.fields import FieldInfo
from sqlalchemy import create_engine

from services.database import Database
from services.metrics import Metrics
from services.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "operations.md"
VALUES = ROOT / "deploy" / "helm" / "curation" / "values.yaml"
MACHINE_S = {"runner_name": "the machine's name"}
"""Defaults that differ from machine to machine."""


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(with_tables(PAGE.read_text()))


def with_tables(page: str) -> str:
    """The page with what stands between its markers as it is now."""
    for name, table in (("settings", settings_table()), ("metrics", metrics_table()), ("values", values_table())):
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = pattern.sub(lambda found, table=table: f"{found[1]}{table}{found[2]}", page)  # type: ignore[misc]
    return page


def settings_table() -> str:
    """Every setting by its name in the environment, its default, and what it is."""
    rows = [_setting(name, field) for name, field in Settings.model_fields.items()]
    return "| Setting | Default | Meaning |\n|---|---|---|\n" + "".join(rows)


def metrics_table() -> str:
    """Every metric with its help."""
    names = Metrics(Database(create_engine("sqlite://")), Settings()).names()
    return "| Metric | Meaning |\n|---|---|\n" + "".join(f"| `{name}` | {names[name]} |\n" for name in sorted(names))


def values_table() -> str:
    """The Helm chart's values: each `# --` comment belongs to the key below it."""
    rows, path = [], list[str]()
    comment = ""
    for line in VALUES.read_text().splitlines():
        found = re.match(r"( *)([A-Za-z0-9_]+):", line)
        if line.strip().startswith("# --"):
            comment = line.split("# --", 1)[1].strip()
        elif found:
            path = [*path[: len(found[1]) // 2], found[2]]
            if comment:
                default = yaml.safe_dump(_value(path), default_flow_style=True, width=1000).split("\n")[0]
                rows.append(f"| `{'.'.join(path)}` | `{default}` | {comment} |\n")
                comment = ""
    return "| Value | Default | Meaning |\n|---|---|---|\n" + "".join(rows)


def _value(path: list[str]) -> object:
    value: object = yaml.safe_load(VALUES.read_text())
    for key in path:
        value = value[key] if isinstance(value, dict) else None
    return value


def _setting(name: str, field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, tuple):
        default = ",".join(default)
    shown = MACHINE_S.get(name) or ("" if default is None or default == "" else f"`{default}`")
    meaning = " ".join((field.description or "").split()).replace("|", "\\|")
    return f"| `{PREFIX}{name.upper()}` | {shown} | {meaning} |\n"


if __name__ == "__main__":
    main()
