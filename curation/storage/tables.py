"""Tables of settings in a file, YAML or CSV: for a kind of stage and a language, the options that differ there.

In YAML a mapping of kinds to languages to options. In CSV the first column is `language`, and the others are named
`kind.option`; an empty cell says nothing, `null` switches off, and a list is written with blanks between its items.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import yaml

from curation.errors import ModelError

Table = dict[str, dict[str, dict[str, Any]]]
"""By kind and language, the options."""

_TEXT = "tag:yaml.org,2002:str"


def parse_table(data: bytes) -> Table:
    """The table in these bytes. Raises ModelError where they hold none."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"a table of settings is UTF-8 text: {error}") from None
    return _from_csv(text) if text.startswith("language,") else _from_yaml(text)


def _from_yaml(text: str) -> Table:
    try:
        table = yaml.load(text, Loader=_Loader)  # noqa: S506, a subclass of SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ModelError(f"no table of settings: {error}") from None
    if not isinstance(table, dict) or not table:
        raise ModelError(
            "a table of settings is a mapping of kinds of stages to languages, or CSV that begins `language,`"
        )
    for kind, languages in table.items():
        if not isinstance(languages, dict) or not languages:
            raise ModelError(f"{kind}: expected a mapping of languages to options, found {languages!r:.80}")
        for language, options in languages.items():
            if not isinstance(options, dict):
                raise ModelError(f"{kind}.{language}: expected a mapping of options, found {options!r:.80}")
    return table


class _Loader(yaml.SafeLoader):
    """YAML whose keys are texts (`no:` is a truth value there: quote it), each once in its mapping."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if key.tag != _TEXT:
                shown = key.value if isinstance(key, yaml.ScalarNode) else key.id
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {shown} is no text: quote it", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return node


def _from_csv(text: str) -> Table:
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    names = [name.partition(".") for name in rows[0][1:]]
    if wrong := ["".join(name) for name in names if not (name[0] and name[2])]:
        raise ModelError(
            f"the columns of a table of settings are named `kind.option`, found {', '.join(wrong)[:200]!r}"
        )
    if len(set(names)) < len(names):
        raise ModelError("a column stands twice in the table of settings")
    table: Table = {kind: {} for kind, _, _ in names}
    for number, (language, *cells) in enumerate(rows[1:], 2):
        if len(cells) != len(names):
            raise ModelError(
                f"row {number} of the table of settings has {len(cells) + 1} cells, expected {len(names) + 1}"
            )
        if any(language in languages for languages in table.values()):
            raise ModelError(f"{language!r} stands twice in the table of settings")
        for (kind, _, option), cell in zip(names, cells, strict=True):
            if cell:
                table[kind].setdefault(language, {})[option] = None if cell == "null" else cell
    return table
