"""The pages of copies: their numbers are the decisions', and both texts stand beside each other."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest

from curation.corpus import Corpus
from services.dashboard.routes.cluster import AROUND
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.copies import IDS, make_copies
from tests.services.dashboard.site import Site
from tests.services.dashboard.test_entrance import logged_in

PAGE = "/ui/corpora/copies/duplicates"


@pytest.fixture(scope="module")
def copies(web: Site) -> Site:
    make_copies(web)
    return web


@pytest.fixture(scope="module")
def dropped(copies: Site) -> list[dict[str, Any]]:
    """The decisions about copies."""
    rows = Corpus(str(copies.served.folder / "corpora/copies")).decisions().to_table().to_pylist()
    return [row for row in rows if row["survivor"] is not None]


def table(site: Site, name: str, query: str = "", page: str = PAGE) -> list[dict[str, Any]]:
    with logged_in(site, "viewer") as client:
        answer = client.get(f"{page}?table={name}&export=json{query}")
        assert answer.status_code == 200, answer.text[:500]
        assert answer.headers["content-type"] == "application/json"
        rows: list[dict[str, Any]] = answer.json()
        return rows


def cluster(id_: str, **asked: object) -> str:
    return f"{PAGE}/cluster?{urlencode({'id': id_, **asked})}"


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", {}),
        ("&source=web", {"source": "web"}),
        ("&stage=exact_dedup", {"stage": "exact_dedup"}),
        ("&min_similarity=0.96", {"least": 0.96}),
    ],
)
def test_the_numbers_are_the_decisions(copies: Site, dropped: list[dict[str, Any]], query: str, asked: Any) -> None:
    wanted = [
        row
        for row in dropped
        if all(row[key] == value for key, value in asked.items() if key != "least")
        and row["similarity"] >= asked.get("least", 0)
    ]
    sizes = Counter(row["survivor"] for row in wanted)
    clusters = table(copies, "clusters", query)
    assert sum(row["copies"] for row in clusters) == len(wanted)
    assert [row["copies"] for row in clusters] == sorted(sizes.values(), reverse=True)
    *bins, total = table(copies, "similarities", query)
    assert sum(value for row in bins for key, value in row.items() if key != "from") == len(wanted)
    assert sum(value for key, value in total.items() if key != "from") == len(wanted)
    *pairs, total = table(copies, "pairs", query)
    assert {row["source"]: row["documents"] for row in pairs} == Counter(row["source"] for row in wanted)
    assert (total["documents"], total["bytes"]) == (len(wanted), sum(row["bytes"] for row in wanted))


def test_the_sizes_are_the_report_s(copies: Site) -> None:
    report = Corpus(str(copies.served.folder / "corpora/copies")).report()
    *rows, total = table(copies, "sizes")
    assert [row["size"] for row in rows] == ["2", "5 to 8"]
    assert sum(row["clusters"] for row in rows) == total["clusters"] == sum(report.clusters.values())
    assert total["documents"] == sum(size * count for size, count in report.clusters.items())


def test_a_sample_is_measured_again(copies: Site, dropped: list[dict[str, Any]]) -> None:
    rows = {row["stage"]: row for row in table(copies, "precision", "&precision=true")}
    by_stage = Counter(row["stage"] for row in dropped)
    assert {stage: row["copies"] for stage, row in rows.items()} == by_stage
    near = rows["minhash_dedup"]
    assert (near["compared"], near["alike"]) == (near["sampled"] - 1, near["sampled"] - 1)
    assert near["low"] < near["share"] == near["high"] == 1
    with logged_in(copies) as client:
        assert (
            "1 could not be compared: its input file has other content by now."
            in client.get(f"{PAGE}?precision=true").text
        )


def test_somebody_looks_at_clusters(visitor: Visitor, copies: Site, axe: str) -> None:
    visitor.log_in("viewer")
    page = visitor.go(PAGE)
    page.click("text=Measure it")
    page.wait_for_selector("#precision td")
    assert page.locator("figure canvas").count() == 2
    page.evaluate(axe)
    assert [one["id"] for one in page.evaluate("axe.run()")["violations"] if one["impact"] != "minor"] == []
    page.click("#clusters tbody tr:first-child a")
    page.wait_for_selector("#beside ins")
    assert page.inner_text("h1") == "Copies of book-0"
    assert page.locator("#members tbody tr").count() == 7
    assert "the largest gopher_quality.words" in page.inner_text("#rules")
    kept = Corpus(str(copies.served.folder / "corpora/copies")).explain("book-0")[0]["gopher_quality.words"]
    assert page.locator("#rules td.number").first.inner_text() == f"{kept:,.0f}"
    assert "words that are alike" in page.inner_text("#beside")
    assert {word[0] for word in page.locator("#beside ins").all_inner_texts()} <= {"x", " "}
    page.click("text=Show all that they have in common")
    page.wait_for_load_state()
    assert "words that are alike" not in page.inner_text("#beside")
    page.evaluate(axe)
    assert [one["id"] for one in page.evaluate("axe.run()")["violations"] if one["impact"] != "minor"] == []
    page.locator("#members tbody tr").nth(3).locator("text=beside it").click()
    page.wait_for_load_state()
    assert "near-3" in page.inner_text("#beside")


@pytest.mark.usefixtures("copies")
def test_it_works_without_scripts(plain: Visitor) -> None:
    page = plain.log_in("viewer")
    plain.go(PAGE)
    page.select_option("select[name=source]", "web")
    page.click("text=Show")
    assert "source=web" in page.url
    page.click("text=Measure it")
    assert page.locator("#precision tbody tr").count() == 2
    page.click("#clusters tbody a >> nth=0")
    page.click("text=Show the first copy beside it")
    assert page.locator("#beside ins").count() > 0


@pytest.mark.parametrize("id_", IDS)
def test_hostile_ids_have_pages(visitor: Visitor, copies: Site, id_: str) -> None:
    visitor.log_in("viewer")
    page = visitor.go(f"{PAGE}?source=web")
    shown = id_.replace("\u202e", "U+202E")
    names = page.locator("#clusters tbody td:first-child").all_inner_texts()
    page.locator("#clusters tbody td:first-child a").nth(names.index(shown)).click()
    page.wait_for_selector("#beside .document")
    assert page.inner_text("h1") == f"Copies of {shown}"
    assert page.locator("#members tbody tr").count() == 1


def test_a_text_that_changed_is_not_shown(copies: Site) -> None:
    with logged_in(copies, "viewer") as client:
        text = client.get(cluster("book-1", copy=0)).text
    assert "The copy's text cannot be shown: its input file has other content by now." in text
    assert "Something else" not in text


def test_personal_data_of_a_copy_is_not_shown(copies: Site) -> None:
    with logged_in(copies, "viewer") as client:
        text = client.get(cluster("letter", copy=0)).text
        assert "&lt;EMAIL&gt;" in text
        assert "example-company" not in text
        assert "<script>window" not in text


def test_a_document_that_is_a_copy_leads_to_the_kept_one(copies: Site) -> None:
    with logged_in(copies, "viewer") as client:
        text = client.get(cluster("near-2")).text
        assert "It is not kept: dropped by <code>minhash_dedup.duplicate</code>" in text
        assert "No copy names it." in text
        text = client.get(cluster("twice")).text
        assert "Other documents of this id" in text
    (other,) = table(copies, "others", "&id=twice", f"{PAGE}/cluster")
    assert table(copies, "members", "&id=twice", f"{PAGE}/cluster") == []
    where = f"&{urlencode({'id': 'twice', 'shard': other['shard'], 'row': other['row']})}"
    assert [row["id"] for row in table(copies, "members", where, f"{PAGE}/cluster")] == ["of twice"]


def test_a_table_is_exported_as_csv(copies: Site) -> None:
    with logged_in(copies, "viewer") as client:
        answer = client.get(f"{PAGE}?table=clusters&export=csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows[0]["id"] == "book-0"
    assert "'=1+1" in {row["id"] for row in rows}


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/ui/corpora/nothing/duplicates", 404, "nothing"),
        (f"{PAGE}?version=77", 404, "has no version 77"),
        (f"{PAGE}?version=-1", 422, "version"),
        (f"{PAGE}?min_similarity=2", 422, "min_similarity"),
        (f"{PAGE}/cluster?id=nobody", 404, "knows no document"),
        (f"{PAGE}/cluster?id=book-0&copy=99", 404, "there is no copy number 99"),
        (f"{PAGE}/cluster?id=book-0&row=99", 404, "record 99"),
        (f"{PAGE}/cluster", 422, "id"),
    ],
)
def test_what_is_not_there_says_so(copies: Site, path: str, status: int, said: str) -> None:
    with logged_in(copies, "viewer") as client:
        answer = client.get(path)
    assert answer.status_code == status
    assert said in answer.text


def test_long_common_parts_are_left_out() -> None:
    from curation.clusters import compare
    from services.dashboard.routes.cluster import _sides

    same = " ".join(f"w{n}" for n in range(200))
    found = compare(f"a {same} b", f"x {same} y")
    kept, dropped = _sides(found, whole=False)
    assert [part.kind for part in kept] == ["own", "alike", "left", "alike", "own"]
    assert kept[2].text == str(200 - 2 * AROUND)
    assert len(kept[1].text.split()) == len(kept[3].text.split()) == AROUND
    assert "".join(part.text for part in _sides(found, whole=True)[1]) == f"x {same} y"
    assert [part.kind for part in dropped] == [part.kind for part in kept]
