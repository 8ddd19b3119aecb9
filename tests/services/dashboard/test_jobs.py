"""The list of jobs, and the page of one: what it shows, how it follows its job, and what is done from it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Dialog, Page, expect

from services.client import Client
from services.jobs.job import Job, Submission
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.site import Site
from tests.services.dashboard.test_entrance import csrf_of, logged_in
from tests.texts import essay, write_jsonl

STAGES: list[dict[str, Any]] = [{"kind": "gopher_quality"}, {"kind": "exact_dedup"}]
CRAWL = "raw/crawl/0.jsonl"
SOON_MS = 60_000


def recipe(name: str, uri: str = CRAWL) -> dict[str, Any]:
    """A recipe whose corpus nobody else has."""
    sources = [{"name": "crawl", "uri": uri}]
    return {"name": name, "output": f"corpora/{name}", "sources": sources, "stages": STAGES}


def ended(client: Client, name: str, uri: str = CRAWL, **changes: Any) -> Job:
    """A job of its own that has ended, or is held."""
    job = client.jobs.submit(Submission(recipe=recipe(name, uri), **changes))
    return client.jobs.wait(job.id)


@pytest.fixture
def client(web: Site) -> Iterator[Client]:
    """An admin."""
    with web.client() as found:
        yield found


@pytest.fixture(scope="module")
def failed(web: Site) -> Job:
    """A job whose input is not there."""
    with web.client() as found:
        return ended(found, "broken", "raw/nothing/*.jsonl", labels={"team": "search"})


@pytest.fixture(scope="module")
def done(web: Site) -> Job:
    """A job that has published."""
    with web.client() as found:
        return ended(found, "finished", labels={"team": "search", "night": "1"})


def act(http: httpx2.Client, job_id: str, action: str) -> httpx2.Response:
    """What a button of the page sends."""
    token = csrf_of(http.get(f"/ui/jobs/{job_id}").text)
    return http.post(f"/ui/jobs/{job_id}/{action}", data={"csrf": token}, follow_redirects=True)


def press(page: Page, label: str) -> None:
    """Press a button."""
    page.get_by_role("button", name=label, exact=True).click()


def listed(http: httpx2.Client, query: str) -> list[dict[str, str]]:
    """The list's rows, as they are exported."""
    answer = http.get(f"/ui/jobs?{query}&table=jobs&export=csv")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


# ----------------------------------------------------------------------------- list


def test_every_filter_of_the_list_holds(web: Site, failed: Job, done: Job) -> None:
    with logged_in(web) as http:
        assert {row["id"] for row in listed(http, "label=team%3Dsearch&label=")} == {failed.id, done.id}
        assert [row["id"] for row in listed(http, "label=team%3Dsearch&label=night%3D1")] == [done.id]
        assert [row["id"] for row in listed(http, "label=team%3Dsearch&state=FAILED")] == [failed.id]
        assert [row["id"] for row in listed(http, "corpus=finished&recipe=finished&mode=run")] == [done.id]
        day = done.created.date().isoformat()
        assert [row["id"] for row in listed(http, f"corpus=finished&since={day}&until={day}")] == [done.id]
        assert listed(http, "corpus=finished&until=2020-01-01") == []
        assert listed(http, "corpus=finished&since=2100-01-01") == []
        page = http.get("/ui/jobs?label=team%3Dsearch").text
    assert "night=1, team=search" in page
    assert page.count("<tr>") == 1 + 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("state=LOST", "state: Input should be"),
        ("since=yesterday", "since: found &#39;yesterday&#39;, expected a day"),
        ("until=0001-01-01", "expected a day from 1970"),
        ("label=team", "expected key=value"),
        ("after=x", "page token"),
    ],
)
def test_a_wrong_filter_is_said(web: Site, query: str, said: str) -> None:
    with logged_in(web) as http:
        answer = http.get(f"/ui/jobs?{query}")
    assert answer.status_code in {400, 422}
    assert said in answer.text


# ------------------------------------------------------------------------------ job


def test_a_job_shows_what_the_api_says(web: Site, done: Job) -> None:
    with logged_in(web, "viewer") as http:
        page = http.get(f"/ui/jobs/{done.id}").text
        exported = http.get(f"/ui/jobs/{done.id}?table=steps&export=json").json()
    assert done.message in page
    assert f'href="/ui/corpora/finished/funnel?version={done.version}"' in page
    assert f'href="/ui/corpora/finished/diff?to={done.version}"' in page
    assert "data-events" not in page
    *steps, total = exported
    assert [(row["step"], row["shards_done"], row["documents"] or 0) for row in steps] == [
        (step.step, step.shards_done, step.documents) for step in done.progress
    ]
    assert total["took_s"] == pytest.approx(sum(row["took_s"] for row in steps))
    assert page.count("<rect") == len(steps)


def test_what_is_not_there_says_so(web: Site, done: Job) -> None:
    with logged_in(web) as http:
        unknown = http.get("/ui/jobs/job_none")
        assert (unknown.status_code, "there is no job" in unknown.text) == (404, True)
        assert http.get("/ui/jobs/JOB").status_code == 422
        assert act(http, done.id, "explode").status_code == 404
        no_report = http.get(f"/ui/jobs/{done.id}/samples?reason=none")
        assert (no_report.status_code, "dropped nothing for the reason" in no_report.text) == (404, True)


def test_the_log_is_filtered_and_goes_back(web: Site, failed: Job, client: Client) -> None:
    lines = list(client.jobs.logs(failed.id))
    address = f"/ui/jobs/{failed.id}"
    with logged_in(web, "viewer") as http:

        def shown(query: str) -> list[str]:
            return [row["message"] for row in http.get(f"{address}?table=log&export=json&{query}").json()]

        assert shown("") == [line.message for line in lines]
        assert shown("level=ERROR") == [line.message for line in lines if line.level == "ERROR"] != []
        assert shown(f"before={lines[-1].sequence}") == [line.message for line in lines[:-1]]
        assert "The newest lines" in http.get(f"{address}?before=2").text
        part = http.get(f"{address}/log?after={lines[-2].sequence}").text
        assert http.get(f"{address}?level=LOUD").status_code == 422
    assert (lines[-1].message.split()[0] in part, lines[0].message in part) == (True, False)
    assert "hx-get" not in part  # nothing follows the end of a job


def test_everything_that_happened_is_told(web: Site, done: Job, client: Client) -> None:
    events = list(client.jobs.events(done.id))
    with logged_in(web, "viewer") as http:
        rows = http.get(f"/ui/jobs/{done.id}/history?table=events&export=json").json()
        before = http.get(f"/ui/jobs/{done.id}/history?before=3&table=events&export=json").json()
    assert [row["sequence"] for row in rows] == [event.sequence for event in reversed(events)]
    assert [row["sequence"] for row in before] == [2, 1]
    assert rows[-1]["said"].endswith("asked to submit it")
    assert rows[0]["said"] == f"SUCCEEDED: {done.message}"


def test_events_are_for_who_is_logged_in(web: Site, done: Job) -> None:
    path = f"/ui/jobs/{done.id}/events"
    assert httpx2.get(web.url + path).status_code == 303
    with logged_in(web, "viewer") as http:
        told = http.get(path, headers={"Last-Event-ID": "0"})
        assert told.headers["content-type"].startswith("text/event-stream")
        assert "SUCCEEDED" in told.text
        last = re.findall(r"^id: (\d+)", told.text, re.MULTILINE)[-1]
        assert http.get(f"{path}?after={last}").status_code == 204


# --------------------------------------------------------------------------- rights


def buttons(http: httpx2.Client, job_id: str) -> list[str]:
    """The actions that the page offers."""
    return re.findall(rf'action="/ui/jobs/{job_id}/([a-z]+)"', http.get(f"/ui/jobs/{job_id}").text)


def test_buttons_are_those_that_the_state_and_the_role_allow(web: Site, failed: Job, client: Client) -> None:
    held = ended(client, "undecided", hold=True)
    offered = {
        "viewer": ([], []),
        "editor": ([], ["retry", "again"]),
        "operator": (["approve", "discard"], ["retry", "again", "delete"]),
    }
    for role, (for_held, for_failed) in offered.items():
        with logged_in(web, role) as http:
            assert (buttons(http, held.id), buttons(http, failed.id)) == (for_held, for_failed)
    with logged_in(web, "viewer") as http:
        assert act(http, held.id, "approve").status_code == 403
    assert client.jobs.get(held.id).state == "HELD"


def test_a_job_that_moved_on_meanwhile_says_so(web: Site, client: Client) -> None:
    held = ended(client, "twice", hold=True)
    with logged_in(web) as http:
        assert "The job is discarded" in act(http, held.id, "discard").text
        late = act(http, held.id, "approve")
        assert (late.status_code, "Not done: the job is CANCELLED" in late.text) == (200, True)
        gone = act(http, held.id, "delete")
        assert (gone.url.path, "The job is deleted" in gone.text) == ("/ui/jobs", True)
        assert http.get(f"/ui/jobs/{held.id}").status_code == 404


# ----------------------------------------------------------------------------- held


def test_a_held_job_shows_what_it_would_publish(web: Site, client: Client) -> None:
    held = ended(client, "shown", hold=True)
    report = client.jobs.report(held.id)
    with logged_in(web) as http:
        page = http.get(f"/ui/jobs/{held.id}/report").text
        funnel = http.get(f"/ui/jobs/{held.id}/report?table=funnel&export=json").json()
        *reasons, total = http.get(f"/ui/jobs/{held.id}/report?table=reasons&export=json").json()
        samples = http.get(f"/ui/jobs/{held.id}/samples?reason={report.reasons[0].reason}&table=samples&export=json")
        texts = http.get(f"/ui/jobs/{held.id}/samples?reason={report.reasons[0].reason}").text
    assert [(row["stage"], row["documents_out"]) for row in funnel] == [
        (step.stage, step.documents_out) for step in report.steps
    ]
    assert [(row["reason"], row["documents"]) for row in reasons] == [
        (reason.reason, reason.documents) for reason in report.reasons
    ]
    assert report.documents_read == report.kept.documents + total["documents"]
    assert "Approve and publish" in page
    found = client.jobs.samples(held.id, report.reasons[0].reason, limit=50)
    assert [row["id"] for row in samples.json()] == [sample.id for sample in found.samples]
    assert texts.count('<pre class="document"') == len(found.samples)


def test_a_held_job_is_approved_in_the_browser(visitor: Visitor, client: Client) -> None:
    held = ended(client, "approved", hold=True)
    visitor.log_in("operator")
    page = visitor.go(f"/ui/jobs/{held.id}")
    expect(page.locator("#report")).to_contain_text("Documents from stage to stage")
    press(page, "Approve and publish")
    expect(page.locator(".notice").first).to_contain_text("goes on to publish")
    expect(page.locator(".job-standing")).to_contain_text("SUCCEEDED", timeout=SOON_MS)
    expect(page.locator("main")).to_contain_text("Funnel of version 1")
    assert client.jobs.get(held.id).version == 1


def test_discarding_is_asked_first(visitor: Visitor, client: Client) -> None:
    held = ended(client, "discarded", hold=True)
    visitor.log_in()
    page = visitor.go(f"/ui/jobs/{held.id}")
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", refuse)
    press(page, "Discard")
    assert asked == ["Discard what this job has made? Nothing of it is published."]
    assert client.jobs.get(held.id).state == "HELD"
    page.once("dialog", lambda dialog: dialog.accept())
    press(page, "Discard")
    expect(page.locator(".job-standing")).to_contain_text("CANCELLED")


def test_without_scripts_a_job_is_decided_too(plain: Visitor, client: Client) -> None:
    held = ended(client, "plain", hold=True)
    plain.log_in()
    page = plain.go(f"/ui/jobs/{held.id}")
    page.click("text=What it would publish")
    expect(page.locator("#funnel table")).to_be_visible()
    press(page, "Approve and publish")
    assert page.url.endswith(f"/ui/jobs/{held.id}")
    assert client.jobs.wait(held.id).state == "SUCCEEDED"
    plain.go(f"/ui/jobs/{held.id}")
    assert "Published" in page.inner_text("#log")


# ----------------------------------------------------------------------------- live


def write_much(web: Site, files: int) -> str:
    """Input that takes a few seconds to read."""
    texts = [essay(n, 60) for n in range(100)]
    for file in range(files):
        rows = [{"id": f"{file}-{n}", "text": f"{file} {text}"} for n, text in enumerate(texts)]
        write_jsonl(web.served.folder / f"raw/much/{file}.jsonl", rows)
    return "raw/much/*.jsonl"


def follow(page: Page) -> None:
    """Take note of every place of the bar, until another page is loaded."""
    page.evaluate("""() => {
        window.places = new Set();
        document.addEventListener("htmx:afterSettle", () => {
            const bar = document.querySelector(".job-now progress");
            if (bar) window.places.add(bar.getAttribute("aria-label") + bar.value);
        });
    }""")


def test_a_job_is_followed_to_its_end_without_loading_the_page_again(visitor: Visitor, client: Client) -> None:
    uri = write_much(visitor.site, 60)
    job = client.jobs.submit(Submission(recipe=recipe("followed", uri)))
    client.jobs.pause(job.id)
    visitor.log_in("editor")
    page = visitor.go(f"/ui/jobs/{job.id}")
    expect(page.locator(".job-standing")).to_contain_text("PAUSED", timeout=SOON_MS)
    press(page, "Resume")
    expect(page.locator(".notice").first).to_contain_text("in the queue again")
    follow(page)
    expect(page.locator(".job-standing")).to_contain_text("SUCCEEDED", timeout=SOON_MS)
    assert page.evaluate("window.places.size") >= 2
    assert page.locator("#steps tbody tr").count() == len(client.jobs.get(job.id).progress)
    expect(page.locator("#log")).to_contain_text("Published:", timeout=SOON_MS)
    expect(page.locator("#log .next")).to_have_count(0, timeout=SOON_MS)
    assert page.locator("[data-events]").count() == 0
    assert page.evaluate("Boolean(window.places)"), "the page was loaded again"


def test_a_job_is_cancelled_in_the_browser(visitor: Visitor, client: Client) -> None:
    job = client.jobs.submit(Submission(recipe=recipe("cancelled", write_much(visitor.site, 60))))
    visitor.log_in("editor")
    page = visitor.go(f"/ui/jobs/{job.id}")
    press(page, "Cancel")
    expect(page.locator(".job-standing")).to_contain_text("CANCELLED", timeout=SOON_MS)
    expect(page.locator("text=Retry from its records")).to_be_visible()


def test_a_page_that_nobody_looks_at_holds_no_connection(visitor: Visitor, client: Client) -> None:
    held = ended(client, "hidden", hold=True)
    visitor.log_in()
    with visitor.page.expect_response("**/events?after=*"):
        page = visitor.go(f"/ui/jobs/{held.id}")
    assert page.evaluate("source.readyState !== EventSource.CLOSED")
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert page.evaluate("source.readyState === EventSource.CLOSED")
    client.jobs.discard(held.id)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".job-standing")).to_contain_text("CANCELLED")


# ---------------------------------------------------------------------------- looks


def test_everybody_can_use_the_pages_of_a_held_job(visitor: Visitor, client: Client, axe: str) -> None:
    held = ended(client, "looked-at", hold=True)
    visitor.log_in()
    for path in (f"/ui/jobs/{held.id}", f"/ui/jobs/{held.id}/report"):
        visitor.look(path, axe)
