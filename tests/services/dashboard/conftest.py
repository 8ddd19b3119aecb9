"""A real Chromium over a real service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.services.dashboard.site import Site, site

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]


def chromium_path() -> str | None:
    """Where the browser is; None where it is not."""
    return shutil.which("chromium")


@pytest.fixture(scope="package")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service with its corpus; tests that change it use what is their own."""
    with site(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser; the test is skipped, loudly, where Debian's `chromium` is not installed. No longer than its tests:
    while its driver is there, an event loop runs in this thread, and nobody else can run one."""
    path = chromium_path()
    if path is None:
        pytest.skip("DASHBOARD NOT TESTED IN A BROWSER: found no chromium; tests/install_debian.sh installs it")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """Somebody with a browser, who is told of everything that must not happen: errors, violations of the content's
    policy, requests to other hosts."""

    def __init__(self, browser: Browser, site: Site, *, scripts: bool = True) -> None:
        self.site = site
        self.wrong: list[str] = []
        self._context = browser.new_context(
            viewport={"width": 1280, "height": 900},
            java_script_enabled=scripts,
            locale="en-GB",
            timezone_id="UTC",
        )
        self.page: Page = self._context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", self._asked)

    def log_in(self, role: str = "admin") -> Page:
        """With the key of a role; the page is then the overview."""
        self.go("/ui/login")
        self.page.fill("#key", self.site.keys[role])
        self.page.click("main button")
        self.page.wait_for_url("**/ui/")
        return self.page

    def go(self, path: str, status: int = 200) -> Page:
        """A page of the site, wholly loaded."""
        answer = self.page.goto(self.site.url + path)
        assert answer is not None
        assert answer.status == status, (path, answer.status, self.page.inner_text("body")[:500])
        return self.page

    def look(self, path: str, axe: str) -> None:
        """At a page on a large and a small screen, light and dark. Raises AssertionError where it is wider than the
        screen, or axe finds what keeps people from using it."""
        for width in (1280, 390):
            self.page.set_viewport_size({"width": width, "height": 900})
            for scheme in ("light", "dark"):
                self.page.emulate_media(color_scheme=scheme)
                self.go(path)
                assert self.page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider"
                assert self.serious(axe) == [], path

    def serious(self, axe: str) -> list[tuple[str, str]]:
        """What keeps people from using the page as it is: axe's rule, and the first element that breaks it."""
        self.page.evaluate(axe)
        found = self.page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in {"serious", "critical"}]

    def leave(self) -> None:
        """Raises AssertionError where anything was wrong."""
        attacked = not self.page.is_closed() and self.page.evaluate("Boolean(window.attacked)")
        self._context.close()
        assert not attacked, "a document's script was executed"
        assert self.wrong == []

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(f"console: {message.text} ({message.location.get('url')})")

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.site.url).netloc and not request.url.startswith("data:"):
            self.wrong.append(f"request to {request.url}")


@pytest.fixture
def visitor(chromium: Browser, web: Site) -> Iterator[Visitor]:
    """Somebody who is not logged in; what went wrong meanwhile fails the test."""
    made = Visitor(chromium, web)
    yield made
    made.leave()


@pytest.fixture
def plain(chromium: Browser, web: Site) -> Iterator[Visitor]:
    """Somebody whose browser runs no scripts."""
    made = Visitor(chromium, web, scripts=False)
    yield made
    made.leave()


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core, which looks for what keeps people from using a page."""
    from services.dashboard.vendor import TESTS

    return (Path(TESTS) / "axe.js").read_text()
