"""Pictures of the dashboard, of a service that is made for them: `make screenshots`. The texts in them are ours.

Needs Debian's `chromium`, which tests/install_debian.sh installs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from services.schedules.schedule import NewSchedule
from tests.services.dashboard.conftest import ARGUMENTS, chromium_path
from tests.services.dashboard.site import Site, site

FOLDER = Path(__file__).parent / "dashboard"
WIDTH, HEIGHT = 1280, 860
PICTURES = {
    "overview": "/ui/",
    "job": "/ui/jobs/{job}",
    "corpus": "/ui/corpora/web",
    "funnel": "/ui/corpora/web/funnel?version=1",
    "samples": "/ui/corpora/web/funnel/{reason}?version=1",
    "mixture": "/ui/corpora/web/mixture",
    "diff": "/ui/corpora/web/diff",
    "duplicates": "/ui/corpora/web/duplicates",
    "cluster": "/ui/corpora/web/duplicates/cluster?id=near-6&source=crawl",
    "explain": "/ui/corpora/web/explain?id=crawl-0",
    "what-if": "/ui/corpora/web/what-if?of=stages.gopher_quality.min_words",
    "privacy": "/ui/corpora/web/privacy",
    "recipe": "/ui/recipes/web",
    "schedules": "/ui/schedules",
}
"""A page of each kind, by its picture's name."""
DARK = ("funnel",)
"""Pages that are also shown dark."""
NARROW = ("overview",)
"""Pages that are also shown as on a telephone."""


def main() -> None:
    """Write the pictures to docs/dashboard."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, site(Path(folder)) as made, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB", timezone_id="UTC")
        log_in(page, made)
        known = found(made)
        for name, address in PICTURES.items():
            take(page, made, name, address.format(**known))
        page.emulate_media(color_scheme="dark")
        for name in DARK:
            take(page, made, f"{name}-dark", PICTURES[name].format(**known))
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 390, "height": 844})
        for name in NARROW:
            take(page, made, f"{name}-narrow", PICTURES[name].format(**known))
        browser.close()


def found(made: Site) -> dict[str, str]:
    """What the addresses leave open. A schedule is made, so that there is something to come."""
    with made.client() as client:
        client.schedules.create(NewSchedule(name="nightly", recipe_name="web", cron="0 3 * * *", timezone="UTC"))
        job = next(job for job in client.jobs.list() if job.recipe_name == "web")
        reasons = [one.reason for one in client.corpora.reasons("web", 1).reasons]
    return {"job": job.id, "reason": next(one for one in reasons if one.startswith("gopher_quality."))}


def log_in(page: Page, made: Site) -> None:
    """As whoever may everything."""
    page.goto(f"{made.url}/ui/login")
    page.fill("#key", made.keys["admin"])
    page.click("main button")
    page.wait_for_url("**/ui/")


def take(page: Page, made: Site, name: str, address: str) -> None:
    """The part of a page that a screen shows."""
    page.goto(made.url + address, wait_until="networkidle")
    page.screenshot(path=FOLDER / f"{name}.png")
    print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
