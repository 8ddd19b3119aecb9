"""What a version would keep under other thresholds, replayed from its decisions without reading a text."""

from __future__ import annotations

from collections.abc import Sequence

from curation.corpus import Corpus
from curation.errors import Problem, RecipeError
from curation.manifest import Manifest
from curation.whatif.alternative import Alternative, alternative, recipe_of, stage_at, sweep_values, value_at
from curation.whatif.answer import Answering
from curation.whatif.asking import Case
from curation.whatif.decided import Decided, Names
from curation.whatif.model import Point, Sweep, WhatIf
from curation.whatif.neighbours import Neighbours
from curation.whatif.replay import Replay

EXAMPLES = 3


def what_if(corpus: Corpus, settings: Sequence[str], number: int | None = None, examples: int = EXAMPLES) -> WhatIf:
    """What a version, by default the newest, would keep with `path=value` settings of its stages' thresholds.

    `examples` documents are shown on each side of every threshold that changed. Raises RecipeError for settings that
    cannot be replayed, MissingError where the version, its files, or recorded values are not there.
    """
    manifest = corpus.manifest_of(corpus.readable(number))
    return _answers(corpus, manifest, [alternative(manifest, settings)], examples)[0]


def sweep(
    corpus: Corpus, spec: str, settings: Sequence[str] = (), number: int | None = None, examples: int = EXAMPLES
) -> Sweep:
    """As `what_if`, for each value of `path=first:last:step` (the last included) or `path=a,b,c`, in ascending order.

    The value that the version was made with is among the points, whether it is asked for or not; null comes last.
    """
    manifest = corpus.manifest_of(corpus.readable(number))
    path, values = sweep_values(spec)
    recipe = recipe_of(manifest)
    current = value_at(recipe, path)
    if not _is_number(current):
        raise RecipeError([Problem(path, f"it is {current!r}; only numbers, and null, can be swept")])
    path = f"stages.{stage_at(recipe, path).name}.{path.split('.', 2)[2]}"
    points = sorted({*values, current}, key=lambda value: (value is None, value or 0))
    cases = [alternative(manifest, [*settings, f"{path}={'null' if value is None else value}"]) for value in points]
    answers = _answers(corpus, manifest, cases, examples)
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


def _answers(corpus: Corpus, manifest: Manifest, others: Sequence[Alternative], examples: int) -> list[WhatIf]:
    before, report = recipe_of(manifest), corpus.report(manifest.version)
    names = Names(report, [before, *(other.recipe for other in others)])
    decided = Decided(corpus.storage, manifest, before, names)
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


def _is_number(value: object) -> bool:
    return value is None or type(value) in (int, float)
