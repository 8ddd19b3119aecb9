"""The funnel's pages say what the API says, and lead from a bar to the documents."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import quote

import httpx2
import pytest

from curation.report import EXAMPLES
from services.insights.models import Funnel
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.site import Site, finish
from tests.services.dashboard.test_entrance import logged_in
from tests.texts import essay, sentences, write_jsonl

FUNNEL = "/ui/corpora/web/funnel"
SHORT = "gopher_quality.short_doc"


@pytest.fixture(scope="module")
def client(web: Site) -> Iterator[httpx2.Client]:
    with logged_in(web, "viewer") as client:
        yield client


@pytest.fixture(scope="module")
def funnel(web: Site) -> Funnel:
    with web.client() as client:
        return client.corpora.funnel("web")


@pytest.fixture(scope="module")
def found(web: Site) -> str:
    """A corpus of which some documents were dropped for a phrase."""
    rows = [{"id": f"kept-{n}", "text": essay(8000 + n)} for n in range(3)]
    rows += [{"id": "lorem", "text": f"{essay(8100)}\nThen it said lorem ipsum <b>again</b>.\n{sentences(8200, 3)[0]}"}]
    write_jsonl(web.served.folder / "raw/found/0.jsonl", rows)
    recipe = {
        "name": "found",
        "output": "corpora/found",
        "sources": [{"name": "f", "uri": "raw/found/*.jsonl"}],
        "stages": [{"kind": "c4"}],
    }
    with web.client() as client:
        client.recipes.put("found", recipe)
        finish(client, {"recipe_name": "found"})
    return "found"


def exported(client: httpx2.Client, table: str, **asked: str) -> list[dict[str, object]]:
    answer = client.get(FUNNEL, params={**asked, "table": table, "export": "json"})
    assert answer.status_code == 200, answer.text[:500]
    rows: list[dict[str, object]] = answer.json()
    return rows


def test_the_stages_are_those_of_the_api(client: httpx2.Client, funnel: Funnel) -> None:
    *stages, total = exported(client, "steps")
    assert [(row["stage"], row["in"], row["lost"], row["out"]) for row in stages] == [
        (step.stage, step.documents_in, step.documents_dropped, step.documents_out) for step in funnel.steps
    ]
    assert (total["in"], total["out"]) == (funnel.steps[0].documents_in, funnel.steps[-1].documents_out)
    *in_bytes, _ = exported(client, "steps", unit="bytes")
    assert [(row["in"], row["out"]) for row in in_bytes] == [(step.bytes_in, step.bytes_out) for step in funnel.steps]


def test_tokens_are_told_from_where_they_are_counted(web: Site, client: httpx2.Client) -> None:
    *stages, total = exported(client, "steps", unit="tokens")
    with web.client() as api:
        kept = api.corpora.version("web").tokens
    assert total["out"] == kept == stages[-1]["out"]
    assert (total["in"], stages[0]["in"]) == (None, None)
    known = [row for row in stages if row["in"] is not None]
    assert [row["stage"] for row in known] == ["pii", "tokens", "exact_dedup", "minhash_dedup"]
    assert all(before["out"] == after["in"] for before, after in pairwise(known))
    assert "have no token counts" in client.get(FUNNEL, params={"unit": "tokens"}).text


def test_the_reasons_are_those_of_the_api_and_add_up(web: Site, client: httpx2.Client, funnel: Funnel) -> None:
    with web.client() as api:
        reasons = api.corpora.reasons("web")
    *rows, total = exported(client, "reasons")
    assert {(row["reason"], row["amount"], row["of_read"]) for row in rows} == {
        (one.reason, one.documents, one.share) for one in reasons.reasons
    }
    assert total["amount"] == sum(one.documents for one in reasons.reasons)
    read, kept = funnel.steps[0].documents_in, funnel.steps[-1].documents_out
    assert read == kept + sum(one.documents for one in reasons.reasons)


def test_a_filter_leaves_its_part(client: httpx2.Client) -> None:
    *rows, total = exported(client, "steps", source="mail")
    assert total["in"] == 24
    assert rows[0]["in"] == 24
    parts = [exported(client, "steps", source=source)[-1]["in"] for source in ("crawl", "mail", "hostile")]
    assert sum(int(str(part)) for part in parts) == exported(client, "steps")[-1]["in"]
    assert exported(client, "steps", language="unknown")[-1]["out"] == 0


def test_the_first_version_is_not_the_newest(client: httpx2.Client) -> None:
    assert exported(client, "steps", version="1")[-1]["in"] != exported(client, "steps")[-1]["in"]
    assert client.get(FUNNEL, params={"version": "newest"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (f"{FUNNEL}?version=99", 404, "has no version 99"),
        (f"{FUNNEL}?version=nobody", 404, "no tag"),
        (f"{FUNNEL}?version=0x", 404, "no tag"),
        (f"{FUNNEL}?version=%00", 422, ""),
        (f"{FUNNEL}?unit=words", 422, ""),
        ("/ui/corpora/nothing/funnel", 404, "knows no corpus"),
        (f"{FUNNEL}/c4.nothing", 404, "dropped nothing for the reason"),
        (f"{FUNNEL}/{quote('<script>', safe='')}", 404, "&lt;script&gt;"),
    ],
)
def test_what_is_not_there_is_said(client: httpx2.Client, path: str, status: int, said: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert said in answer.text


def test_samples_are_those_of_the_api(web: Site, client: httpx2.Client) -> None:
    with web.client() as api:
        samples = api.corpora.samples("web", SHORT, limit=EXAMPLES)
    shown = client.get(f"{FUNNEL}/{SHORT}")
    assert f"{len(samples.samples)} of the {samples.documents} documents" in re.sub(r"\s+", " ", shown.text)
    rows = client.get(f"{FUNNEL}/{SHORT}", params={"table": "samples", "export": "json"}).json()
    assert [(row["id"], row["value"], row["threshold"]) for row in rows] == [
        (sample.id, sample.value, sample.threshold) for sample in samples.samples
    ]
    answer = client.get(f"{FUNNEL}/{SHORT}", params={"table": "samples", "export": "csv"})
    assert len(list(csv.reader(io.StringIO(answer.text)))) == len(rows) + 1


@pytest.mark.parametrize(("reason", "axis"), [("language.unknown", "source"), ("language.other", "language")])
def test_samples_of_one_source_or_language(client: httpx2.Client, reason: str, axis: str) -> None:
    def rows(**asked: str) -> list[dict[str, object]]:
        answer = client.get(f"{FUNNEL}/{reason}", params={**asked, "table": "samples", "export": "json"})
        found: list[dict[str, object]] = answer.json()
        return found

    every = rows()
    names = {str(row[axis]) for row in every}
    assert len(names) > 1
    for name in names:
        assert rows(**{axis: name}) == [row for row in every if row[axis] == name]
    assert "It stopped no document here." in client.get(f"{FUNNEL}/{reason}", params={axis: "nothing"}).text


def test_a_duplicate_names_its_survivor(web: Site, client: httpx2.Client) -> None:
    shown = client.get(f"{FUNNEL}/exact_dedup.duplicate").text
    assert "copy of" in shown
    with web.client() as api:
        sample = next(one for one in api.corpora.samples("web", "exact_dedup.duplicate").samples if one.survivor)
    assert f"/ui/corpora/web/explain?id={sample.survivor}" in shown


def test_what_decided_is_marked(found: str, client: httpx2.Client) -> None:
    shown = client.get(f"/ui/corpora/{found}/funnel/c4.lorem_ipsum").text
    assert "Then it said <mark>lorem ipsum</mark> &lt;b&gt;again" in shown
    assert re.search(r"… [0-9,]+ characters …", shown)


def test_a_bar_leads_to_samples(visitor: Visitor) -> None:
    visitor.log_in("viewer")
    page = visitor.go(f"{FUNNEL}?source=hostile")
    page.locator(f'figure.funnel a[href*="{SHORT}"] rect').click()
    page.wait_for_url(f"**{FUNNEL}/{SHORT}?source=hostile")
    assert page.locator("ol.samples > li").count() > 0
    page.go_back()
    page.get_by_role("link", name=SHORT, exact=True).click()
    page.wait_for_url(f"**{FUNNEL}/{SHORT}?source=hostile")


def test_bars_are_as_long_as_what_they_stand_for(visitor: Visitor, funnel: Funnel) -> None:
    visitor.log_in("viewer")
    page = visitor.go(FUNNEL)
    widths = page.eval_on_selector_all(
        "figure.funnel rect.out", "found => found.map(one => one.getBoundingClientRect().width)"
    )
    whole = page.eval_on_selector("figure.funnel rect.ground", "one => one.getBoundingClientRect().width")
    read = funnel.steps[0].documents_in
    assert widths == pytest.approx([whole * step.documents_out / read for step in funnel.steps], abs=0.5)


def test_without_scripts_it_is_all_there(plain: Visitor) -> None:
    plain.log_in("viewer")
    page = plain.go(FUNNEL)
    page.select_option("select[name=unit]", "bytes")
    page.click("main button")
    page.wait_for_url("**unit=bytes**")
    assert page.locator("figure.funnel rect.out").count() > 0
    assert page.locator("#steps tbody tr").count() > 0


def test_hostile_documents_do_nothing(visitor: Visitor, web: Site) -> None:
    with web.client() as api:
        reasons = [one.reason for one in api.corpora.reasons("web").reasons]
    visitor.log_in("viewer")
    for reason in reasons:
        page = visitor.go(f"{FUNNEL}/{quote(reason, safe='')}?source=hostile")
        page.wait_for_load_state("networkidle")
        assert page.locator("ol.samples script, ol.samples img, ol.samples iframe").count() == 0
