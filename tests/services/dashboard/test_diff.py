"""What differs between two versions, as the page says it."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.hostile import HOSTILE
from tests.services.dashboard.site import Site, finish
from tests.services.dashboard.test_entrance import logged_in
from tests.texts import essay, write_jsonl

PAGE = "/ui/corpora/edited/diff"
RECIPE: dict[str, Any] = {
    "name": "edited",
    "output": "corpora/edited",
    "sources": [{"name": "old", "uri": "edited/old/*.jsonl"}, {"name": "new", "uri": "edited/new/*.jsonl"}],
    "stages": [{"kind": "gopher_quality", "min_words": 5}, {"kind": "tokens"}, {"kind": "exact_dedup"}],
}


@pytest.fixture(scope="module")
def edited(web: Site) -> Site:
    """The corpus `edited`: its second version has lost, gained and changed documents, by another recipe."""
    folder = web.served.folder
    texts = {f"old-{n}": essay(n, 24) for n in range(30)}
    short = {f"short-{n}": f"The {n} lines of the letter that have to be with it are few" for n in range(4)}
    write_jsonl(folder / "edited/old/a.jsonl", [{"id": name, "text": text} for name, text in (texts | short).items()])
    write_jsonl(folder / "edited/new/a.jsonl", [{"id": "first", "text": essay(500, 24)}])
    with web.client() as client:
        client.recipes.put("edited", RECIPE)
        finish(client, {"recipe_name": "edited"})
        texts = {name: text for name, text in texts.items() if name not in {"old-0", "old-1"}}
        texts["old-7"] = texts["old-7"].replace("the", "one", 1)
        write_jsonl(folder / "edited/old/a.jsonl", [{"id": k, "text": text} for k, text in (texts | short).items()])
        hostile = [{"id": f"hostile-{n}", "text": text} for n, text in enumerate(HOSTILE[-40:])]
        write_jsonl(folder / "edited/new/b.jsonl", hostile)
        stages = [{**RECIPE["stages"][0], "min_words": 20}, *RECIPE["stages"][1:]]
        client.recipes.put("edited", {**RECIPE, "stages": stages})
        finish(client, {"recipe_name": "edited"})
    return web


def exported(web: Site, table: str, **query: str) -> list[dict[str, Any]]:
    with logged_in(web, "viewer") as client:
        answer = client.get(PAGE, params={**query, "table": table, "export": "json"})
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows


def test_the_numbers_are_the_apis(edited: Site) -> None:
    with edited.client() as client:
        found = client.corpora.diff("edited", 1, 2)
    a, added, removed, changed, b = exported(edited, "amounts")
    for row, side in ((a, found.a), (added, found.added.total), (b, found.b)):
        assert (row["documents"], row["bytes"], row["tokens"]) == (side.documents, side.bytes, side.tokens)
    assert -removed["documents"] == found.removed.total.documents > 0
    for name in ("documents", "bytes", "tokens"):
        assert a[name] + added[name] + removed[name] + changed[name] == b[name]
    *sources, total = exported(edited, "sources")
    assert {row["name"]: row["added"] for row in sources if row["added"]} == {
        group.name: group.documents for group in found.added.sources
    }
    assert (total["added"], total["removed"], total["changed"]) == (
        found.added.total.documents,
        found.removed.total.documents,
        found.changed.total.documents,
    )
    assert total["changed"] == 1
    *_, languages = exported(edited, "languages")
    assert languages["added"] == found.added.total.documents
    assert (
        sum(row["documents"] for row in exported(edited, "causes") if row["what"] == "removed") == -removed["documents"]
    )
    assert "gopher_quality.short_doc" in {row["reason"] for row in exported(edited, "causes")}


def test_rules_and_drift_are_the_apis(edited: Site) -> None:
    with edited.client() as client:
        found = client.corpora.diff("edited", 1, 2)
    rows = {row["reason"]: row for row in exported(edited, "rules")}
    assert rows.keys() == {rule.reason for rule in found.rules}
    for rule in found.rules:
        row = rows[rule.reason]
        assert (row["rate_a"], row["rate_b"]) == (rule.rate_a, rule.rate_b)
        assert row["points"] == pytest.approx(100 * (rule.rate_change or 0))
    for over in ("kept", "read"):
        drift = [one for one in found.drift if one.over == over]
        shown = exported(edited, f"drift-{over}", all="true")
        assert [(row["distribution"], row["psi"]) for row in shown] == [(one.distribution, one.psi) for one in drift]
        first = exported(edited, f"drift-{over}")
        assert first == shown[: len(first)]
        for row, one in zip(shown, drift, strict=True):
            assert ("within chance" in row["reading"]) == (not one.exceeds_chance)


def test_the_recipe_is_compared(edited: Site) -> None:
    (row,) = exported(edited, "recipe")
    assert (row["path"], row["before"], row["after"]) == ("stages.gopher_quality.min_words", "5", "20")


def test_samples_stand_side_by_side_and_lead_on(edited: Site) -> None:
    with logged_in(edited) as client:
        page = client.get(PAGE).text
    changed = [[text.strip() for text in re.findall(rf"<{mark}>([^<]*)<", page)] for mark in ("del", "ins")]
    assert changed == [["the"], ["one"]]
    assert "/ui/corpora/edited/explain?version=2&amp;id=old-7&amp;source=old" in page
    assert "/ui/corpora/edited/explain?version=1&amp;id=old-0&amp;source=old" in page


def test_versions_are_chosen_by_number_tag_and_either_way(edited: Site) -> None:
    with edited.client() as client:
        client.upkeep.put_tag("edited", "first", 1)
    forth = exported(edited, "amounts", **{"from": "first", "to": "newest"})
    assert forth == exported(edited, "amounts")
    back = exported(edited, "amounts", **{"from": "2", "to": "first"})
    assert back[1]["documents"] == -forth[2]["documents"]
    assert exported(edited, "amounts", version="2") == forth
    same = exported(edited, "amounts", **{"from": "1", "to": "1"})
    assert [row["documents"] for row in same[1:4]] == [0, 0, 0]


def test_the_first_version_has_none_before_it(edited: Site) -> None:
    with logged_in(edited) as client:
        answer = client.get(PAGE, params={"to": "1"})
    assert answer.status_code == 200
    assert "It is the first version" in answer.text


@pytest.mark.parametrize(
    ("query", "status"),
    [({"from": "99"}, 404), ({"to": "nightly"}, 404), ({"to": "0"}, 422), ({"seed": "-1"}, 422)],
)
def test_what_is_not_there_says_so(edited: Site, query: dict[str, str], status: int) -> None:
    with logged_in(edited) as client:
        answer = client.get(PAGE, params=query)
        assert answer.status_code == status
        assert '<p class="notice bad" role="alert">' in answer.text
        assert client.get("/ui/corpora/nobody/diff").status_code == 404


def test_hostile_samples_do_nothing(visitor: Visitor, edited: Site) -> None:
    page = visitor.log_in("viewer")
    shown = 0
    for seed in range(6):
        visitor.go(f"{PAGE}?seed={seed}")
        shown += page.locator("pre.document", has_text="window.attacked").count()
        assert page.locator("#samples script, #samples img, #samples iframe, #samples svg").count() == 0
    assert shown > 0


def test_charts_are_drawn_and_nothing_keeps_people_from_using_it(visitor: Visitor, edited: Site, axe: str) -> None:
    page = visitor.log_in("viewer")
    visitor.go(PAGE)
    assert page.locator("figure.chart canvas").count() == page.locator("figure.chart canvas:visible").count() == 5
    assert visitor.serious(axe) == []
    page.fill("input[name='from']", "2")
    page.fill("input[name='to']", "1")
    page.click("text=Compare")
    page.wait_for_url("**/diff?from=2&to=1")
    assert page.inner_text("h1") == "From version 2 to version 1"


@pytest.mark.usefixtures("edited")
def test_it_works_without_scripts(plain: Visitor) -> None:
    page = plain.log_in("viewer")
    plain.go(PAGE)
    assert page.locator("#sources tbody tr").count() == 2
    page.click("text=The other way round")
    assert html.unescape(page.inner_text("h1")) == "From version 2 to version 1"
