"""Writes the tables of operations.md and rules.md that the code knows: `.venv/bin/python -m docs.tables`."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from pydantic.fields import FieldInfo
from sqlalchemy import create_engine

from curation.rules.flavours import FlavouredStage, written
from curation.stage import RuleStage, Stage, stage_kinds
from services.database import Database
from services.metrics import Metrics
from services.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "docs" / "operations.md", ROOT / "docs" / "rules.md")
VALUES = ROOT / "deploy" / "helm" / "curation" / "values.yaml"
MACHINE_S = {"runner_name": "the machine's name"}
"""Defaults that differ from machine to machine."""


def main() -> None:
    """Write the pages anew."""
    for page in PAGES:
        page.write_text(with_tables(page.read_text()))


def with_tables(page: str) -> str:
    """The page with what stands between its markers as it is now."""
    tables = {"settings": settings_table, "metrics": metrics_table, "values": values_table, "options": options_tables}
    for name, table in tables.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = pattern.sub(lambda found, table=table: f"{found[1]}{table()}{found[2]}", page)  # type: ignore[misc]
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


def options_tables() -> str:
    """The options of every rule, with the defaults of its flavours."""
    rules = [stage for stage in stage_kinds().values() if stage.__module__.startswith("curation.rules")]
    return "\n".join(map(_options_table, rules))


def _options_table(stage: type[Stage]) -> str:
    own = stage.own_defaults if issubclass(stage, FlavouredStage) else {}
    heads = ["Option", "Default", *(f"In `{flavour}`" for flavour in own), "Meaning"]
    rows = [heads]
    for name, field in stage.model_fields.items():
        if name not in RuleStage.model_fields:
            others = [f"`{written(defaults[name])}`" if name in defaults else "" for defaults in own.values()]
            default = "" if field.is_required() else f"`{written(field.default)}`"
            rows.append([f"`{name}`", default, *others, _meaning(field)])
    head, *body = (f"| {' | '.join(row)} |\n" for row in rows)
    return f"### {stage.kinds()[0]}\n\n{head}|{'---|' * len(heads)}\n{''.join(body)}"


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
    return f"| `{PREFIX}{name.upper()}` | {shown} | {_meaning(field)} |\n"


def _meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
