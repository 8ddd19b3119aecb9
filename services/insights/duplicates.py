"""The copies that versions dropped: bounded, for somebody waits for the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from curation.clusters import (
    Asked,
    Comparison,
    Duplicates,
    Members,
    Precision,
    Reading,
    Record,
    Text,
    Unreadable,
    compare,
    duplicates,
    kept_texts,
    members,
    precision,
)
from curation.clusters.likest import jaccard
from curation.dedup import DedupStage
from curation.errors import RecipeError
from curation.manifest import Frozen
from curation.recipe import Recipe
from curation.whatif.alternative import recipe_of
from services.errors import Invalid
from services.insights.deadline import Deadline
from services.insights.insights import Insights, Looked, Place, answered
from services.insights.memory import Memory, weight
from services.insights.whatifs import LIMIT_S, Confine, check_files

REMEMBERED_BYTES = 32 << 20
MAX_DECISIONS = 100_000_000
"""How many decisions are gone through at once."""
_INSTEAD = "ask for one source, or read the version's decisions where the corpus is"


class Beside(Frozen):
    """A dropped copy beside the document that it names."""

    kept: Record
    dropped: Record
    comparison: Comparison | None
    """Null where one of the texts cannot be had."""
    why_not: str | None
    """Why."""
    similarity: float | None
    """Jaccard, measured again; null where the recipe does not look for near copies, or a text cannot be had."""
    characters: tuple[int, int] | None
    """Of the kept and of the dropped text."""
    added: tuple[datetime | None, datetime | None]
    """When each was added, as its record says."""


class Clusters:
    """Accounts of copies are remembered, for versions do not change; texts are not. Raises as `Insights`, RecipeError
    for a version's recipe that cannot be read any more, and Invalid for what takes too long here."""

    def __init__(self, insights: Insights, confine: Confine, check: Callable[[str, Iterable[str]], None]) -> None:
        """`check` (project id, addresses of files) raises Invalid for files that the project may not read."""
        self._insights = insights
        self._confine = confine
        self._check = check
        self._remembered: Memory[Any] = Memory(REMEMBERED_BYTES, weight)

    def stages(self, place: Place) -> tuple[DedupStage, ...]:
        """The stages of the version's recipe that drop copies."""
        recipe = recipe_of(self._insights.manifest(*place))
        return tuple(stage for stage in recipe.stages if isinstance(stage, DedupStage))

    def account(self, place: Place, asked: Asked) -> Duplicates:
        """How many copies there are, and the largest clusters."""
        of = self._look(place)
        with _answered(of):
            found: Duplicates = self._remembered.get(
                (*of.key, asked), lambda: duplicates(of.corpus.storage, of.manifest, asked, go_on=_deadline())
            )
            return found

    def members(self, place: Place, shard: str, row: int) -> Members:
        """The copies of one document."""
        of = self._look(place)
        quality = {stage.name: stage.quality for stage in self.stages(place) if stage.quality is not None}
        with _answered(of):
            found: Members = self._remembered.get(
                (*of.key, shard, row),
                lambda: members(of.corpus.storage, of.manifest, shard, row, quality, go_on=_deadline()),
            )
            return found

    def precision(self, place: Place, asked: Asked) -> Precision:
        """How many of a sample of the copies are copies indeed."""
        of = self._look(place)
        recipe = recipe_of(of.manifest)
        check_files(self._confine, place[0], of.manifest)

        def measure() -> Precision:
            go_on = _deadline()
            reading = self._reading(place, of, recipe, go_on)
            return precision(of.corpus.storage, of.manifest, recipe, asked, reading, go_on=go_on)

        with _answered(of):
            found: Precision = self._remembered.get((*of.key, "precision", asked), measure)
            return found

    def beside(self, place: Place, kept: Record, dropped: Record) -> Beside:
        """A dropped copy beside its survivor: word by word, where both texts can be had."""
        of = self._look(place)
        try:
            recipe = recipe_of(of.manifest)
            check_files(self._confine, place[0], of.manifest)
        except RecipeError as error:
            return _beside(kept, dropped, Unreadable(str(error)))
        with _answered(of):
            reading = self._reading(place, of, recipe, _deadline())
            texts: dict[Record, Text | Unreadable] = dict(kept_texts(of.corpus.storage, of.manifest, [kept]))
            texts |= reading.texts([dropped] if kept in texts and not recipe.span_stages else [dropped, kept])
        survivor, copy = texts[kept], texts[dropped]
        if isinstance(copy, Unreadable):
            return _beside(kept, dropped, copy)
        if isinstance(survivor, Unreadable):
            return _beside(kept, dropped, Unreadable(f"of the kept document: {survivor.why}"))
        ngram = recipe.minhash.ngram if recipe.minhash else None
        return Beside(
            kept=kept,
            dropped=dropped,
            comparison=compare(reading.shown(survivor.text), reading.shown(copy.text)),
            why_not=None,
            similarity=None if ngram is None else jaccard(survivor.text, copy.text, ngram),
            characters=(len(survivor.text), len(copy.text)),
            added=(survivor.added, copy.added),
        )

    def _reading(self, place: Place, of: Looked, recipe: Recipe, go_on: Deadline) -> Reading:
        tombstones = self._insights.manifest(*place[:2]).tombstones

        def may_read(uri: str) -> bool:
            try:
                self._check(place[0], [uri])
            except Invalid:
                return False
            return True

        return Reading(of.corpus.storage, of.manifest, recipe, tombstones, may_read, go_on)

    def _look(self, place: Place) -> Looked:
        of = self._insights.look(place)
        decisions = sum(part.rows for part in of.manifest.decisions)
        if decisions > MAX_DECISIONS:
            raise Invalid(f"found {decisions:,} decisions, expected {MAX_DECISIONS:,} at most; {_INSTEAD}")
        return of


@contextmanager
def _answered(of: Looked) -> Iterator[None]:
    with answered(), of.corpus.saying_what_is_gone(of.manifest.version):
        yield


def _deadline() -> Deadline:
    return Deadline(LIMIT_S, _INSTEAD)


def _beside(kept: Record, dropped: Record, unreadable: Unreadable) -> Beside:
    return Beside(
        kept=kept,
        dropped=dropped,
        comparison=None,
        why_not=unreadable.why,
        similarity=None,
        characters=None,
        added=(None, None),
    )
