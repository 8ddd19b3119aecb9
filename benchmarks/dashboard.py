"""How long the dashboard's server takes for each page, over a corpus of a million documents and one of many versions.

    .venv/bin/python benchmarks/refresh.py cost --folder FOLDER     # once: makes the corpus, and a second version of it
    .venv/bin/python benchmarks/dashboard.py FOLDER [--versions 300] [--asked 20]

A `curation serve` answers one client. Each page is asked for once first, when it may read every decision, and then so
many times; milliseconds are the client's, of the page without its scripts. A p95 over 150 ms is a non-zero exit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import numpy as np
import pyarrow as pa
from explain import VALUES, make

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from curation.change import Change
from curation.corpus import Corpus
from curation.decision import decision_schema
from tests.services.served import serving

GOAL_MS = 150.0
"""Of the 95th percentile, once a page was asked for."""
OF_A_CORPUS: Mapping[str, str] = {
    "versions": "",
    "funnel": "/funnel",
    "funnel, tokens": "/funnel?unit=tokens",
    "a reason's samples": "/funnel/{reason}",
    "mixture": "/mixture",
    "diff": "/diff",
    "duplicates": "/duplicates",
    "explain": "/explain?id={id}",
    "what-if": "/what-if",
    "what-if, a threshold": "/what-if?of=stages.gopher_quality.min_words",
    "contamination": "/contamination",
    "privacy": "/privacy",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what `refresh.py cost --folder` has made")
    parser.add_argument("--versions", type=int, default=300)
    parser.add_argument("--asked", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        many_versions(folder / "many", asked.versions)
        print(f"made {asked.versions:,} versions: {time.perf_counter() - start:.0f} s")
        roots = f"{folder},{asked.folder.resolve()}"
        with serving(folder, CURATION_ROOTS=roots, CURATION_REQUESTS_PER_MINUTE="1000000") as served:
            with served.client() as client:
                for corpus in ("million", "many"):
                    url = asked.folder.resolve() / "corpus" if corpus == "million" else folder / "many"
                    client.corpora.register(str(url), corpus)
                reason = client.corpora.reasons("million").reasons[0].reason
                [example] = client.corpora.samples("million", reason, limit=1).samples
            with httpx2.Client(base_url=served.url, timeout=300) as browser:
                assert browser.post("/ui/login", data={"key": served.key}).status_code == 303
                slow = [
                    name
                    for corpus, pages in (("million", OF_A_CORPUS), ("many", {"versions": "", "diff": "/diff"}))
                    for name, page in pages.items()
                    if ask(browser, corpus, name, page.format(reason=reason, id=example.id), asked.asked) > GOAL_MS
                ]
                slow += ["overview"] * (ask(browser, "", "overview", "/ui/", asked.asked) > GOAL_MS)
    print(f"over {GOAL_MS:.0f} ms: {', '.join(slow) or 'none'}")
    return 1 if slow else 0


def ask(browser: httpx2.Client, corpus: str, name: str, page: str, times: int) -> float:
    """Ask for a page, and print how long it took; the 95th percentile in milliseconds."""
    address = f"/ui/corpora/{corpus}{page}" if corpus else page
    first, *others = [timed(browser, address) for _ in range(times + 1)]
    p50, p95, worst = np.quantile(others, [0.5, 0.95, 1])
    shown = f"{corpus} {name}".strip()
    print(f"{shown:32} first {first:8.0f} ms   p50 {p50:6.0f}   p95 {p95:6.0f}   worst {worst:6.0f}", flush=True)
    return float(p95)


def timed(browser: httpx2.Client, address: str) -> float:
    """Milliseconds until the page is here."""
    start = time.perf_counter()
    answer = browser.get(address)
    assert answer.status_code == 200, (address, answer.status_code, answer.text[:500])
    return 1000 * (time.perf_counter() - start)


def many_versions(folder: Path, versions: int) -> None:
    """A small corpus that was published so often."""
    first = make(folder, 1000)
    opened = Corpus(str(folder))
    report = opened.report_of(opened.versions()[0])
    schema = decision_schema(pa.schema([(name, pa.float64()) for name in VALUES]))
    for number in range(2, versions + 1):
        changed = {"version": number, "parent": number - 1, "run": f"made-{number}", "created": datetime.now(UTC)}
        opened.publish(first.model_copy(update=changed), report, Change(base=number - 1), schema)


if __name__ == "__main__":
    sys.exit(main())
