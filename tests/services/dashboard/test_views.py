"""Every page: it loads for every role, on every screen, without scripts; whatever the documents hold; for everybody."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from html.parser import HTMLParser

import httpx2
import pytest
from fastapi.routing import APIRoute

from services.dashboard.routes import ROUTERS
from services.dashboard.text import visible
from services.schedules.schedule import NewSchedule
from tests.conftest import REPOSITORY
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.hostile import HOSTILE
from tests.services.dashboard.site import Site
from tests.services.dashboard.test_entrance import logged_in

VIEWS: dict[str, str] = {
    "login": "/ui/login",
    "overview": "/ui/",
    "jobs": "/ui/jobs",
    "job": "/ui/jobs/{job}",
    "history": "/ui/jobs/{job}/history",
    "report": "/ui/jobs/{job}/report",
    "job samples": "/ui/jobs/{job}/samples?reason={reason}",
    "corpora": "/ui/corpora",
    "versions": "/ui/corpora/web",
    "values": "/ui/corpora/web/values?column=gopher_quality.words",
    "funnel": "/ui/corpora/web/funnel",
    "funnel in tokens": "/ui/corpora/web/funnel?unit=tokens",
    "samples": "/ui/corpora/web/funnel/{reason}?version=1",
    "samples of copies": "/ui/corpora/web/funnel/minhash_dedup.duplicate",
    "mixture": "/ui/corpora/web/mixture",
    "diff": "/ui/corpora/web/diff",
    "duplicates": "/ui/corpora/web/duplicates",
    "cluster": "/ui/corpora/web/duplicates/cluster?id=crawl-0&source=crawl",
    "explain": "/ui/corpora/web/explain?id=crawl-0",
    "explain nothing": "/ui/corpora/web/explain",
    "explain history": "/ui/corpora/web/explain/history?id=crawl-0",
    "what-if": "/ui/corpora/web/what-if",
    "what-if of a threshold": "/ui/corpora/web/what-if?of=stages.gopher_quality.min_words",
    "contamination": "/ui/corpora/web/contamination",
    "privacy": "/ui/corpora/web/privacy",
    "recipes": "/ui/recipes",
    "recipe": "/ui/recipes/web",
    "new recipe": "/ui/new/recipe",
    "revisions": "/ui/recipes/web/revisions",
    "run": "/ui/recipes/web/run",
    "stages": "/ui/stages",
    "stage": "/ui/stages/gopher_quality",
    "schedules": "/ui/schedules",
    "schedule": "/ui/schedules/of-the-views",
    "edit schedule": "/ui/schedules/of-the-views/edit",
    "backfill": "/ui/schedules/of-the-views/backfill",
    "new schedule": "/ui/new/schedule",
}
"""A page of each kind."""
OF_EDITORS = frozenset({"new recipe", "run"})
OF_OPERATORS = frozenset({"new schedule", "edit schedule", "backfill"})
"""Pages that are for those alone who may do what they are for."""
LEFT_OUT = {
    "/ui/{path:path}": "the page that says there is none",
    "/ui/at-work": "a part of the overview",
    "/ui/jobs/{job_id}/events": "a stream",
    "/ui/jobs/{job_id}/log": "a part of a job's page",
}
"""Routes that answer with no page of their own, and why."""
TEMPLATES = REPOSITORY / "services" / "dashboard" / "templates"
ELEMENTS = {tag for path in TEMPLATES.glob("*.html") for tag in re.findall(r"<([a-z][a-z0-9]*)", path.read_text())}
"""What our pages are made of; nothing else can have come from a document."""


class Elements(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.strange: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        acts = [name for name in values if name.startswith(("on", "hx-on")) or name == "style"]
        leads = [
            f"{name}={value}"
            for name, value in values.items()
            if name in {"href", "src", "action"} and _leads_out(value)
        ]
        is_inline = tag == "script" and "src" not in values
        if tag not in ELEMENTS or acts or leads or is_inline:
            self.strange.append(f"<{tag} {attrs}>"[:300])


def _leads_out(value: str | None) -> bool:
    return re.match(r"/ui(/|$)|\?|#|$", value or "") is None


@pytest.fixture(scope="module")
def views(web: Site) -> dict[str, str]:
    """The pages' addresses, by their names."""
    with web.client() as client:
        client.schedules.create(NewSchedule(name="of-the-views", recipe_name="web", cron="0 3 * * *", timezone="UTC"))
        client.schedules.pause("of-the-views")
        job = [job for job in client.jobs.list() if job.state == "SUCCEEDED" and job.recipe_name == "web"][-1]
        reasons = [one.reason for one in client.corpora.reasons("web", 1).reasons]
    reason = next(one for one in reasons if one.startswith("gopher_quality."))
    return {name: address.format(job=job.id, reason=reason) for name, address in VIEWS.items()}


def test_every_page_is_among_the_views() -> None:
    patterns = {
        route.path: route.path_regex
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    }
    paths = [address.partition("?")[0] for address in VIEWS.values()]
    missing = [path for path, regex in patterns.items() if path not in LEFT_OUT and not any(map(regex.match, paths))]
    assert missing == []


@pytest.mark.parametrize("role", ["viewer", "editor", "operator", "admin"])
def test_every_page_loads_for_every_role(web: Site, views: dict[str, str], role: str) -> None:
    refused: Mapping[str, frozenset[str]] = {"viewer": OF_EDITORS | OF_OPERATORS, "editor": OF_OPERATORS}
    with logged_in(web, role) as client:
        for name, address in views.items():
            answer = client.get(address)
            assert answer.status_code == (403 if name in refused.get(role, ()) else 200), (address, answer.text[:2000])
            assert Elements(answer.text).strange == [], address


@pytest.mark.parametrize("name", VIEWS)
def test_a_page_is_for_everybody(visitor: Visitor, axe: str, views: dict[str, str], name: str) -> None:
    visitor.log_in()
    visitor.look(views[name], axe)


def test_pages_need_no_scripts(plain: Visitor, views: dict[str, str]) -> None:
    page = plain.log_in()
    for address in views.values():
        plain.go(address)
        assert page.locator("h1").count() == 1
        for closed in page.locator("figure details:not([open])").all():
            pytest.fail(f"{address}: {closed.inner_text()} hides its numbers")


def test_every_table_is_exported(web: Site, views: dict[str, str]) -> None:
    with logged_in(web) as client:
        for address in views.values():
            for link in set(re.findall(r'href="(/ui/[^"]*export=(?:csv|json)[^"]*)"', client.get(address).text)):
                answer = client.get(link.replace("&amp;", "&"))
                assert answer.status_code == 200, link
                assert answer.headers["content-type"].startswith(("text/csv", "application/json"))
                assert "attachment" in answer.headers["content-disposition"]
                if "export=json" in link:
                    assert isinstance(answer.json(), list)
                else:
                    assert not re.search(r"(?:^|,|\n)\"?[=@]", answer.text), link


@pytest.mark.parametrize("start", range(0, len(HOSTILE), 30))
def test_a_hostile_document_is_shown_and_does_nothing(web: Site, start: int) -> None:
    with logged_in(web) as client:
        for n in range(start, min(start + 30, len(HOSTILE))):
            answer = client.get("/ui/corpora/web/explain", params={"id": f"hostile-{n}"})
            assert answer.status_code == 200
            assert Elements(answer.text).strange == []
            assert "<" not in HOSTILE[n] or HOSTILE[n] not in answer.text


def test_what_is_shown_hides_nothing() -> None:
    for text in HOSTILE:
        shown = str(visible(text))
        parts = re.split(r'<span class="hidden-character">U\+([0-9A-F]{4,6})</span>', shown)
        assert not re.search("[<>]", "".join(parts[::2]))
        told = "".join(chr(int(part, 16)) if n % 2 else html.unescape(part) for n, part in enumerate(parts))
        assert told == text
        plain = "".join(parts[::2])
        assert not [one for one in plain if unicodedata.category(one) in {"Cc", "Cf", "Zl", "Zp"} and one not in "\n\t"]


def test_the_api_and_the_pages_are_apart(web: Site) -> None:
    answer = httpx2.get(f"{web.url}/", follow_redirects=False)
    assert answer.headers["location"] == "/ui/"
    document = httpx2.get(f"{web.url}/openapi.json").json()
    assert not [path for path in document["paths"] if path.startswith("/ui")]
