"""The page that explains: what it says of a document is the API's, and a text is judged as a run judges it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx2
import pytest

from services.dashboard.routes.trial import MAX_CHARACTERS
from services.insights.models import Decision
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.hostile import HOSTILE
from tests.services.dashboard.site import RECIPE, Site, finish
from tests.services.dashboard.test_entrance import csrf_of, logged_in
from tests.texts import edited, essay

PAGE = "/ui/corpora/web/explain"


def try_text(site: Site, text: str, corpus: str = "web", **fields: str) -> httpx2.Response:
    with logged_in(site, "viewer") as client:
        address = f"/ui/corpora/{corpus}/explain"
        token = csrf_of(client.get(address).text)
        return client.post(address, data={"csrf": token, "text": text, "source": "crawl", **fields})


def checks(site: Site, document_id: str) -> list[dict[str, object]]:
    with logged_in(site, "viewer") as client:
        rows: list[dict[str, object]] = client.get(f"{PAGE}?table=checks-0&export=json&id={quote(document_id)}").json()
        return rows


def explained(site: Site, document_id: str) -> Decision:
    """The API's answer."""
    with site.client() as client:
        (decision,) = client.corpora.explain("web", document_id).decisions
        return decision


def test_every_value_of_a_decision_is_there(web: Site) -> None:
    rows = checks(web, "near-6")
    decision = explained(web, "near-6")
    shown = {(row["stage"], row["value"]): row["measured"] for row in rows}
    for stage, values in decision.values.items():
        for name, value in values.items():
            if name != "spans" and value != 0:
                assert shown[stage, name.replace("_", " ")] == value
    assert list(dict.fromkeys(row["stage"] for row in rows)) == [
        *("language", "gopher_quality", "pii", "tokens", "exact_dedup", "minhash_dedup")
    ]
    bounds = {row["bound"] for row in rows if row["value"] == "words"}
    assert bounds == {"< 50", "> 100000"}
    assert "drops" not in {row["verdict"] for row in rows}


def test_a_dropped_document_says_where_it_stopped(web: Site) -> None:
    decision = explained(web, "short-3")
    rows = checks(web, "short-3")
    (drop,) = [row for row in rows if row["verdict"] == "drops"]
    assert (drop["stage"], drop["reason"], drop["measured"]) == (decision.stage, decision.reason, decision.value)
    assert {row["stage"] for row in rows if row["verdict"] == "not reached"} == {
        *("gopher_quality", "pii", "tokens", "exact_dedup", "minhash_dedup")
    }


def test_somebody_explains_a_copy(visitor: Visitor, axe: str) -> None:
    visitor.log_in("viewer")
    page = visitor.go(PAGE)
    page.fill("input[name=id]", "crawl-6")
    page.click("text=Explain >> nth=-1")
    page.wait_for_selector("#moments")
    assert page.locator("h2 .state").inner_text() == "dropped"
    assert "similarity 0.9" in page.inner_text("main")
    assert page.locator("#moments tbody tr").count() == 1
    assert "None of these versions keeps it." in page.inner_text("#holding")
    page.evaluate(axe)
    assert [one["id"] for one in page.evaluate("axe.run()")["violations"] if one["impact"] != "minor"] == []
    page.click(".told-of a >> text=near-6")
    page.wait_for_selector("#beside .document")
    assert page.inner_text("h1") == "Copies of near-6"


def test_the_history_is_the_api_s(web: Site) -> None:
    with logged_in(web, "viewer") as client, web.client() as api:
        rows = client.get(f"{PAGE}/history?id=near-6&table=holding&export=json").json()
        (moment,) = api.corpora.history("web", "near-6").moments
        newest = api.corpora.get("web").newest
        assert newest is not None
        assert [(row["version"], row["until"]) for row in rows] == [(moment.version, newest.version)]
        assert client.get(f"{PAGE}/history?id=nobody").status_code == 404


def test_a_kept_text_is_found_again(web: Site) -> None:
    page = try_text(web, essay(20, 24)).text
    assert "A copy is kept already: of it and <code>crawl-20</code> one would be dropped" in page
    rows = try_text(web, edited(essay(20, 24), 1, 2), export="nearest.json").json()
    assert rows[0]["id"] == "crawl-20"
    assert 0.7 < rows[0]["similarity"] < 1
    assert not rows[0]["equal"]


def test_a_text_is_judged_by_every_stage(web: Site) -> None:
    answer = try_text(web, "Only a few words here, and they are not enough for anybody.\r\nWrite to a@example.org.")
    assert answer.status_code == 200
    assert "<strong>gopher_quality</strong> would drop it" in answer.text
    assert "rewritten by pii" in answer.text
    rows = list(csv.DictReader(io.StringIO(try_text(web, "Too short.", export="checks.csv").text)))
    assert {row["stage"] for row in rows} == {"language", "gopher_quality", "pii", "tokens"}
    assert "gopher_quality.short_doc" in {row["reason"] for row in rows if row["verdict"] == "drops"}


def test_nothing_of_a_text_is_kept(web: Site) -> None:
    secret = "xylophone-in-the-attic-4711"
    assert secret in try_text(web, f"{essay(900, 24)} {secret}").text
    assert try_text(web, secret * (MAX_CHARACTERS // len(secret) + 1)).status_code == 422
    for path in Path(web.served.folder).rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_a_form_without_its_token_does_nothing(web: Site) -> None:
    with logged_in(web, "viewer") as client:
        assert client.post(PAGE, data={"text": "x"}).status_code == 403


@pytest.mark.parametrize("text", ["", " \n"])
def test_no_text_is_refused(web: Site, text: str) -> None:
    answer = try_text(web, text)
    assert answer.status_code == 422
    assert "Found no text" in answer.text


def test_hostile_texts_are_shown_and_do_nothing(visitor: Visitor) -> None:
    visitor.log_in("viewer")
    page = visitor.go(PAGE)
    for text in (HOSTILE[0], HOSTILE[1], "</textarea><script>window.attacked=1</script>", "{{ 7 * 191 }}", "\u202eab"):
        page.fill("#text", text)
        page.click("text=Try it")
        page.wait_for_selector("#tried")
        assert page.input_value("#text") == text


def test_hostile_documents_are_explained(visitor: Visitor) -> None:
    visitor.log_in("viewer")
    for n in range(0, len(HOSTILE), 15):
        page = visitor.go(f"{PAGE}?id=hostile-{n}")
        assert page.locator(".told-of").count() == 1


def test_it_works_without_scripts(plain: Visitor) -> None:
    page = plain.log_in("viewer")
    plain.go(f"{PAGE}?id=near-6")
    page.click("text=From version to version")
    assert page.locator("#moments tbody tr").count() == 1
    plain.go(PAGE)
    page.fill("#text", essay(20, 24))
    page.click("text=Try it")
    assert page.locator("#nearest tbody tr").count() >= 1
    with page.expect_download() as download:
        page.click("text=JSON >> nth=-1")
    assert json.loads(Path(download.value.path()).read_text())


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"id": "nobody"}, 404, "knows no document"),
        ({"id": "near-6", "source": "mail"}, 404, "in source"),
        ({"version": "77"}, 404, "has no version 77"),
        ({"version": "no tag"}, 422, "version"),
    ],
)
def test_what_is_not_there_says_so(web: Site, query: dict[str, str], status: int, said: str) -> None:
    with logged_in(web, "viewer") as client:
        answer = client.get(f"{PAGE}?{urlencode(query)}")
    assert answer.status_code == status
    assert said in answer.text


def test_a_recipe_without_deduplication_has_no_nearest(web: Site) -> None:
    filtered = {
        **RECIPE,
        "name": "filtered",
        "output": "corpora/filtered",
        "stages": RECIPE["stages"][:2],
        "mixture": None,
    }
    with web.client() as client:
        client.recipes.put("filtered", filtered)
        finish(client, {"recipe_name": "filtered"})
    page = try_text(web, essay(20, 24), "filtered").text
    assert "the nearest one cannot be told" in page
    with logged_in(web, "viewer") as client:
        assert "no stage that looks for copies" in client.get("/ui/corpora/filtered/duplicates").text
