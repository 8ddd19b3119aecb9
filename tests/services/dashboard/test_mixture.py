"""The mixture of a version, and copies of it that are tried and saved."""

from __future__ import annotations

import re
from typing import Any

import pytest

from curation.corpus import Corpus
from curation.errors import RecipeError
from curation.mixture import Mixture, mixture_report
from services.dashboard.draft import copy_of, field_of, sent
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.site import RECIPE, Site, finish
from tests.services.dashboard.test_entrance import csrf_of, logged_in

PAGE = "/ui/corpora/web/mixture"
COPY = {"scheme": "fixed", "by": "source", "weight.crawl": "1", "weight.mail": "6", "weight.hostile": "0"}
SAME: dict[str, Any] = {"scheme": "fixed", "weights": {"crawl": 1, "mail": 6, "hostile": 0}, "max_epochs": 2}


@pytest.fixture(scope="module")
def mixed(web: Site) -> str:
    """The name of a recipe, and of its corpus, that tests may change."""
    with web.client() as client:
        sources = [source for source in RECIPE["sources"] if source["name"] != "hostile"]
        client.recipes.put("mixed", {**RECIPE, "name": "mixed", "output": "corpora/mixed", "sources": sources})
        finish(client, {"recipe_name": "mixed"})
    return "mixed"


def exported(web: Site, path: str, table: str, **query: str) -> list[dict[str, Any]]:
    with logged_in(web, "viewer") as client:
        answer = client.get(path, params={**query, "table": table, "export": "json"})
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows


def test_the_numbers_are_the_apis(web: Site) -> None:
    with web.client() as client:
        plan = client.corpora.mixture("web").plan
    assert plan is not None
    parts = {part.group: part for part in plan.parts}
    *shares, total = exported(web, PAGE, "shares")
    assert {row["part"] for row in shares} == parts.keys()
    for row in shares:
        part = parts[row["part"]]
        assert [row[name] for name in ("documents", "bytes", "tokens", "natural", "target", "realised")] == [
            part.documents, part.bytes, part.tokens, part.natural, part.target, part.realised,
        ]  # fmt: skip
    assert (total["documents"], total["tokens"]) == (plan.documents, plan.tokens)
    assert total["realised"] == pytest.approx(1)
    *epochs, total = exported(web, PAGE, "epochs")
    for row in epochs:
        part = parts[row["part"]]
        assert (row["weight"], row["epochs"], row["max_epochs"]) == (part.weight, part.epochs, part.max_epochs)
    assert total["weight"] == plan.seen


def test_the_history_adds_up(web: Site) -> None:
    with web.client() as client:
        versions = client.corpora.versions("web")
        known = {version.version: version.tokens for version in versions}
    amounts, parts = (exported(web, PAGE, table) for table in ("amounts", "parts"))
    assert {row["version"]: row["total"] for row in amounts} == known
    for row in amounts:
        assert sum(value for name, value in row.items() if name.startswith("amount")) == row["total"]
    for row in parts:
        assert sum(value for name, value in row.items() if name.startswith("share")) == pytest.approx(1)
    assert [row["version"] for row in exported(web, PAGE, "amounts", version="1")] == [1]


def test_a_copy_is_tried_and_nothing_is_stored(web: Site) -> None:
    with web.client() as client:
        corpus = Corpus(client.corpora.get("web").url)
        expected = mixture_report(corpus.storage, corpus.manifest(), Mixture.model_validate(SAME))
        now = client.corpora.mixture("web").plan
        before = client.recipes.get("web")
        asked = {**COPY, "max_epochs": "2"}
        *effect, _ = exported(web, PAGE, "effect", **asked)
        in_all = {row["measure"]: row for row in exported(web, PAGE, "measures", **asked)}
        assert client.recipes.get("web") == before
    assert now is not None
    for row in effect:
        (then,) = [part for part in expected.parts if part.group == row["part"]]
        (was,) = [part for part in now.parts if part.group == row["part"]]
        assert (row["realised_now"], row["weight_now"]) == (was.realised, was.weight)
        assert (row["target_then"], row["realised_then"], row["epochs_then"]) == (
            then.target,
            then.realised,
            then.epochs,
        )
    assert in_all["Tokens seen"]["now"] == now.seen
    assert in_all["Tokens seen"]["then"] == expected.seen
    assert in_all["Tokens missing, for all are at their caps"]["then"] == expected.shortfall
    with logged_in(web) as client:
        page = client.get(PAGE, params=asked).text
        assert expected.warnings
        assert all(warning in page for warning in expected.warnings)


def test_other_groups_are_shown_alone(web: Site) -> None:
    rows = exported(web, PAGE, "effect", scheme="natural", by="language")
    assert [row["part"] for row in rows] == ["en", "all"]
    assert "realised_now" not in rows[0]


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ({"scheme": "fixed", "weight.crawl": "x"}, "weight.crawl", "found 'x', expected a number"),
        ({"scheme": "natural", "tokens": "many"}, "tokens", "expected a whole number in digits"),
        ({"scheme": "natural", "max_epochs": "-2"}, "max_epochs", "greater than 0"),
        ({"scheme": "fixed", "weight.crawl": "1"}, "weights", "no weight for hostile, mail"),
        ({"scheme": "natural", "epochs.nobody": "2"}, "epochs.nobody", "has no source 'nobody'"),
        ({"scheme": "natural", "by": "bucket", "bucket": "a.b"}, "bucket", "have no buckets 'a.b'"),
        ({"scheme": "some"}, "scheme", "Input should be 'natural'"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(web: Site, query: dict[str, str], field: str, message: str) -> None:
    with logged_in(web) as client:
        answer = client.get(PAGE, params=query)
    assert answer.status_code == 200
    (said,) = re.findall(rf'<span class="wrong" id="{re.escape(field)}-wrong">([^<]*)<', answer.text)
    assert message in said.replace("&#39;", "'")
    assert "Save as" not in answer.text


def test_what_is_wrong_with_the_whole_is_said(web: Site) -> None:
    with logged_in(web) as client:
        assert "scheme unimax needs max_epochs" in client.get(PAGE, params={"scheme": "unimax"}).text


def test_a_draft_is_the_mixture_that_it_was_copied_from() -> None:
    for options in (
        {},
        SAME,
        {"scheme": "temperature", "temperature": 3.3, "by": "language", "max_epochs_of": {"en": 1.5}, "tokens": 10},
        {"scheme": "quality_bucketed", "bucket": "x.bucket", "weights": {"0": 0.1, "1": 2}},
        {"scheme": "rehydrate", "cluster_weights": {"1": 1, "2": 3.5}},
    ):
        mixture = Mixture.model_validate(options)
        draft = copy_of(mixture)
        assert draft.read() == mixture
        fields = [*draft.fields.items()]
        fields += [(f"weight.{name}", text) for name, text in draft.weights.items()]
        fields += [(f"epochs.{name}", text) for name, text in draft.epochs.items()]
        assert sent(fields, mixture) == draft


def test_fields_that_do_not_belong_are_passed_over() -> None:
    fields = [*COPY.items(), ("temperature", "3"), ("bucket", "x.y")]
    draft = sent([*fields, ("scheme", "natural")], Mixture())
    assert draft is not None
    assert draft.read() == Mixture()
    other = sent([*fields, ("groups", "language  False")], Mixture())
    assert other is not None
    assert not other.weights, "they were of languages"
    with pytest.raises(RecipeError, match="needs weights"):
        other.read()


def test_problems_have_their_fields() -> None:
    for path, field in (
        ("mixture", ""),
        ("mixture.tokens", "tokens"),
        ("mixture.weights", "weights"),
        ("mixture.weights.a.b", "weight.a.b"),
        ("mixture.max_epochs_of.en", "epochs.en"),
    ):
        assert field_of(path) == field


def test_a_copy_is_saved_in_the_browser(visitor: Visitor, mixed: str) -> None:
    page = visitor.log_in("editor")
    visitor.go(f"/ui/corpora/{mixed}/mixture")
    assert page.locator("input[name='temperature']").is_visible()
    page.select_option("select[name='scheme']", "fixed")
    assert page.locator("input[name='temperature']").is_hidden()
    page.fill("input[name='weight.crawl']", "1")
    page.fill("input[name='weight.mail']", "3")
    page.click("text=See the effect")
    page.wait_for_selector("#effect canvas")
    page.click("text=Save as revision 2 of mixed")
    page.wait_for_selector("text=Saved as revision 2 of the recipe mixed")
    with visitor.site.client() as client:
        stored = client.recipes.get(mixed)
        assert stored.revision == 2
        assert stored.recipe["mixture"] == {
            "scheme": "fixed", "weights": {"crawl": 1, "mail": 3}, "max_epochs": 4,
        }  # fmt: skip
        assert {**stored.recipe, "mixture": 0} == {**client.recipes.get(mixed, 1).recipe, "mixture": 0}
        done = next(entry for entry in client.audit.list(action="put_recipe") if entry.target.endswith(f"/{mixed}"))
        assert done.principal.startswith("key:")
    assert "has another mixture by now" in page.inner_text("#copy")


def test_somebody_elses_revision_is_not_overwritten(web: Site, mixed: str) -> None:
    with logged_in(web, "editor") as client:
        page = client.get(f"/ui/corpora/{mixed}/mixture", params={**COPY, "scheme": "natural"}).text
        form = dict(re.findall(r'<input type="hidden" name="(mixture|recipe|number)" value="([^"]*)"', page))
        form["mixture"] = form["mixture"].replace("&#34;", '"')
        assert '"natural"' in form["mixture"]
        with web.client() as api:
            newest = api.recipes.get(mixed)
            again = api.recipes.put(mixed, newest.recipe)
        late = {**form, "revision": str(newest.revision), "csrf": csrf_of(page)}
        answer = client.post(f"/ui/corpora/{mixed}/mixture", data=late)
        assert answer.status_code == 412
        assert f"it is &#34;mixed-{again.revision}&#34; now" in answer.text
        for wrong in ({"mixture": "{"}, {"mixture": '{"scheme": "some"}'}, {"revision": "x"}):
            assert client.post(f"/ui/corpora/{mixed}/mixture", data={**late, **wrong}).status_code == 422


def test_a_viewer_can_try_and_not_save(web: Site, mixed: str) -> None:
    with logged_in(web, "viewer") as client:
        page = client.get(f"/ui/corpora/{mixed}/mixture", params={"scheme": "natural"}).text
        assert "What the copy would change" in page
        assert "Save as" not in page
        form = {"mixture": "{}", "recipe": mixed, "revision": "1", "number": "1", "csrf": csrf_of(page)}
        assert client.post(f"/ui/corpora/{mixed}/mixture", data=form).status_code == 403


def test_it_works_without_scripts(plain: Visitor) -> None:
    page = plain.log_in("viewer")
    plain.go(PAGE)
    assert page.locator("#shares tbody tr").count() == 3
    page.select_option("select[name='scheme']", "natural")
    page.click("text=See the effect")
    page.wait_for_url("**scheme=natural**")
    assert page.locator("#effect-caption").inner_text() == "What the copy would change"


def test_a_corpus_without_counted_tokens_says_so(web: Site) -> None:
    uncounted = {"name": "uncounted", "output": "corpora/uncounted", "sources": RECIPE["sources"][:1]}
    with web.client() as client:
        client.recipes.put("uncounted", {**uncounted, "stages": [{"kind": "exact_dedup"}]})
        finish(client, {"recipe_name": "uncounted"})
        parts = client.corpora.mixture("uncounted").parts
    with logged_in(web) as client:
        page = client.get("/ui/corpora/uncounted/mixture").text
    assert "add {kind: tokens}" in page
    assert "See the effect" not in page
    rows = exported(web, "/ui/corpora/uncounted/mixture", "shares")
    assert [row["bytes"] for row in rows[:-1]] == [part.bytes for part in parts]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ui/corpora/nobody/mixture", 404),
        (f"{PAGE}?version=99", 404),
        (f"{PAGE}?version=nightly", 404),
        (f"{PAGE}?version=-1", 422),
    ],
)
def test_what_is_not_there_says_so(web: Site, path: str, status: int) -> None:
    with logged_in(web) as client:
        answer = client.get(path)
    assert answer.status_code == status
    assert '<p class="notice bad" role="alert">' in answer.text


@pytest.mark.parametrize("query", ["", "?scheme=fixed&weight.crawl=1&weight.mail=x", "?scheme=unimax&max_epochs=2"])
def test_nothing_keeps_people_from_using_it(visitor: Visitor, axe: str, query: str) -> None:
    visitor.log_in()
    visitor.go(PAGE + query)
    assert visitor.serious(axe) == []
