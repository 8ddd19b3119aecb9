"""The pages of corpora: their versions, what holds these, and what one of them holds."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from html import unescape

import httpx2
import pytest

from curation import decision
from curation.change import Change
from curation.corpus import Corpus
from services.dashboard.routes.corpora import PAGE, VERSIONS
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.site import Site, finish
from tests.services.dashboard.test_entrance import csrf_of, logged_in
from tests.texts import essay, write_jsonl

WEB = "/ui/corpora/web"
SHELF = "/ui/corpora/shelf"


@pytest.fixture(scope="module")
def client(web: Site) -> Iterator[httpx2.Client]:
    with logged_in(web, "viewer") as client:
        yield client


@pytest.fixture(scope="module")
def shelf(web: Site) -> str:
    """A corpus with two versions, to be changed."""
    recipe = {
        "name": "shelf",
        "output": "corpora/shelf",
        "sources": [{"name": "shelf", "uri": "raw/shelf/*.jsonl"}],
        "stages": [{"kind": "exact_dedup"}],
    }
    with web.client() as api:
        api.recipes.put("shelf", recipe)
        for night in range(2):
            rows = [{"id": f"{night}-{n}", "text": essay(9000 + 10 * night + n)} for n in range(5)]
            write_jsonl(web.served.folder / f"raw/shelf/{night}.jsonl", rows)
            finish(api, {"recipe_name": "shelf", "mode": "refresh" if night else "run"})
    return "shelf"


def exported(client: httpx2.Client, path: str, table: str, **asked: str) -> list[dict[str, object]]:
    answer = client.get(httpx2.URL(path).copy_merge_params({**asked, "table": table, "export": "json"}))
    assert answer.status_code == 200, answer.text[:500]
    rows: list[dict[str, object]] = answer.json()
    return rows


def further(page: str) -> str:
    """Where the next page of its list is."""
    found = re.search(r'class="more" href="([^"]*)"', page)
    assert found is not None
    return unescape(found[1])


def test_every_corpus_is_listed(web: Site, client: httpx2.Client) -> None:
    (row,) = [row for row in exported(client, "/ui/corpora", "corpora") if row["corpus"] == "web"]
    with web.client() as api:
        newest = api.corpora.get("web").newest
    assert newest is not None
    assert (row["version"], row["documents"], row["tokens"]) == (newest.version, newest.documents, newest.tokens)


def test_the_list_has_pages(web: Site, shelf: str, client: httpx2.Client) -> None:
    folder = web.served.folder / "corpora"
    names = [f"copy-{n:02d}" for n in range(PAGE)]
    with web.client() as api:
        for name in names:
            shutil.copytree(folder / shelf, folder / name)
            api.corpora.register(str(folder / name))
        every = [entry.name for entry in api.corpora.list()]
        first = exported(client, "/ui/corpora", "corpora")
        rest = exported(client, further(client.get("/ui/corpora").text), "corpora")
        assert [row["corpus"] for row in first + rest] == every
        assert len(first) == PAGE
        for name in names:
            api.corpora.forget(name)


def test_versions_are_those_of_the_api(web: Site, client: httpx2.Client) -> None:
    with web.client() as api:
        versions = list(api.corpora.versions("web"))
    rows = exported(client, WEB, "versions")
    assert [(row["version"], row["documents"], row["bytes"], row["tokens"]) for row in rows] == [
        (one.version, one.documents, one.bytes, one.tokens) for one in versions
    ]


def test_what_a_version_holds_is_what_the_api_says(web: Site, client: httpx2.Client) -> None:
    with web.client() as api:
        statistics = api.corpora.statistics("web")
        of = api.corpora.version("web")
    for name, groups in (("sources", statistics.sources), ("languages", statistics.languages)):
        *rows, total = exported(client, WEB, name, every=name)
        assert {(row["name"], row["documents"], row["documents_read"], row["tokens"]) for row in rows} == {
            (one.name or "unknown", one.documents, one.documents_read, one.tokens) for one in groups
        }
        assert (total["documents"], total["bytes"]) == (statistics.total.documents, statistics.total.bytes)
    shown = client.get(WEB).text
    assert of.digest in shown
    assert of.fingerprint in shown


def test_lengths_and_values_are_those_of_the_api(web: Site, client: httpx2.Client) -> None:
    with web.client() as api:
        lengths = api.corpora.statistics("web").lengths
        score = api.corpora.histogram("web", "language.score")
    values = f"{WEB}/values"
    *bins, _ = exported(client, values, "lengths")
    assert [(row["kept"], row["dropped"]) for row in bins] == list(zip(lengths.kept, lengths.dropped, strict=True))
    *bins, total = exported(client, values, "values", column="language.score")
    assert [(row["kept"], row["dropped"]) for row in bins] == list(zip(score.kept, score.dropped, strict=True))
    assert (total["kept"], total["dropped"]) == (sum(score.kept), sum(score.dropped))
    *bins, _ = exported(client, values, "values", column="gopher_quality.words")
    assert [row["bin"] for row in bins][:5] == ["0", "1", "2 to 3", "4 to 7", "8 to 15"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (f"{WEB}?version=99", 404, "has no version 99"),
        (f"{WEB}?version=nobody", 404, "no tag"),
        (f"{WEB}?after=x", 400, "page token"),
        (f"{WEB}?unit=words", 422, ""),
        ("/ui/corpora/nothing", 404, "knows no corpus"),
        ("/ui/corpora/no%2Fthing", 404, ""),
        (f"{WEB}/values?column=no.number", 404, "has no number"),
    ],
)
def test_what_is_not_there_is_said(client: httpx2.Client, path: str, status: int, said: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert said in answer.text


def test_values_come_into_the_page(visitor: Visitor) -> None:
    visitor.log_in("viewer")
    page = visitor.go(WEB)
    page.wait_for_selector("#values figure canvas")
    page.select_option("#values select", "gopher_quality.words")
    page.click("#values button")
    page.wait_for_url("**column=gopher_quality.words#values")
    page.wait_for_selector("#values figure:nth-of-type(2) canvas")
    assert page.locator("#values figcaption").all_inner_texts() == [
        "Length of the texts in bytes",
        "gopher_quality.words",
    ]


def test_without_scripts_it_is_all_there(plain: Visitor) -> None:
    plain.log_in("viewer")
    page = plain.go(WEB)
    assert page.locator("figure.dots circle").count() == 4
    page.locator("#versions tbody a", has_text=re.compile("^1$")).click()
    page.wait_for_url("**version=1")
    page.click("#values a")
    page.wait_for_url("**/values?version=1")
    assert page.locator("#lengths tbody tr").count() > 5


def test_a_viewer_sees_no_buttons(web: Site, client: httpx2.Client) -> None:
    assert '<form method="post"' not in client.get(WEB).text
    token = csrf_of(client.get(WEB).text)
    for path, form in (
        ("tags", {"tag": "mine", "version": "1"}),
        ("tags/mine/delete", {"version": "1"}),
        ("restore", {"version": "1"}),
        ("holds", {"version": "1", "reason": "x"}),
        ("holds/1/release", {}),
    ):
        assert client.post(f"{WEB}/{path}", data={**form, "csrf": token}).status_code == 403, path
    with logged_in(web, "operator") as operator:
        shown = operator.get(WEB).text
    assert f"{WEB}/tags" in shown
    assert f"{WEB}/holds" not in shown


def test_a_tag_is_put_moved_and_removed(visitor: Visitor, web: Site, shelf: str) -> None:
    visitor.log_in("operator")
    page = visitor.go(f"{SHELF}?version=1")
    page.fill("input[name=tag]", "production")
    page.get_by_role("button", name="Tag", exact=True).click()
    page.wait_for_selector("text=Version 1 has the tag production now.")
    assert page.locator(".facts", has_text="production").count() == 1
    assert page.locator("circle.tagged").count() == 1
    visitor.go(f"{SHELF}?version=2")
    page.fill("input[name=tag]", "production")
    page.get_by_role("button", name="Tag", exact=True).click()
    page.wait_for_selector("text=Version 2 has the tag production now.")
    visitor.go(f"{SHELF}?version=production")
    assert page.locator("dt:has-text('Version') + dd").first.inner_text().startswith("2")
    page.get_by_role("button", name="Remove tag production").click()
    page.wait_for_selector("text=The tag production is gone")
    with closing(web.client()) as api:
        assert list(api.upkeep.tags(shelf)) == []


def test_a_tag_that_has_moved_meanwhile_stays(web: Site, shelf: str) -> None:
    with web.client() as api, logged_in(web, "operator") as client:
        api.upkeep.put_tag(shelf, "stable", 1)
        shown = client.get(f"{SHELF}?version=2").text
        api.upkeep.put_tag(shelf, "stable", 2)
        seen = re.search(r'name="seen" value="([^"]*)"', shown)
        assert seen is not None
        form = {"tag": "stable", "version": "1", "seen": seen[1], "csrf": csrf_of(shown)}
        answer = client.post(f"{SHELF}/tags", data=form)
        assert answer.status_code == 409
        assert "is on version 2 now" in answer.text
        assert api.upkeep.tag(shelf, "stable").version == 2
        api.upkeep.delete_tag(shelf, "stable")


@pytest.mark.parametrize(
    ("path", "form", "status", "said"),
    [
        ("tags", {"tag": "7", "version": "1"}, 422, ""),
        ("tags", {"tag": "no such", "version": "1"}, 422, ""),
        ("tags", {"tag": "x", "version": "one"}, 422, "expected the number of a version"),
        ("tags", {"tag": "x", "version": "99"}, 404, "version 99"),
        ("holds", {"version": "1", "reason": ""}, 422, ""),
        ("restore", {"version": "99"}, 404, "version 99"),
        ("tags/nothing/delete", {"version": "1"}, 404, "no tag"),
    ],
)
def test_what_cannot_be_done_is_said(
    web: Site, shelf: str, path: str, form: dict[str, str], status: int, said: str
) -> None:
    with logged_in(web) as client:
        token = csrf_of(client.get(SHELF).text)
        answer = client.post(f"{SHELF}/{path}", data={**form, "csrf": token})
    assert answer.status_code == status, answer.text
    assert 'role="alert"' in answer.text
    assert said in answer.text


def test_a_version_is_held_released_and_restored(visitor: Visitor, web: Site, shelf: str) -> None:
    visitor.log_in()
    page = visitor.go(f"{SHELF}?version=1")
    page.on("dialog", lambda dialog: dialog.accept())
    page.fill("input[name=reason]", "case 7")
    page.get_by_role("button", name="Hold").click()
    page.wait_for_selector("text=Version 1 is under a legal hold.")
    assert page.locator("#versions td", has_text="case 7").count() == 1
    page.get_by_role("button", name="End the legal hold").click()
    page.wait_for_selector("text=The legal hold of version 1 is ended")
    page.get_by_role("button", name="Restore as newest").click()
    page.wait_for_selector("text=is what version 1 was.")
    with web.client() as api:
        newest = api.corpora.version(shelf)
        assert (newest.kind, newest.restored, newest.documents) == ("restore", 1, 5)
        assert list(api.upkeep.holds(shelf)) == []
    assert page.locator("text=which brought back version 1").count() == 1


def test_everybody_can_use_an_older_version(visitor: Visitor, shelf: str, axe: str) -> None:
    visitor.log_in()
    visitor.look(f"/ui/corpora/{shelf}?version=1", axe)


def test_many_versions_have_pages(web: Site, shelf: str, client: httpx2.Client) -> None:
    opened = Corpus(str(web.served.folder / "corpora" / shelf))
    manifest, report = opened.manifest(), opened.report()
    for number in range(manifest.version + 1, VERSIONS + 2):
        again = {"version": number, "parent": number - 1, "run": f"again-{number}"}
        opened.publish(manifest.model_copy(update=again), report, Change(base=number - 1), decision.SCHEMA)
    first = exported(client, SHELF, "versions")
    rest = exported(client, further(client.get(SHELF).text), "versions")
    assert [row["version"] for row in first + rest] == list(range(VERSIONS + 1, 0, -1))
    assert len(first) == VERSIONS
