"""The corpus that the figures are about, and the recipe over it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from curation.pipeline import curate
from curation.recipe import Recipe, load_recipe, validate_recipe
from curation.runner.runner import Runner

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
SHARDS = Path(__file__).resolve().parents[2] / "shared" / "data" / "shards"
WARM = "company-docs"
"""English, so that every stage meets some of it, and small."""


def recipe(shards: Path, output: str, registry: str | None = None) -> Recipe:
    """The FineWeb recipe of the repository over these sources' shards; with a registry of benchmarks, personal data is
    redacted before everything else, and their items are looked for behind the rules."""
    named = ", ".join(f"{{name: {source}, uri: '{shards}/{source}/*'}}" for source in SOURCES)
    path = Path(__file__).resolve().parent.parent / "recipes/fineweb.yaml"
    plain = load_recipe(path, [f"sources=[{named}]", f"output={output}"])
    if registry is None:
        return plain
    stages = [stage.model_dump(mode="json") for stage in plain.stages]
    behind = next(index for index, stage in enumerate(stages) if stage["kind"] == "exact_dedup")
    items = {"kind": "contamination", "registry": registry}
    more = [{"kind": "pii"}, *stages[:behind], items, *stages[behind:]]
    return validate_recipe({**plain.model_dump(mode="json"), "stages": more})


def load_kernels(recipe: Recipe, output: str, runner: Runner) -> None:
    """Run the recipe over one source, so that kernels, models and indexes are loaded when the clock starts."""
    only = tuple(source for source in recipe.sources if source.name == WARM)
    curate(recipe.model_copy(update={"sources": only, "output": output}), runner)


def read(source: str, language: str) -> Iterator[str]:
    """The texts of a source of ../shared/data that are labelled with this language."""
    for path in sorted((SHARDS / source).iterdir()):
        for line in pa.input_stream(str(path), compression="detect").read().splitlines():
            record = json.loads(line)
            if record["lang"] == language:
                yield record["text"]
