"""compose.yaml, the RayCluster and the watchers' files against the code: what they name exists."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import create_engine
from typer.testing import CliRunner

from curation.cli import open_app
from deploy import make_secrets
from services.database import Database
from services.metrics import Metrics
from services.serve import Role
from services.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("curation:")}
OTHERS_VARIABLES = re.compile(r"AWS_(ENDPOINT_URL|DEFAULT_REGION|SHARED_CREDENTIALS_FILE)|RAY_AUTH_(MODE|TOKEN_PATH)")
METRICS = Metrics(Database(create_engine("sqlite://")), Settings()).names()
SUFFIXES = re.compile(r"_(total|bucket|sum|count)$")


def parses(arguments: list[str]) -> None:
    """Fails unless the command line is one of ours: with --help it is read, and not obeyed."""
    result = CliRunner().invoke(open_app(), [*arguments, "--help"])
    assert result.exit_code == 0, f"{arguments}: {result.output}"
    parts = [value for option, value in pairwise(arguments) if option == "--only"]
    assert set(parts) <= set(Role), arguments


@pytest.mark.parametrize("name", sorted(n for n, s in OURS.items() if "entrypoint" not in s))
def test_the_command_is_one_of_ours(name: str) -> None:
    parses(OURS[name]["command"])


def test_the_runner_s_script_ends_in_a_command_of_ours() -> None:
    script = (DEPLOY / "runner.sh").read_text()
    [command] = re.findall(r"^curation (.*) &$", script, re.MULTILINE)
    parses(command.split())
    subprocess.run(["bash", "-n", DEPLOY / "runner.sh"], check=True)
    assert (DEPLOY / "runner.sh").stat().st_mode & 0o111
    assert f"{PREFIX}RAY_ADDRESS" in OURS["runner"]["environment"]


def test_a_wrong_command_would_be_noticed() -> None:
    for wrong in (["serve", "--nosuch"], ["nosuch"], ["admin", "nosuch"], ["serve", "--only", "nosuch"]):
        with pytest.raises(AssertionError):
            parses(wrong)


def test_every_variable_is_read_by_somebody() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name, service in OURS.items():
        for variable in service.get("environment", {}):
            assert variable in known or OTHERS_VARIABLES.fullmatch(variable), f"{name}: {variable}"


def test_the_values_are_ones_that_settings_take() -> None:
    for service in OURS.values():
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in service.get("environment", {}).items()
            if name.startswith(PREFIX)
        }
        Settings(**given)


def test_images_are_pinned() -> None:
    for name, service in SERVICES.items():
        assert re.search(r":[^:/]*\d+\.?[^:/]*$", service["image"]), name
        assert not service["image"].endswith(("latest", "main", "edge"))


def test_nothing_but_the_api_and_grafana_is_open_and_only_to_this_machine() -> None:
    open_ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(open_ports) == {"api", "grafana"}
    for ports in open_ports.values():
        assert all(port.startswith("127.0.0.1:") for port in ports)
    assert COMPOSE["networks"]["inside"]["internal"] is True


def test_secrets_are_files_that_the_script_makes(tmp_path: Path) -> None:
    make_secrets.main(tmp_path / "secrets")
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(COMPOSE["secrets"]) == set(made)
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
    make_secrets.main(tmp_path / "secrets")
    assert made == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert made["postgres_password"] in made["database_url"]
    assert len(made["secret_key"]) >= 32


def test_every_service_has_the_secrets_that_it_names() -> None:
    own = {"CURATION_DATABASE_URL_FILE": {"api", "scheduler", "runner", "migrate"}}
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            found = re.match(r"/run/secrets/(\w+)$", str(value))
            if found and (variable not in own or name in own[variable]) and name not in {"buckets", "migrate"}:
                assert found[1] in service["secrets"], f"{name}: {variable}"


def test_files_and_volumes_that_are_mounted_exist() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], name


def test_what_is_depended_on_exists_and_can_become_healthy() -> None:
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "test" in SERVICES[other]["healthcheck"]


def test_ray_asks_for_a_token_everywhere() -> None:
    for name in ("ray-head", "ray-worker", "runner"):
        assert OURS[name]["environment"]["RAY_AUTH_MODE"] == "token"
        assert OURS[name]["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
    cluster = yaml.safe_load((DEPLOY / "kuberay" / "raycluster.yaml").read_text())
    assert cluster["spec"]["authOptions"] == {"mode": "token", "secretName": "curation-ray"}
    locked = re.search(r"^ray(?:\[.*\])?==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked is not None
    assert cluster["spec"]["rayVersion"] == locked[1]


def test_kuberay_asks_what_the_image_has_not_the_dashboard() -> None:
    """KubeRay puts in probes of its own, of the dashboard's agent, where there are none; the image's Ray has none."""
    cluster = yaml.safe_load((DEPLOY / "kuberay" / "raycluster.yaml").read_text())
    for group in (cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        assert pod["enableServiceLinks"] is False
        [container] = pod["containers"]
        ports = {port["containerPort"] for port in container["ports"]}
        assert ports == {int(group["rayStartParams"].get("node-manager-port", 6379))}
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container[name]
            assert probe.get("tcpSocket", {}).get("port") in ports or probe["exec"]["command"][:2] == [
                "ray",
                "health-check",
            ]


STAND_IN = """#!/bin/bash
trap 'echo {name} stops; exit 0' TERM
echo Ray runtime started.
echo $$ > {name}.pid.new; mv {name}.pid.new {name}.pid
while :; do sleep 0.05; done
"""


@pytest.mark.parametrize(("dies", "sent", "code"), [("ray", 9, 1), ("curation", 9, 137), (None, 15, 0)])
def test_the_runner_s_script_ends_when_ray_or_the_runner_does(
    tmp_path: Path, dies: str | None, sent: int, code: int
) -> None:
    """Programs in the places of `ray` and `curation` that run until they are stopped: what is tried is the script."""
    for name in ("ray", "curation"):
        (tmp_path / name).write_text(STAND_IN.format(name=name))
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CURATION_RAY_ADDRESS": "127.0.0.1:6379"}
    process = subprocess.Popen(
        [DEPLOY / "runner.sh"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        while not all((tmp_path / f"{name}.pid").exists() for name in ("ray", "curation")):
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid if dies is None else int((tmp_path / f"{dies}.pid").read_text()), sent)
        said = process.communicate(timeout=30)[0]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == code, said
    assert [name for name in ("ray", "curation") if f"{name} stops" in said] == [
        n for n in ("ray", "curation") if n != dies
    ]
    if dies == "ray":
        assert "Ray's node has ended" in said


def test_the_runner_s_script_ends_when_ray_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "ray").write_text("#!/bin/sh\necho no head; exit 1\n")
    (tmp_path / "ray").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CURATION_RAY_ADDRESS": "127.0.0.1:6379"}
    done = subprocess.run(
        [DEPLOY / "runner.sh"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "no head\n" in done.stderr
    assert "did not start at 127.0.0.1:6379" in done.stderr


# ---------------------------------------------------------------------- watchers


def names_in(expression: str) -> set[str]:
    return {SUFFIXES.sub("", name) for name in re.findall(r"\bcuration_\w+", expression)}


def is_metric(name: str) -> bool:
    return name in METRICS or name == "curation_http_requests"


@pytest.mark.parametrize("path", sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")), ids=lambda path: path.stem)
def test_a_dashboard_shows_metrics_that_exist(path: Path) -> None:
    board = json.loads(path.read_text())
    [source] = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for expression in [*expressions, *(variable["query"] for variable in board["templating"]["list"])]:
        assert names_in(expression)
        assert all(map(is_metric, names_in(expression))), expression
        assert expression.count("(") == expression.count(")")
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {source["uid"]}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_metric_is_on_a_dashboard_or_in_an_alert() -> None:
    shown = "".join(path.read_text() for path in (DEPLOY / "grafana" / "dashboards").glob("*.json"))
    shown += (DEPLOY / "prometheus" / "alerts.yml").read_text()
    assert set(METRICS) <= names_in(shown)


def test_alerts_ask_for_metrics_that_exist_and_name_their_section() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    sections = {
        re.sub(r"[^a-z0-9 ]", "", line.lower()).strip().replace(" ", "-") for line in re.findall("^#+ (.*)", page, re.M)
    }
    [group] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]:
        assert all(map(is_metric, names_in(rule["expr"]))), rule["alert"]
        assert rule["annotations"]["runbook"].removeprefix("docs/operations.md#") in sections


def test_prometheus_asks_the_api() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert config["scrape_configs"][0]["static_configs"] == [{"targets": ["api:8321"]}]
    assert all((DEPLOY / "prometheus" / name).exists() for name in config["rule_files"])
