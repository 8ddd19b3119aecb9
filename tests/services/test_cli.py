"""The service's commands, as people type them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

from curation.cli import main
from curation.errors import Problem
from services.cli import schedules
from services.client import ProblemError
from services.schedules.schedule import Misfire, Overlap
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
    assert "published version 1 of small: 29 of 30 documents are kept" in out
    assert "filter" in err
    assert "RUNNING" in err
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
    code, _, err = call("corpora", "what-if", "small", "--set", "stages.exact_dedup.scope=source")
    assert (code, "compares documents with each other" in err) == (2, True)
    assert "expected --set, --sweep or --curve" in call("corpora", "what-if", "small")[2]

    assert call("logout")[0] == 0
    assert not login.exists()


def test_why_a_job_failed_is_said_once(logged_in: Call, served: Served) -> None:
    recipe = write_recipe(served.folder, "gone")
    (served.folder / "gone-in" / "a.jsonl").unlink()
    code, out, err = logged_in("submit", str(recipe), "--follow")
    assert (code, (out + err).count("matches"), (out + err).count("FAILED")) == (8, 1, 1), out + err


def test_a_held_job_ends_with_9_until_it_is_approved(logged_in: Call, served: Served) -> None:
    code, out, _ = logged_in("submit", str(write_recipe(served.folder, "held")), "--hold", "-f", "--json")
    job = json.loads(out[out.index("{") :])
    assert (code, job["state"]) == (9, "HELD")
    code, out, _ = logged_in("follow", job["id"])
    assert (code, f"{job['id']} is held: to be published: " in " ".join(out.split())) == (9, True), out
    assert "would be kept" in logged_in("jobs", job["id"], "--report")[1]
    assert logged_in("approve", job["id"])[0] == 0
    assert logged_in("follow", job["id"])[0] == 0
    code, _, err = logged_in("approve", job["id"])
    assert (code, "SUCCEEDED" in err) == (5, True)
    assert logged_in("forget", job["id"])[0] == 0
    assert logged_in("jobs", job["id"])[0] == 4


def test_versions_are_compared_tagged_held_restored_and_vacuumed(logged_in: Call, served: Served) -> None:
    call = logged_in
    recipe = str(write_recipe(served.folder, "twice"))
    assert call("submit", recipe, "--refresh", "--follow")[0] == 0
    code, out, _ = call("submit", recipe, "--refresh", "--follow", "--json")
    job = json.loads(out[out.index("{") :])
    assert (code, job["mode"], job["published"]) == (0, "refresh", False)
    assert "looked at 1 files" in call("jobs", job["id"])[1]
    assert job["id"] in call("jobs", "--mode", "refresh", "--json")[1]
    assert "0 new, 0 changed, 0 vanished, 1 known files" in call("submit", recipe, "--refresh", "--dry-run")[1]
    code, _, err = call("submit", recipe, "--redo")
    assert (code, "redo" in err) == (2, True)
    write_recipe(served.folder, "twice", documents=31)
    assert call("submit", recipe, "--follow")[0] == 0

    assert "production is version 1" in call("corpora", "tag", "twice", "1", "production")[1]
    assert "production is version 2, before it 1" in call("corpora", "tag", "twice", "newest", "production")[1]
    assert "production" in call("corpora", "tags", "twice")[1]
    assert json.loads(call("corpora", "twice", "--version", "production", "--json")[1])["version"] == 2
    assert call("corpora", "twice", "--change", "--version", "1")[0] == 0
    difference = json.loads(call("corpora", "diff", "twice", "1", "production", "--json")[1])
    assert (difference["a"]["version"], difference["b"]["version"]) == (1, 2)
    assert call("corpora", "diff", "twice")[0] == 0
    assert "kept" in call("corpora", "history", "twice", "twice-0")[1]
    assert call("corpora", "tag", "twice", "--delete", "production")[0] == 0
    assert call("corpora", "tag", "twice", "1")[0] == 2
    assert "is held: case 17" in call("corpora", "hold", "twice", "1", "--reason", "case 17")[1]
    assert "case 17" in call("corpora", "holds", "twice")[1]
    assert call("corpora", "hold", "twice", "1")[0] == 2
    assert "is released" in call("corpora", "hold", "twice", "1", "--release")[1]
    assert "Version 3 is version 1 again" in call("corpora", "restore", "twice", "1")[1]
    assert "would go" in call("corpora", "vacuum", "twice", "--keep", "1")[1]
    assert "No tags." in call("corpora", "tags", "twice")[1]
    assert "Nothing was ever taken down." in call("corpora", "certificates", "twice")[1]

    assert call("corpora", "takedown", "twice")[0] == 2
    wanted = served.folder / "ids.txt"
    wanted.write_text("s\ttwice-1\n")
    _, out, _ = call("corpora", "takedown", "twice", "--ids", str(wanted), "--reason", "case 17", "--json")
    assert call("follow", json.loads(out)["id"])[0] == 0
    assert "1 documents are taken down" in call("jobs", json.loads(out)["id"])[1]
    (certificate,) = json.loads(call("corpora", "certificates", "twice", "--json")[1])
    assert certificate["asked"]["reason"] == "case 17"
    assert call("corpora", "certificates", "twice", "1")[0] == 0
    assert "takedown" in call("corpora", "history", "twice", "twice-1")[1]
    code, _, err = call("corpora", "restore", "twice", "2")
    assert (code, "taken down" in err) == (5, True)


def test_recipes_and_schedules_are_kept(logged_in: Call, served: Served) -> None:
    path = str(write_recipe(served.folder, "kept"))
    assert "revision 1" in logged_in("recipes", "push", "kept", path, "--note", "first")[1]
    assert "revision 2" in logged_in("recipes", "push", "kept", path, "--set", "seed=7")[1]
    assert "seed" in logged_in("recipes", "diff", "kept")[1]
    assert "seed: 7" in logged_in("recipes", "show", "kept")[1]
    assert "first" in logged_in("recipes", "revisions", "kept")[1]
    assert "can be run" in logged_in("recipes", "validate", path)[1]
    code, _, err = logged_in("recipes", "validate", path, "--set", "seed=-1")
    assert (code, "seed" in err) == (2, True)
    assert logged_in("recipes", "push", "kept", path, "--if-revision", "1")[0] == 5
    assert "kept" in logged_in("recipes", "list")[1]
    made = ("schedule", "create", "nightly", "kept", "30 2 * * *", "--timezone", "Europe/London")
    assert "02:30" in logged_in(*made, "--dry-run")[1]
    assert "is made" in logged_in(*made)[1]
    assert logged_in(*made)[0] == 5
    assert "refresh" in logged_in("schedule", "list")[1]
    assert logged_in("schedule", "update", "nightly", "--mode", "run")[0] == 0
    assert "run" in logged_in("schedule", "show", "nightly")[1]
    span = ("--from", "2026-01-01", "--to", "2026-01-03")
    assert "would be run" in logged_in("schedule", "backfill", "nightly", *span, "--dry-run")[1]
    code, _, err = logged_in("recipes", "delete", "kept")
    assert (code, "used by the schedule nightly" in err) == (5, True)
    for verb in ("pause", "resume", "preview", "show", "delete"):
        assert logged_in("schedule", verb, "nightly")[0] == 0
    assert logged_in("schedule", "show", "nightly")[0] == 4
    assert logged_in("recipes", "delete", "kept")[0] == 0


def test_a_schedule_is_changed_field_by_field_and_triggered(logged_in: Call, served: Served) -> None:
    call = logged_in
    assert call("recipes", "push", "weekly", str(write_recipe(served.folder, "weekly")))[0] == 0
    assert call("schedule", "create", "weekly", "weekly", "0 4 * * 1", "--pause-after-failures", "3")[0] == 0
    changes = ("--cron", "0 5 * * 1", "--timezone", "Europe/London", "--overlap", "skip", "--misfire", "run_all")
    more = ("--max-catch-up", "5", "--catch-up-window", "60", "--start", "2026-03-01T14:00+01:00", "--hold")
    rest = ("--label", "team=a", "--priority", "7", "--skip-date", "2026-12-28", "--clear", "pause-after-failures")
    assert call("schedule", "update", "weekly", *changes, *more, *rest)[0] == 0
    found = json.loads(call("schedule", "show", "weekly", "--json")[1])["schedule"]
    expected = {
        "cron": "0 5 * * 1",
        "timezone": "Europe/London",
        "overlap": "skip",
        "misfire": "run_all",
        "max_catch_up": 5,
        "catch_up_window_s": 60,
        "start": "2026-03-01T13:00:00Z",
        "hold": True,
        "labels": {"team": "a"},
        "priority": 7,
        "skip_dates": ["2026-12-28"],
        "pause_after_failures": None,
    }
    assert {name: found[name] for name in expected} == expected
    code, _, err = call("schedule", "update", "weekly")
    assert (code, "nothing to change" in err) == (2, True)
    assert call("schedule", "update", "weekly", "--no-hold", "--if-revision", "1")[0] == 5

    code, out, _ = call("schedule", "trigger", "weekly")
    assert (code, "Watch it: curation follow job_" in out) == (0, True)
    job_id = out.split()[-1]
    assert call("follow", job_id)[0] == 9
    assert call("discard", job_id)[0] == 0
    assert call("schedule", "delete", "weekly")[0] == 0


def test_a_backfill_shows_the_schedules_clock(logged_in: Call, served: Served) -> None:
    assert logged_in("recipes", "push", "far", str(write_recipe(served.folder, "far")))[0] == 0
    created = logged_in("schedule", "create", "far", "far", "30 2 * * *", "--timezone", "Asia/Tokyo")
    assert created[0] == 0
    span = ("--from", "2026-01-01", "--to", "2026-01-01T23:00Z", "--dry-run")
    (line,) = [row for row in logged_in("schedule", "backfill", "far", *span)[1].splitlines() if "yes" in row]
    assert line.split()[:4] == ["2026-01-01", "17:30:00Z", "2026-01-02", "02:30:00+09:00"]
    plan = json.loads(logged_in("schedule", "backfill", "far", *span[:-1], "--json")[1])
    code, out, _ = logged_in("schedule", "cancel-backfill", "far", plan["id"])
    assert (code, f"{plan['id']} is cancelled" in out) == (0, True)
    assert logged_in("schedule", "delete", "far")[0] == 0


@pytest.mark.parametrize(
    ("slug", "status", "code"),
    [
        ("input", 422, 3),
        ("invalid", 422, 2),
        ("storage", 422, 4),
        ("model", 422, 6),
        ("unauthorized", 401, 4),
        ("forbidden", 403, 4),
        ("not-found", 404, 4),
        ("unavailable", 503, 4),
        ("already-exists", 409, 5),
        ("illegal-state", 409, 5),
        ("precondition-failed", 412, 5),
        ("internal", 500, 1),
    ],
)
def test_the_exit_code_is_that_of_the_problems_type(slug: str, status: int, code: int) -> None:
    assert ProblemError(status, type=f"urn:curation:problem:{slug}").exit_code == code


@pytest.mark.parametrize(
    ("detail", "problems", "said"),
    [
        ("cron: no", [Problem("cron", "no")], "cron: no"),
        ("it is wrong", [Problem("cron", "no")], "it is wrong:\n  cron: no"),
        ("a: x; b: y", [Problem("a", "x"), Problem("b", "y")], "Wrong:\n  a: x\n  b: y"),
        ("", [], "Wrong"),
    ],
)
def test_a_problem_is_said_once(detail: str, problems: list[Problem], said: str) -> None:
    assert str(ProblemError(422, title="Wrong", detail=detail, problems=tuple(problems))) == said


def test_the_policies_offered_are_those_that_there_are() -> None:
    assert set(get_args(schedules.Overlap)) == set(Overlap)
    assert set(get_args(schedules.Misfire)) == set(Misfire)


def test_a_webhook_is_called_by_its_name(logged_in: Call) -> None:
    code, out, err = logged_in(
        *("webhooks", "create", "hook", "https://1.1.1.1/", "--event", "schedule.paused", "--json")
    )
    assert code == 0, err
    made = json.loads(out)
    assert "is paused" in logged_in("webhooks", "pause", "hook")[1]
    assert "goes on" in logged_in("webhooks", "resume", made["id"])[1]
    rotated = json.loads(logged_in("webhooks", "rotate", "hook", "--json")[1])
    assert rotated["secret"] != made["secret"]
    assert "0 are sent again" in logged_in("webhooks", "replay", "hook")[1]
    assert "No deliveries" in logged_in("webhooks", "deliveries", "hook", "--state", "dead")[1]
    assert logged_in("webhooks", "delete", "hook")[0] == 0
    code, _, err = logged_in("webhooks", "ping", "hook")
    assert (code, "there is no webhook 'hook'" in err) == (4, True)


def test_an_operator_sees_what_runs_and_who_did_what(logged_in: Call, served: Served) -> None:
    _, out, _ = logged_in("status")
    assert "sqlite" in out
    assert "runner" in out
    assert logged_in("keys", "create", "audited")[0] == 0
    (row,) = json.loads(logged_in("audit", "--json", "--action", "create_key", "--limit", "1")[1])
    assert (row["action"], row["target"]) == ("create_key", "/v1/keys")
    assert "create_key" in logged_in("audit", "--since", "2026-01-01")[1]
    assert logged_in("projects", "update", "default", "--root", str(served.folder))[0] == 0
    assert str(served.folder) in logged_in("projects", "list")[1]
    assert logged_in("projects", "update", "nobody", "--root", "x")[0] == 4


def test_a_corpus_is_forgotten_and_added_again(logged_in: Call, served: Served) -> None:
    assert logged_in("submit", str(write_recipe(served.folder, "moved")), "-f")[0] == 0
    assert logged_in("corpora", "forget", "moved")[0] == 0
    assert "moved" not in logged_in("corpora", "--json")[1]
    assert "elsewhere is known" in logged_in("corpora", "add", "corpora/moved", "--name", "elsewhere")[1]
    assert "29" in logged_in("corpora", "elsewhere", "--versions")[1]
    assert logged_in("corpora", "show", "elsewhere")[0] == 0


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
    assert (code, "editor" in err) == (4, True)
    monkeypatch.delenv("CURATION_URL")
    monkeypatch.delenv("CURATION_KEY")
    assert logged_in("keys", "revoke", made["key"]["id"])[0] == 0
    monkeypatch.setenv("CURATION_KEY", made["secret"])
    assert logged_in("jobs")[0] == 4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["jobs", "job_nobody"], 4, "job_nobody"),
        (["submit", "nowhere.yaml"], 4, "nowhere.yaml: no such recipe"),
        (["submit", "broken.yaml"], 2, "the recipe is wrong:\n  broken.yaml: not YAML"),
        (["submit", "folder.yaml"], 2, "folder.yaml: Is a directory"),
        (["submit", "wrong.yaml"], 2, "recipe.stages.0"),
        (["submit", "unknown-recipe"], 2, "unknown-recipe"),
        (["submit", "unknown-recipe", "--set", "seed=1"], 2, "--set: changes a file's recipe"),
        (["submit", "unknown-recipe", "--label", "x"], 2, "--label: found 'x'"),
        (["jobs", "--state", "asleep"], 2, "the command is wrong:\n  --state: found 'ASLEEP'"),
        (["jobs", "--after", "2026-03-01T14:00"], 2, "without its offset from UTC"),
        (["jobs", "--after", "noon"], 2, "expected 2026-03-01 or 2026-03-01T14:00Z"),
        (
            ["schedule", "create", "x", "y", "@daily"],
            2,
            "expected five fields such as '0 0 * * *'; macros are not taken",
        ),
        (["schedule", "create", "x y", "y", "0 4 * * *"], 2, "NAME: found 'x y'"),
        (["schedule", "create", "x", "y", "0 4 * * *", "--overlap", "never"], 2, "queue_one"),
        (["corpora", "nobody"], 4, "nobody"),
        (["corpora", "--funnel"], 2, "expected a corpus's name"),
        (["keys", "create", "x", "--role", "king"], 2, "viewer"),
        (["cancel", "../../x"], 4, "nothing at this address"),
    ],
)
def test_what_cannot_be_done_says_so(
    arguments: list[str], code: int, message: str, logged_in: Call, tmp_path: Path
) -> None:
    (tmp_path / "broken.yaml").write_text("name: [")
    (tmp_path / "folder.yaml").mkdir()
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
        (served.url, 4, "key"),
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
