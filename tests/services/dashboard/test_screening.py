"""What the pages of contamination and privacy say is what the runs have found; no value is shown that was."""

from __future__ import annotations

import re
from typing import Any

import pytest

from curation.corpus import Corpus
from curation.pipeline.contaminated import found_by_run
from tests.contamination.test_contamination import ITEMS, OTHER, QUESTION
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.site import Site, finish
from tests.services.dashboard.test_entrance import logged_in
from tests.texts import essay, write_jsonl

BENCHMARKS, PRIVACY = "/ui/corpora/screened/contamination", "/ui/corpora/screened/privacy"
CANARY = "26b5c67b-86ca-450d-8a75-2ee2b8acbc1c"
ADDRESS, PASSWORD = "@corp-mail.example.net", "Zq8vK2nPxY7"
RECIPE: dict[str, Any] = {
    "name": "screened",
    "output": "corpora/screened",
    "sources": [{"name": "tests", "uri": "raw/tests/*.jsonl"}, {"name": "mail", "uri": "raw/letters/*.jsonl"}],
    "stages": [
        {"kind": "secrets", "action": "tag"},
        {"kind": "pii", "max_count": 2},
        {"kind": "contamination", "registry": "registry.jsonl", "action": "cut", "min_piece_chars": 20},
    ],
}


@pytest.fixture(scope="module")
def screened(web: Site) -> Site:
    """A corpus `screened`: six documents with an item (two of them with two), one with a canary; twenty letters, ten
    with an address, five with three, four with a password."""
    folder = web.served.folder
    canary = [{"benchmark": "<b>marks</b>", "canary": CANARY}]
    write_jsonl(folder / "registry.jsonl", [*ITEMS, *canary])
    parts = [QUESTION, QUESTION, f"{QUESTION}\n{OTHER}", f"{QUESTION}\n{OTHER}", OTHER, OTHER, CANARY]
    tests = [{"id": f"test-{n}", "text": f"{essay(n)}\n{part}\n{essay(50 + n)}"} for n, part in enumerate(parts)]
    write_jsonl(folder / "raw/tests/0.jsonl", tests)
    letters = [{"id": f"letter-{n}", "text": f"{essay(200 + n)}\n{_signed(n)}"} for n in range(20)]
    write_jsonl(folder / "raw/letters/0.jsonl", letters)
    with web.client() as client:
        client.recipes.put("screened", RECIPE)
        finish(client, {"recipe_name": "screened"})
    return web


def _signed(n: int) -> str:
    addresses = [f"joe{n}{ADDRESS}"] * (3 if n % 4 == 1 else n % 2 == 0)
    return " ".join(addresses) + (f' password = "{PASSWORD}{n}"' if n in {0, 2, 4, 6} else "")


def exported(site: Site, page: str, table: str, **params: str) -> list[dict[str, Any]]:
    with logged_in(site, "viewer") as client:
        found: list[dict[str, Any]] = client.get(page, params={**params, "table": table, "export": "json"}).json()
    return found


def test_benchmarks_and_documents_are_those_of_the_report(screened: Site) -> None:
    (report,) = found_by_run(Corpus(str(screened.served.folder / "corpora/screened")))
    rows = exported(screened, BENCHMARKS, "contamination-benchmarks")
    by_name = {row["benchmark"]: row for row in rows}
    assert [by_name[each.benchmark]["documents"] for each in report.benchmarks] == [
        each.documents for each in report.benchmarks
    ]
    assert (by_name["sums"]["documents"], by_name["sums"]["kept"], by_name["sums"]["dropped"]) == (4, 4, 0)
    assert (by_name["<b>marks</b>"]["canary"], by_name["<b>marks</b>"]["dropped"]) == (1, 1)
    total = by_name["all"]
    assert (total["documents"], total["dropped"], total["kept"]) == (7, 1, 6)
    worst = exported(screened, BENCHMARKS, "contamination-worst")
    assert {row["document"] for row in worst} == {f"test-{n}" for n in range(7)}
    assert worst[0]["items"] == 2
    hit = next(row for row in worst if row["document"] == "test-0")
    assert (hit["benchmark"], hit["score"]) == ("sums", 1.0)
    assert hit["start"] == len(essay(0)) + 1
    only = exported(screened, BENCHMARKS, "contamination-worst", benchmark="<b>marks</b>")
    assert [row["document"] for row in only] == ["test-6"]


def test_the_page_names_the_registry_and_leads_to_the_documents(screened: Site) -> None:
    (report,) = found_by_run(Corpus(str(screened.served.folder / "corpora/screened")))
    with logged_in(screened, "viewer") as client:
        page = client.get(f"{BENCHMARKS}?version=1").text
    assert str(report.registry_sha256) in page
    assert "Cuts items of a registry of benchmarks out of documents" in page
    assert "/ui/corpora/screened/explain?version=1&amp;id=test-0&amp;source=tests" in page
    assert "<b>marks" not in page


def test_what_was_found_adds_up(screened: Site) -> None:
    types = {row["type"]: row for row in exported(screened, PRIVACY, "pii-types")}
    assert types.keys() == {"email", "all"}
    email = types["email"]
    assert (email["documents"], email["spans"], email["documents_kept"], email["spans_kept"]) == (15, 25, 10, 10)
    assert (email["placeholder"], types["all"]["dropped"]) == ("<EMAIL>", 5)
    sources = {row["source"]: row for row in exported(screened, PRIVACY, "pii-sources")}
    assert (sources["mail"]["reached"], sources["mail"]["documents"], sources["mail"]["dropped"]) == (20, 15, 5)
    assert (sources["tests"]["reached"], sources["tests"]["documents"]) == (7, 0)
    assert sources["all"]["reached"] == 27
    tagged = {row["type"]: row for row in exported(screened, PRIVACY, "secrets-types")}
    assert (tagged["assignment"]["documents"], tagged["assignment"]["spans_kept"]) == (4, 4)
    none = exported(screened, PRIVACY, "pii-types", source="tests")
    assert none == [], "the source holds nothing, and the table says so"
    settings = {row["option"]: row["value"] for row in exported(screened, PRIVACY, "pii-settings")}
    assert (settings["max_count"], settings["regions"]) == ("2", "US")


def test_samples_show_placeholders_and_never_what_stood_there(screened: Site) -> None:
    with logged_in(screened, "viewer") as client:
        pages = [client.get(PRIVACY, params=params).text for params in ({}, {"stage": "secrets", "type": "assignment"})]
        dropped = client.get("/ui/corpora/screened/privacy", params={"source": "tests"}).text
    for page in pages:
        assert page.count("<mark>&lt;EMAIL&gt;</mark>") == 6
        assert page.count("<mark>&lt;ASSIGNMENT&gt;</mark>") == 4
        assert ADDRESS not in page
        assert PASSWORD not in page
        assert re.findall(r"explain\?id=letter-\d+&amp;source=mail", page)
        assert "/ui/corpora/screened/funnel/pii.too_many" in page
    assert "<mark>" not in dropped


def test_without_such_stages_the_pages_say_how_to_add_them(web: Site) -> None:
    with logged_in(web, "viewer") as client:
        page = client.get("/ui/corpora/web/contamination").text
        assert "no stage that looks for benchmarks" in page
        assert "{kind: contamination, registry: benchmarks/, action: drop}" in page
        assert "Looked for, and not found" in client.get("/ui/corpora/web/privacy").text


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/ui/corpora/nowhere/privacy", 404),
        ("/ui/corpora/nowhere/contamination", 404),
        (f"{PRIVACY}?version=99", 404),
        (f"{BENCHMARKS}?version=a%20b", 422),
        (f"{PRIVACY}?stage=pii&type=nothing", 404),
    ],
)
def test_what_is_not_there_says_so(screened: Site, address: str, status: int) -> None:
    with logged_in(screened, "viewer") as client:
        answer = client.get(address)
    assert (answer.status_code, 'class="notice bad"' in answer.text) == (status, True)


def test_everybody_can_read_them(visitor: Visitor, axe: str, screened: Site) -> None:
    visitor.log_in("viewer")
    for address in (BENCHMARKS, PRIVACY, f"{PRIVACY}?source=mail&stage=pii&type=email", "/ui/corpora/web/privacy"):
        page = visitor.go(address)
        assert visitor.serious(axe) == []
        assert page.locator("figure canvas").first.is_visible()
