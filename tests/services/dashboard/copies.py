"""A corpus `copies` of its own beside the site's: clusters of several sizes, hostile ids, a file that has changed."""

from __future__ import annotations

from typing import Any

from tests.services.dashboard.hostile import HOSTILE
from tests.services.dashboard.site import Site, finish
from tests.texts import edited, essay, write_jsonl

IDS = ("../..", ".", "<script>window.attacked=1</script>", "=1+1", "a b/c?d#e&f", "\u202eright")
"""Ids of documents that have copies."""
RECIPE: dict[str, Any] = {
    "name": "copies",
    "output": "corpora/copies",
    "sources": [
        {"name": "books", "uri": "raw/copies/books.jsonl"},
        {"name": "web", "uri": "raw/copies/web.jsonl"},
        {"name": "gone", "uri": "raw/copies/gone.jsonl"},
    ],
    "stages": [
        {"kind": "gopher_quality", "min_words": 60},
        {"kind": "pii"},
        {"kind": "exact_dedup"},
        {"kind": "minhash_dedup", "keep": "best_quality", "quality": "gopher_quality.words"},
    ],
}


def make_copies(web: Site) -> None:
    """`book-0` has seven near copies in `web`, `book-1` one copy in `gone`, whose file has changed since."""
    folder = web.served.folder / "raw/copies"
    books = [{"id": f"book-{n}", "text": essay(500 + n, 24)} for n in range(8)]
    books += [{"id": id_, "text": essay(600 + n, 24)} for n, id_ in enumerate(IDS)]
    books += [{"id": "twice", "text": essay(650, 24)}, {"id": "twice", "text": essay(651, 24)}]
    copies = [{"id": f"near-{n}", "text": edited(essay(500, 24), n, 3)} for n in range(7)]
    copies += [{"id": f"of {n}", "text": essay(600 + n, 24)} for n in range(len(IDS))]
    copies += [{"id": "of twice", "text": essay(651, 24)}, {"id": "short", "text": "Too short."}]
    copies += [{"id": "letter", "text": f"{essay(502, 24)}\nWrite to a@example-company.net. {HOSTILE[0]}"}]
    write_jsonl(folder / "books.jsonl", books)
    write_jsonl(folder / "web.jsonl", copies)
    gone = folder / "gone.jsonl"
    write_jsonl(gone, [{"id": "lost", "text": edited(essay(501, 24), 1, 3)}])
    with web.client() as client:
        client.recipes.put("copies", RECIPE)
        finish(client, {"recipe_name": "copies"})
    write_jsonl(gone, [{"id": "lost", "text": "Something else."}])
