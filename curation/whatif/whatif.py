"""What a version would keep under other thresholds, replayed from its decisions without reading a text."""

from __future__ import annotations

from collections.abc import Sequence

from curation.corpus import Corpus
from curation.manifest import Manifest
from curation.whatif.alternative import Alternative, alternative, recipe_of
from curation.whatif.answer import Answering
from curation.whatif.asking import Case
from curation.whatif.decided import Decided, GoOn, Names, always
from curation.whatif.model import Point, Sweep, WhatIf
from curation.whatif.neighbours import Neighbours
from curation.whatif.replay import Replay
from curation.whatif.swept import by_value, sweep_values, swept, value_at, with_value

EXAMPLES = 3


def what_if(
    corpus: Corpus,
    settings: Sequence[str],
    number: int | None = None,
    examples: int = EXAMPLES,
    go_on: GoOn = always,
) -> WhatIf:
    """What a version, by default the newest, would keep with `path=value` settings of its stages' thresholds.

    `examples` documents are shown on each side of every threshold that changed. Raises RecipeError for settings that
    cannot be replayed, MissingError where the version, its files, or recorded values are not there.
    """
    manifest = corpus.manifest_of(corpus.readable(number))
    return _answers(corpus, manifest, [alternative(manifest, settings)], examples, go_on)[0]


def sweep(
    corpus: Corpus,
    spec: str,
    settings: Sequence[str] = (),
    number: int | None = None,
    examples: int = EXAMPLES,
    go_on: GoOn = always,
) -> Sweep:
    """As `what_if`, for each value of `path=first:last:step` (the last included) or `path=a,b,c`, in ascending order.

    The value that the version was made with is among the points, whether it is asked for or not; null comes last.
    """
    manifest = corpus.manifest_of(corpus.readable(number))
    path, values = sweep_values(spec)
    path, current = swept(recipe_of(manifest), path, settings)
    points = sorted({*values, current}, key=by_value)
    held = value_at(alternative(manifest, settings).recipe, path)
    cases = [alternative(manifest, with_value(settings, path, value, held)) for value in points]
    answers = _answers(corpus, manifest, cases, examples, go_on)
    return Sweep(
        corpus=corpus.url,
        version=manifest.version,
        path=path,
        current=current,
        before=answers[0].before,
        points=tuple(
            Point(value=value, is_current=value == current, answer=answer)
            for value, answer in zip(points, answers, strict=True)
        ),
    )


def _answers(
    corpus: Corpus, manifest: Manifest, others: Sequence[Alternative], examples: int, go_on: GoOn
) -> list[WhatIf]:
    before, report = recipe_of(manifest), corpus.report(manifest.version)
    names = Names(report, [before, *(other.recipe for other in others)])
    decided = Decided(corpus.storage, manifest, before, names, go_on)
    cases = [Case.of(other.recipe, before, manifest) for other in others]
    with corpus.saying_what_is_gone(manifest.version):
        replayed = Replay(decided, before, examples).run(cases)
        answering = [Answering(names, done, counts_tokens=decided.tokens is not None) for done in replayed]
        moves = [answer.moves() for answer in answering]
        moved = {reason for each in moves for move in each for reason in (move.before, move.after)}
        neighbours = Neighbours(decided, report, moved)
        edges = [neighbours.edges(done.edges, each.fate) for done, each in zip(replayed, answering, strict=True)]
    return [
        answer.what_if(corpus.url, manifest, other.recipe, other.settings, found)
        for answer, other, found in zip(answering, others, edges, strict=True)
    ]
