"""Recipes in the dashboard: edited, checked, saved, compared, previewed, run."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from services.dashboard.recipe_text import write_recipe
from services.dashboard.text import count
from services.identity.principal import Permission, Role
from services.schedules.schedule import NewSchedule
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.site import RECIPE, Site
from tests.services.dashboard.test_entrance import csrf_of, logged_in


@pytest.fixture
def name(web: Site, request: pytest.FixtureRequest) -> str:
    """A recipe that is this test's own."""
    own = re.sub(r"[^a-z]+", "-", request.node.name.removeprefix("test_"))[:60].strip("-")
    with web.client() as client:
        client.recipes.put(own, body_of(own), note="as it began")
    return own


def body_of(name: str, **changes: Any) -> dict[str, Any]:
    stages = [{"kind": "gopher_quality"}, {"kind": "exact_dedup"}]
    sources = [{"name": "crawl", "uri": "raw/crawl/*.jsonl"}]
    return {"name": name, "output": f"corpora/{name}", "sources": sources, "stages": stages, **changes}


def stored(web: Site, name: str) -> tuple[int, dict[str, Any]]:
    with web.client() as client:
        found = client.recipes.get(name)
    return found.revision, found.recipe


def send(client: httpx2.Client, page: str, **fields: str) -> httpx2.Response:
    """The form of a page."""
    return client.post(page, data={"csrf": csrf_of(client.get("/ui/recipes").text), **fields})


def test_a_recipe_is_edited_checked_and_saved(visitor: Visitor, name: str) -> None:
    visitor.log_in("editor")
    page = visitor.go(f"/ui/recipes/{name}")
    assert page.locator("#yaml").input_value() == write_recipe(body_of(name))
    wrong = write_recipe(body_of(name)).replace("- kind: gopher_quality", "- kind: gopher_quality\n    min_wrods: 80")
    page.fill("#yaml", wrong)
    problem = page.locator("#check .findings li")
    expect(problem).to_contain_text("stages.0.min_wrods")
    expect(problem).to_contain_text("did you mean min_words?")
    expect(problem).to_contain_text("line 8")
    problem.locator("a").click()
    assert page.evaluate("getSelection().toString()") == "    min_wrods: 80"
    page.fill("#yaml", wrong.replace("wrods", "words"))
    expect(page.locator("#check .notice.good")).to_be_visible()
    assert page.locator("#check ins").all_inner_texts() == ["+    min_words: 80"]
    assert stored(visitor.site, name)[0] == 1, "nothing is stored by looking"
    page.fill("[name=note]", "longer ones")
    page.click("button:has-text('Save')")
    expect(page.locator("[role=status]")).to_contain_text(f"{name} is at revision 2")
    expect(page.locator("main")).to_contain_text("longer ones")
    revision, body = stored(visitor.site, name)
    assert (revision, body["stages"][0]["min_words"]) == (2, 80)


def test_beside_the_editor_is_what_a_stage_may_be_told(visitor: Visitor, name: str) -> None:
    visitor.log_in("editor")
    page = visitor.go(f"/ui/recipes/{name}")
    page.click("aside >> text=minhash_dedup")
    expect(page.locator("#stage")).to_contain_text("min_similarity")
    expect(page.locator("#stage")).to_contain_text("number, above 0, at most 1; default 0.7")
    page = visitor.go("/ui/stages/minhash_dedup")
    assert "min_similarity" in page.inner_text("#options")


def test_without_scripts_a_recipe_is_made_checked_and_saved(plain: Visitor, web: Site) -> None:
    page = plain.log_in("editor")
    plain.go("/ui/new/recipe")
    page.fill("#yaml", write_recipe(body_of("scriptless", stages=[{"kind": "gofer"}])))
    page.click("button:has-text('Check')")
    assert "unknown stage 'gofer'" in page.inner_text("#check")
    page.fill("#yaml", write_recipe(body_of("scriptless")))
    page.click("button:has-text('Save')")
    page.wait_for_url("**/ui/recipes/scriptless")
    assert stored(web, "scriptless") == (1, body_of("scriptless"))
    page.fill("#yaml", write_recipe(body_of("scriptless", stages=[{"kind": "exact_dedup"}])))
    page.click("button:has-text('Check')")
    assert page.locator("#check del").all_inner_texts() == ["-  - kind: gopher_quality"]
    page.click("button:has-text('Delete')")
    page.wait_for_url("**/ui/recipes")
    assert "scriptless is forgotten" in page.inner_text("main")
    plain.wrong = [said for said in plain.wrong if "422" not in said]  # the browser's own line about the status


def test_a_wrong_recipe_is_not_stored(web: Site, name: str) -> None:
    with logged_in(web, "editor") as client:
        wrong = write_recipe(body_of(name, stages=[{"kind": "gopher_quality", "min_words": -1}]))
        answer = send(client, f"/ui/recipes/{name}", yaml=wrong, revision="1")
        assert answer.status_code == 422
        assert "stages.0.min_words" in answer.text
        assert "line 8" in answer.text
        assert "min_words: -1" in answer.text, "what was written is still there"
        outside = write_recipe(body_of(name, output="/etc/corpus"))
        answer = send(client, f"/ui/recipes/{name}", yaml=outside, revision="1")
        assert answer.status_code == 422
        assert "<code>output</code>" in answer.text
        for bomb in ("a: &a [x]\nb: *a\n", "name: [", "x" * 200_000):
            assert send(client, f"/ui/recipes/{name}", yaml=bomb, revision="1").status_code == 422
            assert send(client, f"/ui/recipes/{name}/check", yaml=bomb).status_code == 200
        for other in ("", "- a\n", "name: {a: 1}\n", "name: mine/yours\n"):
            answer = send(client, "/ui/new/recipe", yaml=other)
            assert answer.status_code == 422
            assert other in html.unescape(answer.text), "what was written is still there"
    assert stored(web, name)[0] == 1


def test_who_saved_meanwhile_is_told(web: Site, name: str) -> None:
    mine = write_recipe(body_of(name, stages=[{"kind": "pii"}]))
    with web.client() as somebody:
        somebody.recipes.put(name, body_of(name, stages=[{"kind": "secrets"}]), note="theirs")
    with logged_in(web, "editor") as client:
        answer = send(client, f"/ui/recipes/{name}", yaml=mine, revision="1", note="mine")
        assert answer.status_code == 412
        assert "has saved revision 2" in answer.text
        assert "theirs" in answer.text
        assert "<del>-  - kind: secrets</del><ins>+  - kind: pii</ins>" in answer.text
        assert stored(web, name)[1]["stages"] == [{"kind": "secrets"}]
        assert 'name="revision" value="2"' in answer.text
        assert send(client, f"/ui/recipes/{name}", yaml=mine, revision="2", note="mine").status_code == 303
    assert stored(web, name) == (3, body_of(name, stages=[{"kind": "pii"}]))


def test_what_says_the_same_is_no_revision_and_a_taken_name_is_refused(web: Site, name: str) -> None:
    with logged_in(web, "editor") as client:
        same = f"# a comment\n{write_recipe(body_of(name))}"
        assert send(client, f"/ui/recipes/{name}", yaml=same, revision="1").status_code == 303
        answer = send(client, "/ui/new/recipe", yaml=write_recipe(body_of(name)))
        assert answer.status_code == 412
        assert "there is a recipe" in answer.text
        assert "Comments are not kept" in send(client, f"/ui/recipes/{name}/check", yaml=same).text
        assert f"name: {name}-copy" in client.get(f"/ui/new/recipe?like={name}").text
    assert stored(web, name)[0] == 1


def test_revisions_are_compared_and_restored(visitor: Visitor, name: str) -> None:
    with visitor.site.client() as client:
        client.recipes.put(name, body_of(name, stages=[{"kind": "gopher_quality", "min_words": 9}]), note="second")
        client.recipes.put(name, body_of(name, stages=[{"kind": "pii"}]), note="third")
        expected = client.recipes.diff(name, 1, 2)
    page = visitor.log_in("editor")
    visitor.go(f"/ui/recipes/{name}/revisions?before=1&after=2")
    shown = page.locator("#changes tbody tr").all()
    assert [row.locator("td").first.inner_text() for row in shown] == [change.path for change in expected.changes]
    assert page.locator("ins").all_inner_texts() == ["+    min_words: 9"]
    assert page.locator("#revisions tbody tr").count() == 3
    page.click("button:has-text('Restore revision 1')")
    expect(page.locator("[role=status]")).to_contain_text("revision 4, which says what revision 1 said")
    assert stored(visitor.site, name) == (4, body_of(name))


def test_a_preview_says_what_the_api_says(web: Site, name: str) -> None:
    with logged_in(web, "editor") as client, web.client() as api:
        from services.jobs.job import Submission

        expected = api.recipes.preview(Submission(recipe_name=name), sample=50, seed=3)
        address = f"/ui/recipes/{name}/run?sample=50&seed=3&core_hour_price=2"
        shown = client.get(address)
        assert shown.status_code == 200
        assert f"<dd>{count(expected.estimate.documents)}</dd>" in shown.text
        assert "Cost" in shown.text
        funnel = client.get(f"{address}&table=funnel&export=json").json()
        assert [(row["stage"], row["documents_in"], row["documents_out"], row["low"]) for row in funnel] == [
            (step.stage, step.documents_in, step.documents_out, step.left.low) for step in expected.steps
        ]
        for wrong in ("sample=x", "sample=1&seed=-1", "sample=9999"):
            answer = client.get(f"/ui/recipes/{name}/run?{wrong}")
            assert answer.status_code == 422
            assert 'role="alert"' in answer.text


def test_a_run_is_submitted_held_and_approved(visitor: Visitor, name: str) -> None:
    page = visitor.log_in("operator")
    visitor.go(f"/ui/recipes/{name}/run")
    page.select_option("[name=mode]", "run")
    page.check("[name=hold]")
    page.click("summary:has-text('More')")
    page.fill("[name=labels]", "team=search, night=1")
    page.click("button:has-text('Run')")
    page.wait_for_url("**/ui/jobs/job_*")
    job_id = page.url.rpartition("/")[2]
    with visitor.site.client() as client:
        job = client.jobs.get(job_id)
        assert (job.recipe_name, job.hold, job.labels) == (name, True, {"team": "search", "night": "1"})
        expect(page.locator("main")).to_contain_text("HELD", timeout=60_000)
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Approve").click()
        assert client.jobs.wait(job_id).state == "SUCCEEDED"
    visitor.go("/ui/recipes")
    row = page.locator("#recipes tbody tr", has_text=name)
    expect(row).to_contain_text("SUCCEEDED")
    expect(row.locator(f"a[href='/ui/corpora/{name}']")).to_be_visible()


def test_a_form_that_is_sent_twice_makes_one_job(web: Site, name: str) -> None:
    with logged_in(web, "editor") as client:
        made = [send(client, f"/ui/recipes/{name}/run", mode="run", key="one") for _ in range(2)]
        assert {answer.headers["location"] for answer in made} == {made[0].headers["location"]}
        other = send(client, f"/ui/recipes/{name}/run", mode="run", key="one", priority="7")
        assert other.status_code == 422, "the same key with another job"
        answer = send(client, f"/ui/recipes/{name}/run", mode="run", key="two", workers="none")
        assert answer.status_code == 422
        assert "<code>workers</code>" in answer.text
        assert 'value="none"' in answer.text
    with web.client() as api:
        jobs = [job for job in api.jobs.list() if job.recipe_name == name]
        assert len(jobs) == 1
        api.jobs.wait(jobs[0].id)


def test_the_revision_that_was_shown_is_run(web: Site, name: str) -> None:
    with logged_in(web, "editor") as client, web.client() as api:
        page = client.get(f"/ui/recipes/{name}/run").text
        assert "Run revision 1" in page
        (shown,) = re.findall(r'name="recipe_revision"[^>]* value="([^"]*)"', page)
        api.recipes.put(name, body_of(name, stages=[{"kind": "pii"}]), note="saved meanwhile")
        answer = send(client, f"/ui/recipes/{name}/run", mode="run", key="shown", recipe_revision=shown)
        job = api.jobs.get(answer.headers["location"].rpartition("/")[2])
        assert job.recipe_revision == 1
        api.jobs.wait(job.id)


def test_a_recipe_of_a_day_asks_which(web: Site, name: str) -> None:
    with web.client() as api:
        sources = [{"name": "crawl", "uri": "raw/crawl/${occurrence:%d}.jsonl"}]
        api.recipes.put(name, body_of(name, sources=sources))
    with logged_in(web, "editor") as client:
        assert "Occurrence, in UTC" in client.get(f"/ui/recipes/{name}/run").text
        answer = send(client, f"/ui/recipes/{name}/run", mode="run", key="of a day")
        assert answer.status_code == 422
        assert "occurrence" in answer.text


def test_a_viewer_reads_and_does_nothing(web: Site, name: str) -> None:
    with logged_in(web, "viewer") as client:
        shown = client.get(f"/ui/recipes/{name}").text
        assert "readonly" in shown
        main = shown.partition("<main")[2]
        assert "<button" not in main
        assert "/run" not in main
        assert "New recipe" not in client.get("/ui/recipes").text
        assert "<button>Compare" in client.get(f"/ui/recipes/{name}/revisions").text
        assert client.get("/ui/new/recipe").status_code == 403
        assert client.get(f"/ui/recipes/{name}/run").status_code == 403
        pages = (name, f"{name}/check", f"{name}/delete", f"{name}/restore", f"{name}/run")
        for page in pages:
            answer = send(client, f"/ui/recipes/{page}", yaml="name: x", revision="1", newest="1", key="x")
            assert answer.status_code == 403, page
    assert stored(web, name)[0] == 1


def test_a_narrow_key_sees_only_what_the_api_shows_it(web: Site, name: str) -> None:
    with web.client() as api:
        narrow = {
            scope: api.keys.create(scope.value.replace(":", "-"), Role.ADMIN, scopes=[scope]).secret
            for scope in (Permission.RECIPES_READ, Permission.RECIPES_WRITE, Permission.SCHEDULES_WRITE)
        }
        new = NewSchedule(name=name, recipe_name=name, cron="0 3 * * *", timezone="UTC")
        made = api.schedules.create(new)
    for scope, address, status in (
        (Permission.RECIPES_READ, "/ui/recipes", 200),
        (Permission.RECIPES_WRITE, "/ui/new/recipe", 200),
        (Permission.RECIPES_WRITE, f"/ui/new/recipe?like={name}", 403),
        (Permission.SCHEDULES_WRITE, "/ui/new/schedule", 200),
        (Permission.SCHEDULES_WRITE, f"/ui/schedules/{made.name}/edit", 403),
    ):
        with httpx2.Client(base_url=web.url) as client:
            client.post("/ui/login", data={"key": narrow[scope]})
            answer = client.get(address)
        assert answer.status_code == status, address
        assert (name in answer.text) == (address == "/ui/recipes"), address
        assert "Last job" not in answer.text


def test_what_is_not_there_says_so(web: Site, name: str) -> None:
    with logged_in(web) as client:
        assert client.get("/ui/recipes/nothing").status_code == 404
        assert client.get(f"/ui/recipes/{name}?revision=9").status_code == 404
        assert client.get(f"/ui/recipes/{name}?revision=x").status_code == 422
        assert client.get(f"/ui/recipes/{name}/revisions?after=9").status_code == 404
        assert client.get("/ui/recipes/nothing/run").status_code == 404
        assert client.get("/ui/stages/nothing").status_code == 404
        assert client.get("/ui/recipes/..%2Fx").status_code == 404


def test_the_list_is_exported(web: Site, name: str) -> None:
    with logged_in(web, "viewer") as client:
        rows = client.get("/ui/recipes?table=recipes&export=json").json()
    with web.client() as api:
        assert [(row["name"], row["revision"]) for row in rows] == [
            (recipe.name, recipe.revision) for recipe in api.recipes.list()
        ]
    (row,) = [row for row in rows if row["name"] == name]
    assert row["note"] == "as it began"
    assert RECIPE["name"] in {row["corpus"] for row in rows}


def test_everybody_can_use_a_preview(visitor: Visitor, name: str, axe: str) -> None:
    visitor.log_in("editor")
    visitor.look(f"/ui/recipes/{name}/run?sample=40", axe)
