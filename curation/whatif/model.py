"""The answers of a replay: what a version would keep under other thresholds, and how sure that is."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from curation.difference.model import Excerpt
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
    """What becomes of them."""
    after: str = ""
    amount: Amount
    """How much that is."""


class Neighbour(Excerpt):
    """A document near a threshold; `excerpt` is empty unless the version keeps it, or its report shows it."""

    value: float
    threshold: float
    before: str
    """The reason for which the version dropped it; empty where it kept it."""
    fate: Fate
    """What would become of it."""
    after: str = ""


class Edge(Frozen):
    """The documents nearest to a threshold that changed, on both sides of it, nearest first."""

    stage: str
    reason: str
    passing: tuple[Neighbour, ...]
    """Those that pass this rule; what becomes of them later is their `fate`."""
    dropped: tuple[Neighbour, ...]
    """Those that it drops."""


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
    """What is set to another value."""
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
    """What would be kept."""


class Sweep(Frozen):
    """What a version would keep for each of some values of one option."""

    corpus: str
    version: int
    path: str
    current: JsonValue
    """What the version was made with."""
    before: Amount
    points: tuple[Point, ...]
    """Ascending; null comes last. The version's own value is among them."""


class CurvePoint(Frozen):
    """What would be kept where a threshold is `value`; None where its rule is off."""

    value: float | None
    is_current: bool
    """Whether it is what the version was made with."""
    after: Kept


class Curve(Frozen):
    """What a version would keep as a function of one threshold: what a sweep says of so many values, in one reading."""

    corpus: str
    version: int
    path: str
    settings: tuple[Setting, ...]
    """What else is set to another value, at every point."""
    reason: str
    """For which the threshold drops documents; empty where it decides on none."""
    current: float | None
    """What the version was made with."""
    before: Amount
    points: tuple[CurvePoint, ...]
    """Ascending; null, where it is asked for, comes last."""


class Threshold(Frozen):
    """An option of a version's recipe that can be set to another value without reading a text."""

    path: str
    """As a setting names it: `stages.gopher_quality.min_words`."""
    stage: str
    option: str
    """The same below the stage: `min_words`, `by_language.de.min_words`."""
    value: JsonValue
    """What the version was made with."""
    is_number: bool
    """Whether it can be swept, and has a curve."""


class Thresholds(Frozen):
    """What can be asked of a version, in the order of its recipe's stages."""

    corpus: str
    version: int
    thresholds: tuple[Threshold, ...]
    """All that can be set."""
