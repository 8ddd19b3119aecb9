"""Texts that are in no corpus, judged as a version's recipe would judge them; and what is known of documents."""

from __future__ import annotations

from curation.clusters import Likest, likest
from curation.decision import KEPT
from curation.dedup.index import OpenIndex, read_index
from curation.document import SOURCE
from curation.errors import ModelError, RecipeError
from curation.history import History, history
from curation.manifest import Frozen
from curation.recipe import Recipe
from curation.whatif.alternative import recipe_of
from curation.whatif.checks import Check, checks
from curation.whatif.trial import Trial, trial
from services.errors import Forbidden
from services.insights.deadline import Deadline
from services.insights.insights import Insights, Looked, Place, answered
from services.insights.memory import Memory, weight
from services.insights.models import Decision
from services.insights.whatifs import LIMIT_S, Confine, check_files

HISTORY_VERSIONS = 100
"""How many of the newest versions a history looks at."""
HISTORIES_BYTES = INDEXES_BYTES = 8 << 20
PIECE_BYTES = 400
"""About what a piece takes in an index that is open."""


class Tried(Frozen):
    """What a version's recipe makes of a text."""

    trial: Trial
    likest: Likest | None
    """The kept documents that are like it; null where nothing keeps an index of them."""


class Judged(Frozen):
    """What one stage measured of a document, beside its bounds."""

    stage: str
    kind: str
    checks: tuple[Check, ...]
    is_reached: bool
    """Whether the document came to it."""


class Trials:
    """Nothing of a text that is tried is kept or logged. Raises as `Insights`, RecipeError and ModelError for a
    version's recipe that cannot be run any more, and Invalid for what takes too long here."""

    def __init__(self, insights: Insights, confine: Confine) -> None:
        self._insights = insights
        self._confine = confine
        self._histories: Memory[History] = Memory(HISTORIES_BYTES, weight)
        self._indexes: Memory[OpenIndex] = Memory(INDEXES_BYTES, lambda index: PIECE_BYTES * (index.pieces + 1))

    def sources(self, place: Place) -> tuple[str, ...]:
        """The names of the version's sources."""
        return tuple(source.name for source in recipe_of(self._insights.manifest(*place)).sources)

    def tried(self, place: Place, text: str, source: str) -> Tried:
        """A text as a document of this source."""
        of = self._insights.look(place)
        recipe = recipe_of(of.manifest)
        check_files(self._confine, place[0], of.manifest)
        deadline = Deadline(LIMIT_S, "try a shorter text")
        with answered():
            found = trial(recipe, of.manifest.settled, text, source, deadline)
            deadline()
            alike = None
            if of.manifest.index and (recipe.exact or recipe.minhash):
                index = self._indexes.get(of.key, lambda: _opened(of, recipe))
                alike = likest(index, recipe.exact, recipe.minhash, found.text, source)
        return Tried(trial=found, likest=alike)

    def judged(self, place: Place, decision: Decision) -> tuple[tuple[Judged, ...], str | None]:
        """What every stage measured of a document, in the recipe's order, and why the bounds cannot be told, if so."""
        manifest = self._insights.manifest(*place)
        try:
            recipe = recipe_of(manifest)
            check_files(self._confine, place[0], manifest)
            return tuple(_judged(recipe, decision)), None
        except (RecipeError, ModelError) as error:
            why = str(error)
        except Forbidden as error:
            why = error.detail
        return tuple(_as_recorded(name, values) for name, values in decision.values.items()), why

    def history(self, place: Place, document_id: str) -> tuple[History, bool]:
        """Every one of the newest versions in which the decision about a document changed, and whether there are older
        ones that were not looked at."""
        opened, versions = self._insights.published(*place[:2])
        newest = versions[-HISTORY_VERSIONS:]
        key = (opened.url, document_id, *((each.version, each.run, each.gone) for each in newest))
        with answered():
            found = self._histories.get(key, lambda: history(opened, document_id, newest))
        return found, len(versions) > len(newest)


def _opened(of: Looked, recipe: Recipe) -> OpenIndex:
    with of.corpus.saying_what_is_gone(of.manifest.version):
        return read_index(of.corpus.storage, of.manifest, recipe.exact, recipe.minhash)


def _judged(recipe: Recipe, decision: Decision) -> list[Judged]:
    row = {f"{stage}.{name}": value for stage, values in decision.values.items() for name, value in values.items()}
    row[SOURCE] = decision.source
    names = [stage.name for stage in recipe.stages]
    reached = names.index(decision.stage) + 1 if decision.stage in names else 0
    if decision.outcome == KEPT:
        reached = len(names)
    return [
        Judged(
            stage=stage.name,
            kind=stage.kind,
            checks=checks(stage, row),
            is_reached=number < reached or stage.name in decision.values,
        )
        for number, stage in enumerate(recipe.stages)
    ]


def _as_recorded(stage: str, values: dict[str, float | int | str | bool | None]) -> Judged:
    found = tuple(Check(value=name, measured=value) for name, value in values.items())
    return Judged(stage=stage, kind="", checks=found, is_reached=True)
