"""The service's commands, as people type them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curation.cli import main
from tests.services.served import Served, serving, write_recipe

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("cli")) as running:
        yield running


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Types a command for somebody who has not logged in: exit code, standard output, standard error."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "160")
    for name in ("CURATION_URL", "CURATION_KEY", "CURATION_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def typed(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["curation", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return typed


@pytest.fixture
def logged_in(call: Call, served: Served) -> Call:
    assert call("login", served.url, "--key-file", str(served.folder / "first.key"))[0] == 0
    return call


def test_a_user_logs_in_submits_follows_and_asks_why(logged_in: Call, served: Served, tmp_path: Path) -> None:
    call = logged_in
    login = tmp_path / "config" / "curation" / "login.json"
    assert stat.S_IMODE(login.stat().st_mode) == 0o600
    recipe = str(write_recipe(served.folder))

    code, out, _ = call("submit", recipe, "--dry-run")
    assert (code, "1 files" in out) == (0, True)
    code, out, err = call("submit", recipe, "--label", "team=a", "--follow")
    assert code == 0, err
    assert "published version 1 of small: 29 of 30 documents kept" in out
    assert "filter" in err
    assert "SUCCEEDED" in err
    code, out, _ = call("submit", recipe, "--follow", "--set", "seed=0")
    assert (code, "nothing new; version 1 of small" in out) == (0, True)

    _, out, _ = call("jobs", "--json", "--label", "team=a")
    (job,) = json.loads(out)
    _, out, _ = call("jobs", job["id"])
    assert "Attempts" in out
    assert "SUCCEEDED" in call("jobs", "--state", "succeeded")[1]
    assert "29 of 30 documents were kept" in call("jobs", job["id"], "--report")[1]
    _, out, _ = call("logs", job["id"], "--json", "--follow")
    assert [line["sequence"] for line in map(json.loads, out.splitlines())]
    assert call("follow", job["id"])[0] == 0

    assert "small" in call("corpora")[1]
    assert "29" in call("corpora", "small", "--versions")[1]
    assert "exact_dedup" in call("corpora", "small", "--funnel")[1]
    assert "29 of 30 documents kept" in call("corpora", "small", "--report")[1]
    assert "small-" in call("corpora", "small", "--samples", "exact_dedup.duplicate")[1]
    dropped = json.loads(call("corpora", "small", "--samples", "exact_dedup.duplicate", "--json")[1])
    code, out, _ = call("corpora", "small", "--explain", dropped["samples"][0]["id"])
    assert (code, "dropped by exact_dedup.duplicate" in out) == (0, True)
    assert json.loads(call("corpora", "small", "--manifest")[1])["documents"] == 29

    assert call("logout")[0] == 0
    assert not login.exists()


def test_a_held_job_ends_with_8_until_it_is_approved(logged_in: Call, served: Served) -> None:
    code, out, _ = logged_in("submit", str(write_recipe(served.folder, "held")), "--hold", "-f", "--json")
    job = json.loads(out[out.index("{") :])
    assert (code, job["state"]) == (8, "HELD")
    assert "would be kept" in logged_in("jobs", job["id"], "--report")[1]
    assert logged_in("approve", job["id"])[0] == 0
    assert logged_in("follow", job["id"])[0] == 0
    code, _, err = logged_in("approve", job["id"])
    assert (code, "SUCCEEDED" in err) == (5, True)
    assert logged_in("forget", job["id"])[0] == 0
    assert logged_in("jobs", job["id"])[0] == 4


def test_recipes_and_schedules_are_kept(logged_in: Call, served: Served) -> None:
    path = str(write_recipe(served.folder, "kept"))
    assert "revision 1" in logged_in("recipes", "push", "kept", path, "--note", "first")[1]
    assert "revision 2" in logged_in("recipes", "push", "kept", path, "--set", "seed=7")[1]
    assert "seed" in logged_in("recipes", "diff", "kept")[1]
    assert "seed: 7" in logged_in("recipes", "show", "kept")[1]
    assert logged_in("recipes", "push", "kept", path, "--if-revision", "1")[0] == 5
    assert "kept" in logged_in("recipes", "list")[1]
    made = ("schedule", "create", "nightly", "kept", "30 2 * * *", "--timezone", "Europe/London")
    assert "02:30" in logged_in(*made, "--dry-run")[1]
    assert "is made" in logged_in(*made)[1]
    assert logged_in(*made)[0] == 5
    assert "nightly" in logged_in("schedule", "list")[1]
    span = ("--from", "2026-01-01", "--to", "2026-01-03")
    assert "would be run" in logged_in("schedule", "backfill", "nightly", *span, "--dry-run")[1]
    for verb in ("pause", "resume", "preview", "show", "delete"):
        assert logged_in("schedule", verb, "nightly")[0] == 0
    assert logged_in("schedule", "show", "nightly")[0] == 4
    assert logged_in("recipes", "delete", "kept")[0] == 0


def test_a_narrow_key_may_less_and_a_revoked_one_nothing(
    logged_in: Call, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = json.loads(logged_in("keys", "create", "reader", "--role", "viewer", "--json")[1])
    assert "reader" in logged_in("keys", "list")[1]
    assert "default" in logged_in("projects", "list")[1]
    assert logged_in("webhooks", "list")[0] == 0
    monkeypatch.setenv("CURATION_URL", served.url)
    monkeypatch.setenv("CURATION_KEY", made["secret"])
    assert logged_in("jobs")[0] == 0
    code, _, err = logged_in("submit", "kept")
    assert (code, "editor" in err) == (2, True)
    monkeypatch.delenv("CURATION_URL")
    monkeypatch.delenv("CURATION_KEY")
    assert logged_in("keys", "revoke", made["key"]["id"])[0] == 0
    monkeypatch.setenv("CURATION_KEY", made["secret"])
    assert logged_in("jobs")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["jobs", "job_nobody"], 4, "job_nobody"),
        (["submit", "nowhere.yaml"], 4, "nowhere.yaml: no such recipe"),
        (["submit", "broken.yaml"], 2, "the recipe is wrong"),
        (["submit", "wrong.yaml"], 2, "recipe.stages.0"),
        (["submit", "unknown-recipe"], 2, "unknown-recipe"),
        (["submit", "unknown-recipe", "--set", "seed=1"], 2, "--set: changes a file's recipe"),
        (["submit", "unknown-recipe", "--label", "x"], 2, "--label: found 'x'"),
        (["jobs", "--state", "asleep"], 2, "--states"),
        (["corpora", "nobody"], 4, "nobody"),
        (["corpora", "--funnel"], 2, "expected a corpus's name"),
        (["keys", "create", "x", "--role", "king"], 2, "expected one of viewer"),
        (["cancel", "../../x"], 4, "nothing at this address"),
    ],
)
def test_what_cannot_be_done_says_so(
    arguments: list[str], code: int, message: str, logged_in: Call, tmp_path: Path
) -> None:
    (tmp_path / "broken.yaml").write_text("name: [")
    stages = '[{kind: "exact\\e[31m"}]'
    (tmp_path / "wrong.yaml").write_text(f"{{name: w, output: o, sources: [{{name: a, uri: u}}], stages: {stages}}}")
    found, _, err = logged_in(*arguments)
    assert found == code, err
    assert message in err
    assert "\x1b" not in err
    assert "Traceback" not in err


def test_nobody_is_logged_in(call: Call) -> None:
    for command in (["jobs"], ["submit", "x"], ["corpora"], ["recipes", "list"]):
        code, _, err = call(*command)
        assert (code, "nobody is logged in: `curation login URL`" in err) == (2, True)
    assert "Nobody was logged in" in call("logout")[1]


def test_a_wrong_login_is_not_remembered(call: Call, served: Served, tmp_path: Path) -> None:
    key = tmp_path / "wrong.key"
    key.write_text("cur_0123\n")
    for url, code, message in (
        (served.url, 2, "expected"),
        ("http://example.com", 2, "in clear"),
        ("nonsense", 2, "expected https"),
    ):
        found, _, err = call("login", url, "--key-file", str(key))
        assert (found, message in err) == (code, True), err
        assert "cur_0123" not in err
    assert not (tmp_path / "config").exists()


def test_a_key_is_not_sent_to_another_service_than_it_was_given_for(
    logged_in: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATION_URL", "http://127.0.0.1:9")
    code, _, err = logged_in("jobs")
    assert (code, "nobody is logged in" in err) == (2, True)
