"""Who is let in, and how."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from services.dashboard.pages import SAID
from services.dashboard.recipe_text import write_recipe
from services.dashboard.session import COOKIE, CSRF_HEADER, Seals
from services.identity.principal import Role
from tests.services.dashboard.conftest import Visitor
from tests.services.dashboard.site import RECIPE, Site


@contextmanager
def logged_in(web: Site, role: str = "admin") -> Iterator[httpx2.Client]:
    """Somebody without a browser, who has logged in."""
    with httpx2.Client(base_url=web.url) as client:
        assert client.post("/ui/login", data={"key": web.keys[role]}).status_code == 303
        yield client


def csrf_of(page: str) -> str:
    return page.partition('name="csrf" value="')[2].partition('"')[0]


def test_somebody_logs_in_and_out(visitor: Visitor) -> None:
    page = visitor.go("/ui/jobs?state=HELD")
    assert page.url.endswith("/ui/login?next=/ui/jobs%3Fstate%3DHELD")
    page.fill("#key", visitor.site.keys["viewer"])
    page.click("main button")
    page.wait_for_url("**/ui/jobs?state=HELD")
    assert page.locator("h1").inner_text() == "Jobs"
    (cookie,) = [one for one in page.context.cookies() if one["name"] == COOKIE]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert visitor.site.keys["viewer"] not in cookie["value"]
    page.click("text=Log out")
    page.wait_for_url("**/ui/login")
    visitor.go("/ui/")
    assert "/ui/login" in page.url


def test_a_wrong_key_is_refused(web: Site) -> None:
    answer = httpx2.post(f"{web.url}/ui/login", data={"key": "cur_wrong"})
    assert answer.status_code == 401
    assert "no key that is valid" in answer.text
    assert COOKIE not in answer.cookies


@pytest.mark.parametrize(
    "address", ["//outside.example/ui/", "https://outside.example/ui/x", "/v1/jobs", "/ui/\\@x", "//[", "/ui/\t/x"]
)
def test_nobody_is_led_elsewhere(web: Site, address: str) -> None:
    answer = httpx2.post(f"{web.url}/ui/login", data={"key": web.keys["viewer"], "next": address})
    assert answer.headers["location"] == "/ui/"


def test_a_long_address_is_not_gone_back_to(web: Site) -> None:
    answer = httpx2.get(f"{web.url}/ui/jobs?recipe={'x' * 3000}")
    assert answer.headers["location"] == "/ui/login?next=/ui/"


def test_only_the_login_itself_is_open(web: Site) -> None:
    assert httpx2.get(f"{web.url}/ui/logins").headers["location"] == "/ui/login?next=/ui/logins"
    assert httpx2.post(f"{web.url}/ui/login", data={"key": "x" * 20_000}).status_code == 413


def test_a_cookie_counts_under_its_own_name() -> None:
    seals = Seals(b"secret")
    sealed = seals.seal("one", {"a": 1})
    assert seals.open("one", sealed) == {"a": 1}
    assert seals.open("another", sealed) is None


def test_what_was_said_is_no_session(web: Site) -> None:
    with logged_in(web, "editor") as client:
        client.post("/ui/recipes/web", data={"csrf": csrf_of(client.get("/ui/").text), "yaml": write_recipe(RECIPE)})
        said = client.cookies[SAID]
    assert httpx2.get(f"{web.url}/ui/", headers={"Cookie": f"{COOKIE}={said}"}).status_code == 303


def test_a_form_of_another_site_does_nothing(web: Site) -> None:
    with logged_in(web) as client:
        token = csrf_of(client.get("/ui/").text)
        assert client.post("/ui/logout", data={}).status_code == 403
        assert client.post("/ui/logout", data={"csrf": "x" * 64}).status_code == 403
        other = {CSRF_HEADER: token, "Sec-Fetch-Site": "cross-site"}
        assert client.post("/ui/logout", headers=other).status_code == 403
        with logged_in(web, "viewer") as somebody:
            theirs = csrf_of(somebody.get("/ui/").text)
        assert client.post("/ui/logout", data={"csrf": theirs}).status_code == 403
        assert client.post("/ui/logout", data={"csrf": token}).status_code == 303


def test_a_session_ends_with_its_key(web: Site) -> None:
    with web.client() as admin:
        made = admin.keys.create("passing", Role.VIEWER)
        with httpx2.Client(base_url=web.url) as client:
            client.post("/ui/login", data={"key": made.secret})
            assert client.get("/ui/").status_code == 200
            admin.keys.revoke(made.key.id)
            assert client.get("/ui/").headers["location"].startswith("/ui/login")


def test_a_cookie_opens_no_api_and_a_changed_one_nothing(web: Site) -> None:
    with logged_in(web) as client:
        assert client.get("/v1/jobs").status_code == 401
        sealed = client.cookies[COOKIE]
        body, _, seal = sealed.rpartition(".")
        for changed in (f"{body[:-2]}AA.{seal}", f"{body}.{seal[:-1]}0", "", "x", f"{body}.ü"):
            answer = httpx2.get(f"{web.url}/ui/", headers={b"Cookie": f"{COOKIE}={changed}".encode()})
            assert answer.status_code == 303


def test_every_page_may_load_nothing_from_elsewhere(web: Site) -> None:
    with logged_in(web) as client:
        policy = client.get("/ui/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_what_is_not_there_says_so(visitor: Visitor) -> None:
    visitor.log_in()
    page = visitor.go("/ui/nowhere", status=404)
    assert "there is no page /ui/nowhere" in page.inner_text("main")
    visitor.wrong.clear()  # the browser's own line about the status
