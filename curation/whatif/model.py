"""The answers of a replay: what a version would keep under other thresholds, and how sure that is."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from curation.manifest import Frozen

Fate = Literal["kept", "dropped", "unknown", "freed"]
"""What becomes of a document: `unknown` where a rule lets it through that had dropped it, so that nobody measured what
later stages ask for; `freed` where the copy that it was dropped for would go."""


class Amount(Frozen):
    """How much text; `tokens` is None where the recipe does not count them."""

    documents: int = 0
    bytes: int = 0
    tokens: int | None = None


class Kept(Frozen):
    """What would be kept: surely, at most, and probably."""

    low: Amount
    """Documents whose fate is known."""
    high: Amount
    """These, and every document whose fate is not known."""
    estimate: Amount | None
    """`low`, and of the others the share that is kept of the documents that came as far; None where none did. A guess:
    documents that a loosened rule lets through are seldom as good as those that passed it before."""


class Group(Frozen):
    """Of one source, or of one language, whose name is empty where it is not known."""

    name: str
    before: Amount
    after: Kept


class Rule(Frozen):
    """How many documents one reason dropped, and how many it would, of those whose fate is known."""

    stage: str
    reason: str
    before: int
    after: int


class Move(Frozen):
    """Documents that change sides, or whose reason changes; `before` and `after` are reasons, empty for a kept one."""

    before: str
    fate: Fate
    after: str = ""
    amount: Amount


class Neighbour(Frozen):
    """A document near a threshold."""

    id: str
    source: str
    shard: str
    row: int
    language: str | None
    bytes: int
    value: float
    threshold: float
    before: str
    """The reason for which the version dropped it; empty where it kept it."""
    fate: Fate
    after: str = ""
    excerpt: str = ""
    """How its text begins, where the version keeps it or its report shows it."""


class Edge(Frozen):
    """The documents nearest to a threshold that changed, on both sides of it, nearest first."""

    stage: str
    reason: str
    passing: tuple[Neighbour, ...]
    """Those that pass this rule; what becomes of them later is their `fate`."""
    dropped: tuple[Neighbour, ...]


class Setting(Frozen):
    """An option that is set to another value: `stages.gopher_quality.min_words`."""

    path: str
    before: JsonValue
    after: JsonValue


class WhatIf(Frozen):
    """What a version would keep under other thresholds. `low` ≤ `estimate` ≤ `high`, of groups too."""

    corpus: str
    version: int
    settings: tuple[Setting, ...]
    documents: int
    """Every record that the version accounts for, unreadable ones included."""
    before: Amount
    """What it keeps."""
    after: Kept
    unknown: Amount
    """Documents that a stage lets through which had dropped them, and which later stages have not seen."""
    freed: Amount
    """Duplicates whose kept copy would go."""
    sources: tuple[Group, ...]
    languages: tuple[Group, ...]
    """Most documents before first."""
    rules: tuple[Rule, ...]
    """Every reason that drops a document before or after, in the order of the stages."""
    moves: tuple[Move, ...]
    """Most documents first."""
    edges: tuple[Edge, ...]
    notes: tuple[str, ...]
    """What limits this answer, a sentence each."""


class Point(Frozen):
    """One value of a sweep."""

    value: JsonValue
    is_current: bool
    """Whether it is what the version was made with."""
    answer: WhatIf


class Sweep(Frozen):
    """What a version would keep for each of some values of one option."""

    corpus: str
    version: int
    path: str
    current: JsonValue
    before: Amount
    points: tuple[Point, ...]
