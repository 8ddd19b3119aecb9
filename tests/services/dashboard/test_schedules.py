"""Schedules in the dashboard: made, changed, triggered, the past run again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from playwright.sync_api import expect

from services.client import Client
from services.schedules.schedule import NewSchedule, Schedule
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.site import Site
from tests.services.dashboard.test_entrance import csrf_of, logged_in

SMALL = {
    "name": "scheduled",
    "output": "corpora/scheduled",
    "sources": [{"name": "mail", "uri": "raw/mail/*.jsonl"}],
    "stages": [{"kind": "exact_dedup"}],
}
FIELDS = {
    "name": "made",
    "recipe_name": "scheduled",
    "mode": "refresh",
    "cron": "30 2 * * 1",
    "timezone": "Asia/Tokyo",
    "overlap": "skip",
    "misfire": "skip",
}


@pytest.fixture
def api(web: Site) -> Iterator[Client]:
    """An admin, and the recipe that these schedules run."""
    with web.client() as client:
        client.recipes.put("scheduled", SMALL)
        yield client


@pytest.fixture
def schedule(api: Client, request: pytest.FixtureRequest) -> Iterator[Schedule]:
    """One that is this test's own; the next time is far."""
    name = re.sub(r"[^a-z]+", "-", request.node.name.removeprefix("test_"))[:60].strip("-")
    made = api.schedules.create(
        NewSchedule(name=name, recipe_name="scheduled", cron="0 3 1 1 *", timezone="Europe/London")
    )
    yield made
    if any(one.id == made.id for one in api.schedules.list()):
        api.schedules.delete(made.id)


def send(client: httpx2.Client, page: str, **fields: str) -> httpx2.Response:
    """The form of a page."""
    return client.post(page, data={"csrf": csrf_of(client.get("/ui/schedules").text), **fields})


def test_a_schedule_is_made_with_its_times_shown_before(visitor: Visitor, api: Client) -> None:
    page = visitor.log_in("operator")
    visitor.go("/ui/schedules")
    page.click("text=New schedule")
    expect(page.locator("#times tbody tr")).to_have_count(20)
    page.fill("[name=name]", "of-the-browser")
    page.fill("[name=recipe_name]", "scheduled")
    page.fill("[name=timezone]", "Asia/Tokyo")
    page.fill("[name=cron]", "30 2 *")
    expect(page.locator("#times")).to_contain_text("expected five fields")
    page.fill("[name=cron]", "30 2 * * *")
    new = NewSchedule(name="x", recipe_name="scheduled", cron="30 2 * * *", timezone="Asia/Tokyo")
    expected = [f"{one.utc:%Y-%m-%d %H:%M} UTC" for one in api.schedules.preview_of(new)]
    expect(page.locator("#times tbody tr td:first-child")).to_have_text(expected)
    page.click("button:has-text('Save')")
    page.wait_for_url("**/ui/schedules/of-the-browser")
    made = api.schedules.get("of-the-browser")
    assert (made.cron, made.timezone, made.recipe_name) == ("30 2 * * *", "Asia/Tokyo", "scheduled")
    assert page.locator("#times tbody tr").count() == 20
    assert page.locator("#times tbody tr td:first-child").all_inner_texts() == expected
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("button:has-text('Delete')")
    page.wait_for_url("**/ui/schedules")
    assert all(one.id != made.id for one in api.schedules.list())


def test_a_schedule_is_triggered_and_its_job_is_found(visitor: Visitor, api: Client, schedule: Schedule) -> None:
    page = visitor.log_in("operator")
    visitor.go(f"/ui/schedules/{schedule.name}")
    page.click("button:has-text('Run it now')")
    expect(page.locator("[role=status]")).to_contain_text("It is run now")

    link = eventually(visitor, f"/ui/schedules/{schedule.name}", "#occurrences tbody a")
    job = api.jobs.wait(link.rpartition("/")[2])
    assert job.schedule_id == schedule.id
    visitor.go(f"/ui/schedules/{schedule.name}")
    expect(page.locator("#occurrences tbody tr").first).to_contain_text(job.state.value.lower())
    today = f"{job.created:%Y-%m-%d}"
    visitor.go("/ui/schedules")
    page.click(f".calendar a[href='?day={today}#day']")
    expect(page.locator("#day tbody tr", has_text=schedule.name)).to_contain_text(job.id)


def eventually(visitor: Visitor, address: str, selector: str) -> str:
    """Where the first of these links leads, once a page has one: the scheduler makes jobs a moment later."""
    for _ in range(100):
        found = visitor.go(address).locator(selector)
        if found.count():
            return str(found.first.get_attribute("href"))
        visitor.page.wait_for_timeout(100)
    raise AssertionError(f"{address} never had {selector}")


def test_the_past_is_run_after_a_dry_run(visitor: Visitor, api: Client) -> None:
    made = api.schedules.create(NewSchedule(name="past", recipe_name="scheduled", cron="0 4 * * *", timezone="UTC"))
    page = visitor.log_in("operator")
    visitor.go("/ui/schedules/past")
    page.click("text=Backfill")
    last = datetime.now(UTC) - timedelta(days=1)
    page.fill("[name=from]", f"{last - timedelta(days=2):%Y-%m-%dT00:00}")
    page.fill("[name=to]", f"{last:%Y-%m-%dT23:59}")
    page.click("button:has-text('Show what would be run')")
    expect(page.locator("#plan h2")).to_have_text("3 of 3 times would be run")
    assert list(api.schedules.occurrences(made.id)) == [], "a dry run runs nothing"
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("button:has-text('Run these 3')")
    expect(page.locator("[role=status]")).to_contain_text("3 times are run, 1 at once")
    found = list(api.schedules.occurrences(made.id))
    assert {one.kind for one in found} == {"backfill"}
    assert len(found) == 3
    assert all(one.run and one.occurrence.hour == 4 for one in found)
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("button:has-text('Cancel the backfill')")
    expect(page.locator("[role=status]")).to_contain_text("are left out")
    assert "WAITING" not in {one.state for one in api.schedules.occurrences(made.id)}
    for one in api.schedules.occurrences(made.id):
        if one.job_id:
            api.jobs.wait(one.job_id)
    api.schedules.delete(made.id)


def test_a_schedule_is_changed_unless_somebody_was_faster(web: Site, api: Client, schedule: Schedule) -> None:
    address = f"/ui/schedules/{schedule.name}/edit"
    changed = {
        **FIELDS,
        "name": schedule.name,
        "labels": "team=search",
        "skip_dates": "2026-12-25, 2027-01-01",
        "start": "2026-12-01T09:00",
        "hold": "on",
        "jitter_s": "60",
        "pause_after_failures": "3",
    }
    with logged_in(web, "operator") as client:
        assert 'value="0 3 1 1 *"' in client.get(address).text
        assert send(client, address, **changed, revision=str(schedule.revision)).status_code == 303
        made = api.schedules.get(schedule.id)
        assert (made.cron, made.overlap, made.hold, made.labels) == ("30 2 * * 1", "skip", True, {"team": "search"})
        assert made.start == datetime(2026, 12, 1, 0, 0, tzinfo=UTC), "nine o'clock in Tokyo"
        assert [str(day) for day in made.skip_dates] == ["2026-12-25", "2027-01-01"]
        form = client.get(address).text
        assert 'value="2026-12-01T09:00"' in form
        assert "2026-12-25 2027-01-01</textarea>" in form
        late = send(client, address, **FIELDS, revision=str(schedule.revision))
        assert late.status_code == 412
        assert "Somebody has changed or paused it meanwhile" in late.text
        cleared = {**FIELDS, "name": schedule.name, "start": "", "pause_after_failures": "", "skip_dates": ""}
        assert send(client, address, **cleared, revision=str(made.revision)).status_code == 303
    made = api.schedules.get(schedule.id)
    assert (made.start, made.pause_after_failures, made.skip_dates, made.hold) == (None, None, (), False)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("cron", "61 2 * * *", "61"),
        ("cron", "* * *", "expected five fields"),
        ("cron", "@daily", "expected five fields"),
        ("cron", "0 0 31 2 *", "bad day-of-month"),
        ("timezone", "Mars/Olympus", "expected an IANA time zone"),
        ("timezone", "../etc", "expected an IANA time zone"),
        ("name", "a b", "expected letters, digits"),
        ("recipe_name", "nothing", "there is no recipe"),
        ("jitter_s", "soon", "valid integer"),
        ("skip_dates", "tomorrow", "date"),
        ("labels", "Team!", "labels"),
        ("start", "never", "start"),
    ],
)
def test_what_is_wrong_is_said_kindly(web: Site, api: Client, field: str, value: str, said: str) -> None:
    with logged_in(web, "operator") as client:
        answer = send(client, "/ui/new/schedule", **{**FIELDS, field: value})
        assert answer.status_code == 422
        alert = answer.text.partition('role="alert"')[2].partition("</div>")[0]
        assert said in alert
        assert "String should" not in alert or field == "labels"
        assert value in answer.text, "what was written is still there"
    assert all(one.name != "made" for one in api.schedules.list())


def test_pause_and_resume(web: Site, api: Client, schedule: Schedule) -> None:
    address = f"/ui/schedules/{schedule.name}"
    with logged_in(web, "operator") as client:
        assert send(client, f"{address}/pause").headers["location"] == address
        assert api.schedules.get(schedule.id).paused is not None
        assert "Paused since" in client.get(address).text
        listed = client.get("/ui/schedules?table=schedules&export=json").json()
        (row,) = [row for row in listed if row["schedule"] == schedule.name]
        assert row["paused"].startswith("paused by key:")
        assert send(client, f"{address}/resume").status_code == 303
        assert api.schedules.get(schedule.id).paused is None
        assert send(client, f"{address}/delete", revision="1").status_code == 412, "it has changed since"


def test_a_backfill_of_a_wrong_time_says_so(web: Site, schedule: Schedule) -> None:
    address = f"/ui/schedules/{schedule.name}/backfill"
    with logged_in(web, "operator") as client:
        assert client.get(address).status_code == 200
        for query in (
            "from=2026-01-02T00:00&to=2026-01-01T00:00",
            "from=2026-01-01T00:00&to=2199-01-01T00:00",
            "from=a&to=b",
        ):
            answer = client.get(f"{address}?{query}")
            assert answer.status_code == 422
            assert 'role="alert"' in answer.text
        shown = client.get(f"{address}?from=2026-01-01T00:00&to=2026-01-01T23:00&table=plan&export=json").json()
        assert [(row["occurrence"], row["will_run"]) for row in shown] == [("2026-01-01T03:00:00+00:00", "is run")]


def test_the_calendar_counts_what_the_api_previews(web: Site, api: Client) -> None:
    made = api.schedules.create(
        NewSchedule(name="counted", recipe_name="scheduled", cron="15 */6 * * *", timezone="UTC")
    )
    with logged_in(web, "viewer") as client:
        days = {row["day"]: row for row in client.get("/ui/schedules?table=calendar&export=json").json()}
        times = [one.utc for one in api.schedules.preview(made.id)]
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        of_it = client.get(f"/ui/schedules?day={tomorrow}&table=day&export=json").json()
        mine = [row["occurrence"] for row in of_it if row["schedule"] == "counted"]
        assert mine == [one.isoformat() for one in times if one.date() == tomorrow]
        assert days[str(tomorrow)]["planned"] == len(of_it) >= 4
        monday = tomorrow - timedelta(days=1) - timedelta(days=14)
        assert next(iter(days)) == str(monday - timedelta(days=monday.weekday()))
        assert list(days)[-1] == "all"
        assert days["all"]["planned"] == sum(row["planned"] for day, row in days.items() if day != "all")
        assert client.get(f"/ui/schedules?day={tomorrow}&outcome=failed").text.count("Nothing on this day.") == 1
    api.schedules.delete(made.id)


def test_a_viewer_sees_no_buttons_and_may_do_nothing(web: Site, schedule: Schedule) -> None:
    address = f"/ui/schedules/{schedule.name}"
    with logged_in(web, "viewer") as client:
        for page in ("/ui/schedules", address):
            main = client.get(page).text.partition("<main")[2]
            assert "<button" not in main
            assert 'class="button' not in main
        for page in ("/ui/new/schedule", f"{address}/edit", f"{address}/backfill"):
            assert client.get(page).status_code == 403
        for what in ("pause", "resume", "trigger", "delete", "edit", "backfill", f"backfills/bkf_{'0' * 26}/cancel"):
            assert send(client, f"{address}/{what}", **FIELDS).status_code == 403
        assert send(client, "/ui/new/schedule", **FIELDS).status_code == 403


def test_what_is_not_there_says_so(web: Site) -> None:
    with logged_in(web) as client:
        assert client.get("/ui/schedules/nothing").status_code == 404
        assert client.get("/ui/schedules/nothing/edit").status_code == 404
        assert client.get("/ui/schedules/nothing/backfill").status_code == 404
        assert client.get("/ui/schedules?day=9999-12-31").status_code == 422
        assert client.get("/ui/schedules?day=today").status_code == 422
        assert send(client, "/ui/schedules/nothing/pause").status_code == 404


@pytest.mark.usefixtures("api")
def test_without_scripts_times_are_shown_by_a_button(plain: Visitor) -> None:
    page = plain.log_in("operator")
    plain.go("/ui/new/schedule?recipe=scheduled")
    page.click("button:has-text('Show its times')")
    assert page.locator("#times tbody tr").count() == 20
    assert page.locator("[name=name]").input_value() == "scheduled-nightly"


def test_everybody_can_use_a_day_and_a_backfill(visitor: Visitor, schedule: Schedule, axe: str) -> None:
    visitor.log_in("operator")
    backfill = f"{schedule.name}/backfill?from=2026-01-01T00:00&to=2026-01-02T00:00"
    for path in (f"/ui/schedules?day={datetime.now(UTC):%Y-%m-%d}", f"/ui/schedules/{backfill}"):
        visitor.look(path, axe)
