"""The corpus that the figures are about, and the recipe over it."""

from __future__ import annotations

from pathlib import Path

from curation.recipe import Recipe, load_recipe

SOURCES = (
    "wikipedia",
    "company-docs",
    "books",
    "debian-docs",
    "mail-spamassassin",
    "debian-man",
    "contracts-edgar",
    "licences-debian",
    "udhr",
)


def recipe(shards: Path, output: str) -> Recipe:
    """The FineWeb recipe of the repository over these sources' shards."""
    named = ", ".join(f"{{name: {source}, uri: '{shards}/{source}/*'}}" for source in SOURCES)
    path = Path(__file__).resolve().parent.parent / "recipes/fineweb.yaml"
    return load_recipe(path, [f"sources=[{named}]", f"output={output}"])
