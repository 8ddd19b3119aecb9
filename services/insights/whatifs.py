"""What versions would keep under other thresholds, and previews of recipes: bounded, for somebody waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from curation.corpus import Corpus
from curation.manifest import Frozen, Manifest
from curation.recipe import Recipe
from curation.whatif import Curve, Preview, Sweep, Thresholds, WhatIf, curve, preview, sweep, thresholds, what_if
from curation.whatif.swept import sweep_values
from services.errors import Forbidden, Invalid
from services.insights.deadline import Deadline
from services.insights.insights import Insights, Place, answered
from services.insights.memory import Memory, weight

LIMIT_S = 20.0
"""How long an answer may take: less than clients wait."""
MAX_SWEPT = 20
"""How many values are swept at once."""
MAX_DECISIONS = 100_000_000
"""How many decisions are replayed at once: those of the version, times the values."""
REMEMBERED_BYTES = 32 << 20

Confine = Callable[[str, dict[str, Any]], object]
"""Raises Invalid where a recipe's data, of a project's id, names files that are not within the project's roots."""
Answer = TypeVar("Answer", bound=Frozen)


class WhatIfs:
    """Answers are remembered, for versions do not change. Raises as `Insights`, RecipeError and ModelError for
    settings that cannot be replayed, and Invalid for what takes too long here."""

    def __init__(self, insights: Insights, confine: Confine) -> None:
        self._insights = insights
        self._confine = confine
        self._remembered: Memory[Any] = Memory(REMEMBERED_BYTES, weight)

    def thresholds(self, place: Place) -> Thresholds:
        """What can be set to another value."""
        return self._answer(place, "thresholds", (), 0, lambda corpus, _: thresholds(corpus, place[2]))

    def what_if(self, place: Place, settings: Sequence[str], examples: int) -> WhatIf:
        """What the version would keep with these settings."""
        asked = ("what_if", *settings, examples)
        return self._answer(
            place, asked, settings, 1, lambda corpus, go_on: what_if(corpus, settings, place[2], examples, go_on)
        )

    def curve(self, place: Place, of: str, settings: Sequence[str]) -> Curve:
        """What it would keep as a function of one threshold."""
        asked = ("curve", of, *settings)
        return self._answer(
            place, asked, settings, 2, lambda corpus, go_on: curve(corpus, of, settings, place[2], go_on)
        )

    def sweep(self, place: Place, of: str, settings: Sequence[str], examples: int) -> Sweep:
        """What it would keep for each of some values."""
        values = len(sweep_values(of, MAX_SWEPT)[1]) + 1
        asked = ("sweep", of, *settings, examples)
        return self._answer(
            place, asked, settings, values, lambda corpus, go_on: sweep(corpus, of, settings, place[2], examples, go_on)
        )

    def _answer(
        self,
        place: Place,
        asked: object,
        settings: Sequence[str],
        times: int,
        make: Callable[[Corpus, Deadline], Answer],
    ) -> Answer:
        of = self._insights.look(place)
        check_files(self._confine, place[0], of.manifest)
        _check_size(of.manifest, times)
        deadline = Deadline(LIMIT_S, "ask for fewer settings or values, or use `curation whatif` where the corpus is")
        with answered():
            found: Answer = self._remembered.get((*of.key, asked), lambda: make(of.corpus, deadline))
            return found


def preview_recipe(
    recipe: Recipe,
    may_read: Callable[[Iterable[str]], None],
    *,
    size: int,
    seed: int,
    workers: int | None,
    core_hour_price: float | None,
    examples: int,
) -> Preview:
    """A preview of a confined recipe. `may_read` raises for addresses of files that may not be read. Raises as the
    library's, and Invalid for what takes too long here."""
    deadline = Deadline(LIMIT_S, "take a smaller sample, or use `curation preview` where the input is")
    return preview(recipe, size, seed, workers, core_hour_price, examples, may_read=may_read, go_on=deadline)


def check_files(confine: Confine, project_id: str, manifest: Manifest) -> None:
    """Stages that are asked read their tables and models: a corpus that came from elsewhere may name any file. Raises
    Forbidden."""
    try:
        confine(project_id, {"stages": _plain(manifest.recipe.get("stages"))})
    except Invalid as error:
        raise Forbidden(f"the version's recipe names files outside of this project's roots: {error.detail}") from None


def _check_size(manifest: Manifest, times: int) -> None:
    decisions = sum(part.rows for part in manifest.decisions)
    if decisions * times > MAX_DECISIONS:
        raise Invalid(
            f"found {decisions:,} decisions to be replayed {times} times, expected {MAX_DECISIONS:,} in all at most; "
            "ask for fewer values, or use `curation whatif` where the corpus is"
        )


def _plain(stages: object) -> list[dict[str, Any]]:
    items = stages if isinstance(stages, list | tuple) else ()
    return [dict(stage) for stage in items if isinstance(stage, Mapping)]
