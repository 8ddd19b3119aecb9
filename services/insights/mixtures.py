"""What another mixture would make of a version, and how the sources' parts came about, version by version."""

from __future__ import annotations

from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor

from curation.corpus import Corpus, Version
from curation.mixture import Mixture, planned
from curation.mixture.counting import Counts, count
from curation.report import MixtureReport
from services.errors import Invalid, NotFound
from services.insights.insights import Insights, Place, answered
from services.insights.memory import Memory, weight
from services.insights.models import VersionSources
from services.insights.views import version_sources

MAX_PARTS = 1000
"""How many parts a mixture has here at most."""
MAX_BUDGET = 10**18
"""How many tokens it has here at most: there are a thousand times fewer anywhere."""
PART_BYTES = 500
"""About what one part's counts take."""
COUNTS_BYTES = SOURCES_BYTES = 8 << 20
THREADS = 4
HISTORY = 50


class Mixtures:
    """Raises as `Insights`, and RecipeError, each problem by its path, for a mixture that does not fit the version."""

    def __init__(self, insights: Insights) -> None:
        self._insights = insights
        self._counts: Memory[Counts] = Memory(COUNTS_BYTES, _size)
        self._sources: Memory[VersionSources] = Memory(SOURCES_BYTES, weight)

    def mixture_of(self, place: Place, asked: Mixture) -> MixtureReport:
        """What the mixture makes of the version; nothing is stored. What there is to mix is read once from the
        decisions, then remembered: only other groups or buckets need another look. Raises Invalid for too many, and
        for too large a budget."""
        version, of = self._insights.version(*place), self._insights.look(place)
        if version.gone:
            raise NotFound(f"there is nothing to mix: {version.gone}")
        with answered():
            counts = self._counts.get(
                (*of.key, *_counted_by(asked)), lambda: count(of.corpus.storage, of.manifest, asked)
            )
        if len(counts.parts) > MAX_PARTS:
            raise Invalid(
                f"found {len(counts.parts):,} parts, expected {MAX_PARTS:,} at most; take buckets of fewer values, or "
                "use `curation mixture` where the corpus is"
            )
        try:
            plan = planned(of.corpus.url, of.manifest, asked, counts)
        except OverflowError:  # no float can hold it
            raise _too_large() from None
        if plan.budget > MAX_BUDGET:
            raise _too_large()
        return plan

    def history(self, project_id: str, name: str, until: int, *, limit: int = HISTORY) -> tuple[VersionSources, ...]:
        """What the last versions up to one keep of each source, oldest first: from their reports, each read once."""
        opened, versions = self._insights.published(project_id, name)
        chosen = [version for version in versions if version.version <= until][-limit:]

        def sources_of(version: Version) -> VersionSources:
            key = (opened.url, version.version, version.run, version.published)
            return self._sources.get(key, lambda: _read(opened, version))

        with answered(), ThreadPoolExecutor(THREADS) as threads:
            return tuple(threads.map(sources_of, chosen))


def _too_large() -> Invalid:
    return Invalid(f"found a budget, or weights that make one, of more than {MAX_BUDGET:,} tokens")


def _read(opened: Corpus, version: Version) -> VersionSources:
    return version_sources(version, opened.report_of(version))


def _counted_by(asked: Mixture) -> tuple[Hashable, ...]:
    """What of a mixture tells which parts there are."""
    tiers = tuple(asked.steps) if asked.scheme == "rehydrate" else asked.scheme == "quality_bucketed"
    return asked.by, asked.bucket, tiers


def _size(counts: Counts) -> int:
    return PART_BYTES * (len(counts.parts) + len(counts.buckets) + 1)
