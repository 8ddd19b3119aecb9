"""The Helm chart, without helm: its values and templates fit one another and the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.settings import PREFIX, Settings
from tests.deploy.test_compose import parses

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "curation"
TEMPLATES = sorted((CHART / "templates").iterdir())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
ALL = "".join(path.read_text() for path in TEMPLATES)
FREE = {"settings", "environment"}
"""Maps that the user fills."""
OPENS = re.compile(r"\{\{-? *(if|with|range|define)\b")
ENDS = re.compile(r"\{\{-? *end\b")
SETTINGS = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def leaves(values: dict[str, Any], path: str = "") -> set[str]:
    """The values' paths; resources and annotations are used whole."""
    found = set()
    for name, value in values.items():
        here = f"{path}.{name}".lstrip(".")
        is_whole = not isinstance(value, dict) or name in FREE | {"resources", "annotations"}
        found |= {here} if is_whole else leaves(value, here)
    return found


def plain(text: str) -> str:
    """A template with its actions taken out, so that what is left is YAML."""
    text = re.sub(r"^\s*\{\{-?[^}]*\}\}\s*$", "", text, flags=re.MULTILINE)
    return re.sub(r"\{\{-?[^}]*\}\}", "x", text)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_is_balanced(path: Path) -> None:
    text = path.read_text()
    assert text.count("{{") == text.count("}}")
    assert len(OPENS.findall(text)) == len(ENDS.findall(text))
    for action in re.findall(r"\{\{.*?\}\}", text, re.DOTALL):
        assert action.count("(") == action.count(")"), action
        assert action.count('"') % 2 == 0, action


@pytest.mark.parametrize("path", [path for path in TEMPLATES if path.suffix == ".yaml"], ids=lambda path: path.name)
def test_what_is_left_of_a_template_is_kubernetes_yaml(path: Path) -> None:
    documents = [document for document in yaml.safe_load_all(plain(path.read_text())) if document]
    assert documents
    for document in documents:
        assert {"apiVersion", "kind", "metadata"} <= set(document)


def test_every_value_is_used_and_every_used_value_is_there() -> None:
    used = set(re.findall(r"\.Values\.([A-Za-z0-9_.]+)", ALL))
    assert used == leaves(VALUES)


def test_every_value_is_explained() -> None:
    text = (CHART / "values.yaml").read_text()
    for leaf in leaves(VALUES):
        name = leaf.rsplit(".", 1)[-1]
        assert re.search(rf"# -- .+\n +{name}:|^# -- .+\n{name}:", text, re.MULTILINE), leaf


def test_what_is_included_is_defined() -> None:
    defined = set(re.findall(r'define "([^"]+)"', ALL))
    assert set(re.findall(r'include "([^"]+)"', ALL)) == defined


def test_settings_exist() -> None:
    named = set(re.findall(rf"{PREFIX}[A-Z_]+", ALL)) | set(VALUES["settings"])
    assert named <= SETTINGS


def test_commands_are_ours() -> None:
    commands = re.findall(r"args: (\[.*\])", ALL)
    assert len(commands) == 3
    for command in commands:
        parses(yaml.safe_load(command))


def test_selectors_find_the_pods() -> None:
    components = set(re.findall(r"app.kubernetes.io/component: (\w+)", ALL))
    assert components == {"api", "scheduler", "runner", "migrate"}
    for part in ("api", "scheduler", "runner"):
        text = (CHART / "templates" / f"{part}.yaml").read_text()
        assert set(re.findall(r"app.kubernetes.io/component: (\w+)", text)) == {part}


def test_pods_are_confined() -> None:
    helpers = (CHART / "templates" / "_helpers.tpl").read_text()
    for line in (
        "runAsNonRoot: true",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        "drop: [ALL]",
        "enableServiceLinks: false",
    ):
        assert line in helpers
    for path in TEMPLATES:
        if "containers:" in path.read_text():
            assert 'include "curation.podSpec"' in path.read_text()
            assert 'include "curation.container"' in path.read_text()


def test_the_chart_is_of_this_release() -> None:
    import tomllib

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((CHART.parents[2] / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == VALUES["image"]["tag"] == project["version"]
