"""What somebody looks at in the morning."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx2
from playwright.sync_api import expect

from services.identity.principal import Permission, Role
from services.jobs.job import Submission
from services.schedules.schedule import NewSchedule
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.site import Site, finish
from tests.services.dashboard.test_entrance import logged_in
from tests.services.dashboard.test_jobs import SOON_MS, ended, recipe, write_much

WAIT_S = 60.0


def rows(http: httpx2.Client, table: str, address: str = "/ui/") -> list[dict[str, Any]]:
    """A table's rows, as they are exported."""
    found: list[dict[str, Any]] = http.get(f"{address}?table={table}&export=json").json()
    return found


def test_what_waits_and_what_failed_comes_first(web: Site) -> None:
    with web.client() as client:
        held = ended(client, "morning-held", hold=True)
        failed = ended(client, "morning-failed", "raw/nowhere/*.jsonl")
    with logged_in(web, "viewer") as http:
        waiting = {row["id"]: row for row in rows(http, "held")}
        broken = {row["id"]: row for row in rows(http, "failed")}
        page = http.get("/ui/").text
    assert waiting[held.id]["message"] == held.message
    assert broken[failed.id]["message"] == failed.message
    assert held.id not in broken
    places = [page.index(f'id="{name}"') for name in ("held", "failed", "going", "corpora", "next", "runs")]
    assert places == sorted(places)


def test_corpora_say_how_fresh_they_are(web: Site) -> None:
    with web.client() as client, logged_in(web, "viewer") as http:

        def dawn() -> dict[str, Any]:
            return next(row for row in rows(http, "corpora") if row["corpus"] == "dawn")

        client.recipes.put("dawn", recipe("dawn"))
        published = finish(client, {"recipe_name": "dawn"})
        assert (dawn()["version"], dawn()["documents"]) == (published.version, published.documents_kept)
        assert dawn()["standing"] is None
        client.schedules.create(NewSchedule(name="dawn", recipe_name="dawn", cron="0 3 * * *", timezone="UTC"))
        assert dawn()["standing"] == "NEW"
        assert [row["recipe"] for row in rows(http, "next") if row["schedule"] == "dawn"] == ["dawn"]
        client.schedules.trigger("dawn")
        until = time.monotonic() + WAIT_S
        while dawn()["standing"] != "FRESH":
            assert time.monotonic() < until, dawn()
            time.sleep(0.2)
        assert dawn()["why"].startswith("nothing is new since version")


def test_what_is_at_work_comes_and_goes_while_it_is_looked_at(visitor: Visitor) -> None:
    page = visitor.log_in("viewer")
    with visitor.site.client() as client:
        job = client.jobs.submit(Submission(recipe=recipe("at-work")))
        client.jobs.pause(job.id)
        line = page.locator(f"#going .job-line:has(a[href='/ui/jobs/{job.id}'])")
        expect(line).to_be_visible(timeout=SOON_MS)
        expect(line).to_contain_text("PAUSED", timeout=SOON_MS)
        client.jobs.resume(job.id)
        expect(line).to_have_count(0, timeout=SOON_MS)
        assert client.jobs.get(job.id).state == "SUCCEEDED"


def test_what_is_at_work_has_a_bar(web: Site) -> None:
    with web.client() as client, logged_in(web, "viewer") as http:
        job = client.jobs.submit(Submission(recipe=recipe("bars", write_much(web, 60))))
        bars: set[str] = set()
        while not client.jobs.get(job.id).finished:
            shown = http.get("/ui/at-work").text.partition(f'href="/ui/jobs/{job.id}"')[2].partition("</div>")[0]
            bars |= set(re.findall(r'<progress value="\d+" max="\d+" aria-label="Tasks of \w+">', shown))
    assert bars


def test_a_key_sees_what_its_scopes_allow(web: Site) -> None:
    with web.client() as client:
        secret = client.keys.create("narrow", Role.VIEWER, scopes=[Permission.JOBS_READ]).secret
    with httpx2.Client(base_url=web.url) as http:
        http.post("/ui/login", data={"key": secret})
        page = http.get("/ui/").text
    assert "This key may not see corpora." in page
    assert "This key may not see schedules." in page
