"""What can be asked of a version: the options that can be set to another value."""

from __future__ import annotations

from collections.abc import Iterator

from curation.corpus import Corpus
from curation.recipe import Recipe
from curation.whatif.alternative import option_named, options_of, recipe_of
from curation.whatif.model import Threshold, Thresholds
from curation.whatif.swept import is_number, numbers_of


def thresholds(corpus: Corpus, number: int | None = None) -> Thresholds:
    """Of a version, by default the newest. Raises as `what_if`."""
    manifest = corpus.manifest_of(corpus.readable(number))
    found = tuple(_thresholds(recipe_of(manifest)))
    return Thresholds(corpus=corpus.url, version=manifest.version, thresholds=found)


def _thresholds(recipe: Recipe) -> Iterator[Threshold]:
    """The options that can be set to another value, in the order of the stages."""
    for stage in recipe.stages:
        allowed, numbers = stage.thresholds(), numbers_of(stage)
        for option, value in options_of(stage).items():
            if option_named(option) in allowed:
                yield Threshold(
                    path=f"stages.{stage.name}.{option}",
                    stage=stage.name,
                    option=option,
                    value=value,
                    is_number=option_named(option) in numbers and is_number(value),
                )
