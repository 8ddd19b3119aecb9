"""Thresholds are turned, set together and saved; what is shown is what the API says."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from tests.quality.models import model_at
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.site import Site, finish
from tests.services.dashboard.test_entrance import csrf_of, logged_in
from tests.texts import essay, write_jsonl

PAGE = "/ui/corpora/turned/what-if"
WORDS, TOP = "stages.gopher_quality.min_words", "stages.quality_classifier.keep_top"
RECIPE: dict[str, Any] = {
    "name": "turned",
    "output": "corpora/turned",
    "sources": [{"name": "long", "uri": "raw/turned/long.jsonl"}, {"name": "short", "uri": "raw/turned/short.jsonl"}],
    "stages": [{"kind": "gopher_quality", "min_words": 60}, {"kind": "pii", "max_count": 5}, {"kind": "tokens"}],
}
RANKED: dict[str, Any] = {
    **RECIPE,
    "name": "ranked",
    "output": "corpora/ranked",
    "stages": [{"kind": "quality_classifier", "classifiers": [{"path": "m.bin", "view": "form"}], "keep_top": 0.5}],
}


@pytest.fixture(scope="module")
def turned(web: Site) -> Site:
    """A corpus `turned`, of texts of 12 to 300 words, and `ranked`, which keeps the better half of them."""
    folder = web.served.folder / "raw/turned"
    write_jsonl(folder / "long.jsonl", [{"id": f"long-{n}", "text": essay(n, 8 + n % 12)} for n in range(30)])
    write_jsonl(folder / "short.jsonl", [{"id": f"short-{n}", "text": essay(99 + n, 1 + n % 8)} for n in range(24)])
    model_at(web.served.folder / "m.bin")
    with web.client() as client:
        for recipe in (RECIPE, RANKED):
            client.recipes.put(recipe["name"], recipe)
            finish(client, {"recipe_name": recipe["name"]})
    return web


def asked(site: Site, what: str, corpus: str = "turned", **params: Any) -> Any:
    """The API's answer."""
    answer = httpx2.get(
        f"{site.url}/v1/corpora/{corpus}/versions/newest/{what}",
        params=params,
        headers={"Authorization": f"Bearer {site.keys['viewer']}"},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def figures(page: str) -> dict[str, str]:
    return dict(re.findall(r'data-figure="(\w+)">([^<]*)<', page))


def test_every_threshold_is_listed_and_can_be_turned(turned: Site) -> None:
    with logged_in(turned, "viewer") as client:
        page = client.get(PAGE).text
        known = asked(turned, "thresholds")["thresholds"]
        assert len(known) > 8
        for each in known:
            assert f'href="{PAGE}?of={each["path"]}"' in page
        assert client.get(PAGE, params={"of": WORDS}).status_code == 200
        listed = client.get(PAGE, params={"table": "thresholds-gopher_quality", "export": "json"}).json()
    assert [each["value"] for each in listed if each["option"] == "min_words"] == ["60"]


def test_the_figures_are_the_apis(turned: Site) -> None:
    setting = f"{WORDS}=40"
    with logged_in(turned, "viewer") as client:
        page = client.get(PAGE, params={"of": WORDS, "value": "40"}).text
        exported = {
            name: client.get(PAGE, params={"of": WORDS, "value": "40", "table": name, "export": "json"}).json()
            for name in ("curve", "kept", "sources", "rules")
        }
    said, curve = asked(turned, "what-if", set=setting), asked(turned, "what-if/curve", of=WORDS)
    after = said["after"]
    assert after["low"]["documents"] < after["high"]["documents"]
    shown = figures(page)
    assert shown["low"] == f"{after['low']['documents']:,}"
    assert shown["probably"] == f"{after['estimate']['documents']:,}"
    assert shown["high"] == f"{after['high']['documents']:,}"
    assert shown["change"] == f"+{after['estimate']['documents'] - said['before']['documents']}"
    assert shown["tokens"] == f"{after['estimate']['tokens']:,}"
    assert [(row["value"], row["low"], row["high"]) for row in exported["curve"]] == [
        (each["value"], each["after"]["low"]["documents"], each["after"]["high"]["documents"])
        for each in curve["points"]
    ]
    assert exported["kept"][0]["documents"] == said["before"]["documents"]
    assert {row["name"]: row["before"] for row in exported["sources"]} == {
        each["name"]: each["before"]["documents"] for each in said["sources"]
    }
    assert exported["rules"] == [
        {name: each[name] for name in ("reason", "before", "after")} | {"change": each["after"] - each["before"]}
        for each in said["rules"]
        if each["before"] != each["after"]
    ]
    for note in said["notes"]:
        assert note in unescape(page)
    for near in said["edges"][0]["dropped"]:
        assert f"id={near['id']}&amp;source={near['source']}" in page


def test_settings_are_set_together_and_left_out_again(turned: Site) -> None:
    pii = "stages.pii.max_count=0"
    with logged_in(turned, "viewer") as client:
        page = client.get(PAGE, params={"of": WORDS, "value": "120", "set": pii}).text
        both = asked(turned, "what-if", set=[pii, f"{WORDS}=120"])
        assert figures(page)["low"] == f"{both['after']['low']['documents']:,}"
        (without,) = re.findall(rf'href="([^"]+)" aria-label="Leave out {re.escape(pii)}"', page)
        assert f"{pii}</code>" not in client.get(unescape(without)).text
        (kept,) = re.findall(r'href="([^"]+)">Keep, and turn another one', page)
        another = client.get(unescape(kept)).text
        assert f"{pii}</code>" in another
        assert f"{WORDS}=120</code>" in another
        again = client.get(PAGE, params={"of": WORDS, "value": "90", "set": f"{WORDS}=120"}).text
    assert f"{WORDS}=90</code>" in again
    assert f"{WORDS}=120</code>" not in again


def test_where_there_is_no_curve_values_are_swept(turned: Site) -> None:
    ranked = "/ui/corpora/ranked/what-if"
    with logged_in(turned, "viewer") as client:
        page = client.get(ranked, params={"of": TOP}).text
        assert "quality_classifier decides by a survey, which each value would settle anew; sweep some values" in page
        assert 'value="0.25,0.5,1"' in page
        rows = client.get(ranked, params={"of": TOP, "sweep": "0.2,0.9", "table": "sweep", "export": "json"}).json()
        wrong = client.get(ranked, params={"of": TOP, "sweep": "1:100:1"})
    sweep = asked(turned, "what-if/sweep", "ranked", of=f"{TOP}=0.2,0.9")
    assert [(row["value"], row["low"], row["now"]) for row in rows] == [
        (each["value"], each["answer"]["after"]["low"]["documents"], "now" if each["is_current"] else "")
        for each in sweep["points"]
    ]
    assert len(rows) == 3
    assert wrong.status_code == 422
    assert "more than 20 values" in wrong.text


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/ui/corpora/nowhere/what-if", 404, "nowhere"),
        (f"{PAGE}?version=99", 404, "99"),
        (f"{PAGE}?version=no%20version", 422, "version"),
        (f"{PAGE}?of=stages.gopher_quality.nothing", 404, "has no threshold stages.gopher_quality.nothing"),
        (f"{PAGE}?of=nothing", 422, "of"),
        (f"{PAGE}?of={WORDS}&value=many", 422, "min_words"),
        (f"{PAGE}?set=stages.pii.types=[email]", 422, "cannot be told without the texts"),
        (f"{PAGE}?of={WORDS}&value=%26x", 422, "value"),
    ],
)
def test_what_cannot_be_answered_says_why(turned: Site, address: str, status: int, said: str) -> None:
    with logged_in(turned, "viewer") as client:
        answer = client.get(address)
    assert (answer.status_code, said in answer.text.partition("<main")[2]) == (status, True), answer.text


def test_who_may_saves_it_as_the_next_revision(turned: Site) -> None:
    settings = f"stages.pii.max_count=3\r\n{WORDS}=70"
    with turned.client() as api, logged_in(turned, "editor") as client:
        before = api.recipes.get("turned").revision
        page = client.get(PAGE, params={"of": WORDS, "value": "70", "set": "stages.pii.max_count=3"}).text
        sent = {
            "csrf": csrf_of(page),
            "recipe": "turned",
            "match": unescape(re.findall(r'name="match" value="([^"]+)"', page)[0]),
            "settings": settings,
            "note": "longer ones",
        }
        saved = client.post(f"{PAGE}/save", data=sent)
        assert (saved.status_code, saved.headers["location"]) == (303, "/ui/recipes/turned")
        stored = api.recipes.get("turned")
        assert stored.revision == before + 1
        assert stored.recipe["stages"][:2] == [
            {"kind": "gopher_quality", "min_words": 70},
            {"kind": "pii", "max_count": 3},
        ]
        again = client.post(f"{PAGE}/save", data=sent)
        assert again.status_code == 412
        assert "read it again" in again.text
        assert api.recipes.get("turned").revision == before + 1


def test_a_viewer_cannot_save(turned: Site) -> None:
    with logged_in(turned, "viewer") as client:
        page = client.get(PAGE, params={"of": WORDS, "value": "70"}).text
        assert "Save as recipe" not in page
        assert client.post(f"{PAGE}/save", data={"csrf": csrf_of(page), "recipe": "turned"}).status_code == 403


def test_the_slider_shows_each_value_at_once_and_then_all_of_the_answer(visitor: Visitor, turned: Site) -> None:
    visitor.log_in("editor")
    page = visitor.go(f"{PAGE}?of={WORDS}")
    points = asked(turned, "what-if/curve", of=WORDS)["points"]
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if "/what-if?" in request.url else None)
    slider, kept = page.locator("input.slider"), page.locator('[data-figure="low"]')
    seen = page.evaluate(
        """() => {
          const slider = document.querySelector("input.slider"), seen = [];
          for (const place of [0, 3, Number(slider.max)]) {
            slider.value = place;
            slider.dispatchEvent(new Event("input", {bubbles: true}));
            seen.push(document.querySelector('[data-figure="low"]').textContent);
          }
          return seen;
        }"""
    )
    chosen = [points[place] for place in (0, 3, -1)]
    assert seen == [f"{each['after']['low']['documents']:,}" for each in chosen]
    assert requests == []
    expect(page.locator("#answer .chips code")).to_have_text(f"{WORDS}={chosen[-1]['value']:.0f}")
    assert len(requests) == 1
    assert page.url.endswith(f"value={chosen[-1]['value']:.0f}")
    slider.press("Home")
    expect(page.locator("#answer .chips code")).to_have_text(f"{WORDS}={points[0]['value']:.0f}")
    expect(kept).to_have_text(f"{points[0]['after']['low']['documents']:,}")
    expect(page.locator("#answer .stale")).to_have_count(0)
    page.fill("form.dial input[name=value]", "77")
    page.press("form.dial input[name=value]", "Enter")
    expect(page.locator("#answer .chips code")).to_have_text(f"{WORDS}=77")
    exact = asked(turned, "what-if", set=f"{WORDS}=77")["after"]["low"]["documents"]
    expect(kept).to_have_text(f"{exact:,}")
    page.fill("input[name=note]", "from the browser")
    page.click("text=Save as recipe")
    page.wait_for_url("**/ui/recipes/turned*")
    with turned.client() as api:
        assert api.recipes.get("turned").recipe["stages"][0]["min_words"] == 77


def test_it_works_without_scripts(plain: Visitor, turned: Site) -> None:
    plain.log_in("viewer")
    page = plain.go(PAGE)
    page.select_option("select[name=of]", WORDS)
    page.click("text=Turn it")
    page.fill("input[name=value]", "120")
    page.click("text=Show")
    exact = asked(turned, "what-if", set=f"{WORDS}=120")["after"]["low"]["documents"]
    assert page.locator('[data-figure="low"]').inner_text() == f"{exact:,}"
    points = asked(turned, "what-if/curve", of=WORDS)["points"]
    assert page.locator("#curve tbody tr").count() == len(points)
    assert not page.locator("input.slider").is_visible()
    page.locator("#curve tbody tr a").last.click()
    assert page.locator('[data-figure="low"]').inner_text() == f"{points[-1]['after']['low']['documents']:,}"


def test_nothing_of_a_document_acts_at_the_edge(visitor: Visitor) -> None:
    visitor.log_in("viewer")
    page = visitor.go("/ui/corpora/web/what-if?of=stages.language.min_score&value=0.6")
    assert page.locator(".edge .document").count() > 0


def test_everybody_can_use_it(visitor: Visitor, axe: str, turned: Site) -> None:
    visitor.log_in("editor")
    for address in (PAGE, f"{PAGE}?of={WORDS}&value=40"):
        visitor.go(address)
        assert visitor.serious(axe) == []
