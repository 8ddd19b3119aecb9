"""What the recipes' stages of contamination and of privacy found in versions: read once, then remembered."""

from __future__ import annotations

from collections.abc import Mapping

from curation.manifest import Manifest
from curation.pipeline.contaminated import ContaminationReport, found_by_run
from curation.recipe import validate_recipe
from services.errors import NotFound
from services.insights.insights import Insights, Looked, Place, answered
from services.insights.memory import Memory, weight
from services.insights.privacy import ALL, Privacy, PrivacySample, Screened, samples, screen

REMEMBERED_BYTES = 16 << 20
PLACE_BYTES = 400
"""About what the place of one document takes."""


class Screening:
    """Versions do not change, so answers are remembered. Raises as `Insights`, and RecipeError where a version's recipe
    is not valid any more."""

    def __init__(self, insights: Insights) -> None:
        self._insights = insights
        self._reports: Memory[tuple[ContaminationReport, ...]] = Memory(REMEMBERED_BYTES, lambda of: weight(*of))
        self._screened: Memory[Screened] = Memory(REMEMBERED_BYTES, _weight)
        self._samples: Memory[tuple[PrivacySample, ...]] = Memory(REMEMBERED_BYTES, lambda of: weight(*of))

    def contamination(self, place: Place) -> tuple[ContaminationReport, ...]:
        """What each stage of contamination found; empty where the version's recipe has none."""
        of = self._insights.look(place)
        if not _has_contamination(of.manifest):
            return ()
        with answered():
            return self._reports.get(of.key, lambda: tuple(found_by_run(of.corpus, of.manifest.version)))

    def privacy(self, place: Place) -> Privacy:
        """What each stage of privacy found; no stages where the version's recipe has none."""
        return self._screen(place, self._insights.look(place)).privacy

    def privacy_samples(
        self, place: Place, stage: str, source: str | None = None, type_: str = ALL
    ) -> tuple[PrivacySample, ...]:
        """Parts of kept documents in which a stage found something. Raises NotFound for a stage that is not there, or
        does not look for this type."""
        of = self._insights.look(place)
        screened = self._screen(place, of)
        redactions = validate_recipe(of.manifest.recipe).redactions
        named = {each.name: each for each in redactions}
        if stage not in named:
            raise NotFound(
                f"version {of.manifest.version} has no stage of privacy {stage!r}; there are {', '.join(named)}"
            )
        if type_ and type_ not in named[stage].sought:
            raise NotFound(f"{stage} looks for {', '.join(named[stage].sought)}, not for {type_!r}")
        with answered():
            return self._samples.get(
                (of.key, stage, source, type_),
                lambda: samples(of.corpus.storage, of.manifest, screened, redactions, named[stage], source, type_),
            )

    def _screen(self, place: Place, of: Looked) -> Screened:
        redactions = validate_recipe(of.manifest.recipe).redactions
        report = self._insights.report(*place)
        with answered(), of.corpus.saying_what_is_gone(of.manifest.version):
            return self._screened.get(of.key, lambda: screen(of.corpus.storage, of.manifest, report, redactions))


def _has_contamination(manifest: Manifest) -> bool:
    stages = manifest.recipe.get("stages")
    items = stages if isinstance(stages, list | tuple) else ()
    return any(isinstance(stage, Mapping) and stage.get("kind") == "contamination" for stage in items)


def _weight(screened: Screened) -> int:
    return weight(screened.privacy) + PLACE_BYTES * sum(map(len, screened.places.values()))
