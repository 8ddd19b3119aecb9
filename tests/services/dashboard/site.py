"""A service with a corpus worth looking at: several sources, duplicates, personal data, hostile texts, two nights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.client import Client
from services.identity.principal import Role
from services.jobs.job import Submission
from tests.services.dashboard.hostile import HOSTILE
from tests.services.served import Served, serving
from tests.texts import essay, sentences, write_jsonl

RECIPE: dict[str, Any] = {
    "name": "web",
    "output": "corpora/web",
    "sources": [
        {"name": "crawl", "uri": "raw/crawl/*.jsonl"},
        {"name": "mail", "uri": "raw/mail/*.jsonl"},
        {"name": "hostile", "uri": "raw/hostile/*.jsonl"},
    ],
    "stages": [
        {"kind": "language", "keep": ["en"], "min_score": 0.3},
        {"kind": "gopher_quality"},
        {"kind": "pii"},
        {"kind": "tokens"},
        {"kind": "exact_dedup"},
        {"kind": "minhash_dedup"},
    ],
    "mixture": {"scheme": "temperature", "temperature": 2.0, "by": "source", "max_epochs": 4},
}
"""Hostile documents are kept as they are: the language's threshold is low, and no rule of theirs looks at markup."""


@dataclass
class Site:
    """A running service, its corpus `web` with two versions, and keys of every role."""

    served: Served
    keys: dict[str, str]

    @property
    def url(self) -> str:
        return self.served.url

    def client(self) -> Client:
        return self.served.client()


def write_night(folder: Path, night: int) -> None:
    """One night's input: essays, near and exact copies of them, texts that are too short, mail with addresses."""
    first = 60 * night
    essays = [essay(seed, 24) for seed in range(first, first + 40)]
    rows = [
        {"id": f"crawl-{first + n}", "text": text, "url": f"https://example.org/{n}"} for n, text in enumerate(essays)
    ]
    rows += [{"id": f"copy-{first + n}", "text": essays[n]} for n in range(6)]
    rows += [{"id": f"near-{first + n}", "text": f"{essays[n]}\n{sentences(900 + n, 1)[0]}"} for n in range(6, 14)]
    rows += [{"id": f"short-{first + n}", "text": f"Only {n} words here."} for n in range(12)]
    write_jsonl(folder / f"raw/crawl/{night}.jsonl", rows)
    mail = [
        {"id": f"mail-{first + n}", "text": f"{essay(3000 + first + n, 20)}\nWrite to person{n}@example-company.net."}
        for n in range(12)
    ]
    write_jsonl(folder / f"raw/mail/{night}.jsonl", mail)


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """The service, until the end of the block."""
    write_night(folder, 0)
    write_jsonl(
        folder / "raw/hostile/0.jsonl",
        [{"id": f"hostile-{n}", "text": text} for n, text in enumerate(HOSTILE)],
    )
    with serving(folder) as served:
        keys = {"admin": served.key}
        with served.client() as client:
            for role in (Role.VIEWER, Role.EDITOR, Role.OPERATOR):
                keys[role.value] = client.keys.create(role.value, role).secret
            client.recipes.put("web", RECIPE)
            finish(client, {"recipe_name": "web"})
            write_night(folder, 1)
            finish(client, {"recipe_name": "web", "mode": "refresh"})
        yield Site(served, keys)


def finish(client: Client, submission: dict[str, Any]) -> Any:
    """A job that is submitted and has succeeded."""
    job = client.jobs.submit(Submission(**submission))
    ended = client.jobs.wait(job.id)
    assert ended.state == "SUCCEEDED", ended.message
    return ended
