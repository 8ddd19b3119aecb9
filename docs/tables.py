"""Writes the tables of the pages that the code knows: `.venv/bin/python -m docs.tables`.

A page has them between `<!-- NAME -->` and `<!-- end -->`: the settings, metrics and values of operations.md, and with
`<!-- options KIND ... -->` the options of stages of these kinds. Every kind stands on one page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import create_engine

import curation.recipe  # noqa: F401 - registers the stages
from curation.rules.flavours import FlavouredStage, written
from curation.stage import RuleStage, Stage, stage_kinds
from services.database import Database
from services.metrics import Metrics
from services.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(page for page in sorted((ROOT / "docs").glob("*.md")) if "<!-- end -->" in page.read_text())
VALUES = ROOT / "deploy" / "helm" / "curation" / "values.yaml"
_TABLE = re.compile(r"(<!-- ((?!end).*?) -->\n).*?(<!-- end -->)", re.DOTALL)
MACHINE_S = {"runner_name": "the machine's name"}
"""Defaults that differ from machine to machine."""


def main() -> None:
    """Write the pages anew."""
    for page in PAGES:
        page.write_text(with_tables(page.read_text()))


def with_tables(page: str) -> str:
    """The page with what stands between its markers as it is now."""
    return _TABLE.sub(lambda found: f"{found[1]}{_table(*found[2].split())}{found[3]}", page)


def _table(name: str, *kinds: str) -> str:
    if name == "options":
        return options_tables(kinds)
    return {"settings": settings_table, "metrics": metrics_table, "values": values_table}[name]()


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


def options_tables(kinds: tuple[str, ...]) -> str:
    """The options of stages of these kinds, with the defaults of their flavours; under headings if they are several."""
    heading = "### {}\n\n" if len(kinds) > 1 else ""
    return "\n".join(heading.format(kind) + _options_table(stage_kinds()[kind]) for kind in kinds)


def _options_table(stage: type[Stage]) -> str:
    own = stage.own_defaults if issubclass(stage, FlavouredStage) else {}
    heads = ["Option", "Default", *(f"In `{flavour}`" for flavour in own), "Meaning"]
    rows = [heads]
    for name, field in _options(stage):
        others = [f"`{written(defaults[name])}`" if name in defaults else "" for defaults in own.values()]
        rows.append([f"`{name}`", _default(field), *others, _meaning(field)])
    head, *body = (f"| {' | '.join(row)} |\n" for row in rows)
    return f"{head}|{'---|' * len(heads)}\n{''.join(body)}"


def _options(stage: type[Stage]) -> Iterator[tuple[str, FieldInfo]]:
    """The stage's own options; those of an item behind an option that lists items, as `option[].name`."""
    common = (RuleStage if issubclass(stage, RuleStage) else Stage).model_fields
    for name, field in stage.model_fields.items():
        if name not in common:
            yield name, field
            item = get_args(field.annotation)[0] if get_origin(field.annotation) is tuple else None
            if isinstance(item, type) and issubclass(item, BaseModel):
                yield from ((f"{name}[].{option}", its) for option, its in item.model_fields.items())


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    return "" if field.is_required() else f"`{json.dumps(default) if isinstance(default, dict) else written(default)}`"


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
