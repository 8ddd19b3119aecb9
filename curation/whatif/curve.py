"""What would be kept as a function of one threshold: what a sweep says of hundreds of values, in one reading."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curation.corpus import Corpus
from curation.errors import Problem, RecipeError
from curation.manifest import Manifest
from curation.whatif.alternative import LARGEST, Alternative, alternative, recipe_of
from curation.whatif.answer import Answering
from curation.whatif.asking import Case
from curation.whatif.decided import Decided, GoOn, Names, always
from curation.whatif.dial import Dials, chosen
from curation.whatif.model import Curve, CurvePoint, Kept
from curation.whatif.replay import Replay
from curation.whatif.swept import sweep_values, swept, value_at, with_value
from curation.whatif.turning import Turning

MAX_POINTS = 1000
SAMPLED = 8
"""From the first row groups of so many pieces values are chosen where none are asked for."""


def curve(
    corpus: Corpus, spec: str, settings: Sequence[str] = (), number: int | None = None, go_on: GoOn = always
) -> Curve:
    """What `sweep` says of how much is kept, for each of up to MAX_POINTS values.

    Of a path alone the values go from where the threshold drops nothing of the version to where it drops everything, as
    far as a recipe may have them.
    Raises RecipeError too for a threshold that has no curve: such ones are swept.
    """
    manifest = corpus.manifest_of(corpus.readable(number))
    path, values = sweep_values(spec, MAX_POINTS) if "=" in spec else (spec, [])
    before = recipe_of(manifest)
    path, current = swept(before, path, settings)
    if surveyed := before.surveyed:
        what = (
            f"no curve: {surveyed[0].name} decides by a survey, which each value would settle anew; sweep some values"
        )
        raise RecipeError([Problem(path, what)])
    asked = sorted({float(value) for value in values if isinstance(value, int | float)})
    now = [] if current is None else [current]
    fractions = [value for value in asked if not value.is_integer()]
    tried = [*asked[:1], *asked[-1:], *fractions[:1], *now]  # an option that takes these takes all of them
    others = [_with_number(manifest, settings, path, value) for value in tried]
    others = others or [_with_some_number(manifest, settings, path)]
    beside = alternative(manifest, settings)
    if None in values:
        alternative(manifest, with_value(settings, path, None, value_at(beside.recipe, path)))
    names = Names(corpus.report(manifest.version), [before, *(other.recipe for other in others)])
    decided = Decided(corpus.storage, manifest, before, names, go_on)
    with corpus.saying_what_is_gone(manifest.version):
        has_null = None in [*values, current]
        dial, measured = Dials(decided, others[0].recipe, path, has_null=has_null).find(SAMPLED)
        numbers = sorted({*asked, *now}) if values else [*filter(dial.allows, chosen(measured, current))]
        turned = np.array(sorted({*numbers, *([] if dial.null is None else [dial.null])}), np.float64)
        turned = turned if dial.is_least else turned[::-1]
        case = Case.of(dial.recipe(others[0].recipe), before, manifest)
        done = Turning(Replay(decided, before, examples=0), case, dial, turned).run()
    answers = [Answering(names, each, counts_tokens=decided.tokens is not None) for each in done]
    kept: dict[float | None, Kept] = dict(
        zip([None, *turned.tolist()], (answer.after() for answer in answers), strict=True)
    )
    kept[None] = kept[dial.null]
    points: list[float | None] = [*numbers, *([None] if has_null else [])]
    return Curve(
        corpus=corpus.url,
        version=manifest.version,
        path=path,
        settings=beside.settings,
        reason=dial.reason,
        current=current,
        before=answers[0].before(),
        points=tuple(CurvePoint(value=value, is_current=value == current, after=kept[value]) for value in points),
    )


def _with_number(manifest: Manifest, settings: Sequence[str], path: str, value: float) -> Alternative:
    return alternative(manifest, [*settings, f"{path}={value:.17g}"])


def _with_some_number(manifest: Manifest, settings: Sequence[str], path: str) -> Alternative:
    """A recipe with any number that it may have at this path, where it has none. Raises RecipeError where it takes
    none."""
    refused: list[RecipeError] = []
    for value in (1, 0, LARGEST):
        try:
            return _with_number(manifest, settings, path, value)
        except RecipeError as error:
            refused.append(error)
    raise refused[0]
