"""The report of a run: counts that add, in any order, to the account of where every document went."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

Outcome = Literal["kept", "dropped", "failed"]
Scheme = Literal["natural", "fixed", "temperature", "unimax", "quality_bucketed", "rehydrate"]
By = Literal["source", "language", "bucket"]
EXAMPLES = 50
"""How many a reason has at most; a report shows the first few of them."""
EXCERPT = 200
"""How many characters of a text are shown."""
LEAD = 40
"""How many of them stand before what decided, where that is not near the beginning."""
Span = tuple[int, int]
"""From and to, in characters."""


class Cell(BaseModel):
    """How many documents of one source and language came to one end, and their text in bytes of UTF-8.

    `stage` and `reason` are empty for kept documents; `language` is empty where nothing told it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outcome: Outcome
    stage: str = ""
    reason: str = ""
    source: str
    language: str = ""
    documents: int = 0
    bytes: int = 0
    tokens: int | None = None
    """As the recipe's last `tokens` stage counted them; None where it did not count all of these documents."""

    @property
    def place(self) -> tuple[str, str, str, str, str]:
        """What tells one cell from another."""
        return (self.outcome, self.stage, self.reason, self.source, self.language)


class Example(BaseModel):
    """One dropped or failed document; which ones are shown is a uniform choice by a hash of address and seed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    reason: str
    id: str | None
    source: str
    shard: str
    row: int
    value: float | None = None
    threshold: float | None = None
    detail: str | None = None
    survivor: str | None = None
    survivor_shard: str | None = None
    survivor_row: int | None = None
    language: str | None = None
    """None where nothing told it."""
    excerpt: str = ""
    begins: int = 0
    """How many characters of the text stand before the excerpt."""
    span: Span | None = None
    """What decided, where one place of the text did: from and to in the excerpt, in characters."""
    order: str
    """Examples with the smallest hashes are kept, so any order of adding gives the same ones."""


def example_order(seed: int, shard: str, row: int) -> str:
    """Where a document stands in the seeded shuffle that chooses examples: 16 hex digits."""
    return hashlib.blake2b(f"{seed}\0{shard}\0{row}".encode(), digest_size=8).hexdigest()


class Quote(NamedTuple):
    """What is shown of a text: the fields of Example that say so."""

    excerpt: str = ""
    begins: int = 0
    span: Span | None = None


def quote(text: str, span: Span | None = None) -> Quote:
    """The beginning of a text, or, where the span is not in it, the part around the span, which is cut to fit."""
    if span is None:
        return Quote(text[:EXCERPT])
    begins = 0 if span[1] <= EXCERPT else max(0, span[0] - LEAD)
    return Quote(text[begins : begins + EXCERPT], begins, (span[0] - begins, min(EXCERPT, span[1] - begins)))


class Cuts(BaseModel):
    """What a stage has cut out of documents that are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    documents: int = 0
    """Of which something was cut."""
    stretches: int = 0
    """How many stretches were cut."""
    bytes: int = 0
    """How much shorter the documents became, in bytes of UTF-8."""
    whole: int = 0
    """How many other documents stayed whole, because too little would have been left of them."""

    def __add__(self, other: Cuts) -> Cuts:
        return Cuts(**{name: getattr(self, name) + getattr(other, name) for name in Cuts.model_fields})

    def __sub__(self, other: Cuts) -> Cuts:
        return Cuts(**{name: getattr(self, name) - getattr(other, name) for name in Cuts.model_fields})


class Step(BaseModel):
    """One step of the funnel: what came in, what was dropped, what went on."""

    stage: str
    documents_in: int
    documents_dropped: int
    documents_out: int
    bytes_in: int
    bytes_out: int
    reasons: dict[str, int]
    cuts: Cuts | None = None
    """What it cut out of documents that went on; None for a step that does not cut repeated parts."""


class Dedup(BaseModel):
    """What the search for near-duplicates looked at. `similarities` counts verified Jaccard values in 20 equal bins."""

    model_config = ConfigDict(extra="forbid")

    candidates: int = 0
    verified: int = 0
    similarities: list[int] = [0] * 20


class Report(BaseModel):
    """Counts by outcome, stage, reason, source and language; examples; sizes of clusters. Reports add."""

    model_config = ConfigDict(extra="forbid")

    stages: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    examples: tuple[Example, ...] = ()
    clusters: dict[int, int] = {}
    """How many kept documents stand for a cluster of this size (themselves counted), sizes over 1 only."""
    dedup: Dedup | None = None
    cuts: dict[str, Cuts] = {}
    """What each stage that cuts repeated parts has cut, by its name."""

    def __add__(self, other: Report) -> Report:
        return total([self, other])

    def documents(self, *outcomes: Outcome) -> int:
        """How many documents came to one of these ends; all without an argument."""
        return sum(cell.documents for cell in self.cells if not outcomes or cell.outcome in outcomes)

    def bytes(self, *outcomes: Outcome) -> int:
        """The text of those documents, in bytes of UTF-8; failed ones count 0."""
        return sum(cell.bytes for cell in self.cells if not outcomes or cell.outcome in outcomes)

    def tokens(self, *outcomes: Outcome) -> int | None:
        """How many tokens those documents have; None where some were not counted."""
        return summed_tokens(cell.tokens for cell in self.cells if not outcomes or cell.outcome in outcomes)

    def funnel(self) -> list[Step]:
        """The steps from what was read to what is kept, in the order of the recipe."""
        documents, size = self.documents(), self.bytes() + sum(cuts.bytes for cuts in self.cuts.values())
        steps = []
        for stage in ("", *self.stages):
            lost = [cell for cell in self.cells if cell.outcome != "kept" and cell.stage == stage]
            cuts = self.cuts.get(stage)
            dropped, lost_bytes = sum(c.documents for c in lost), sum(c.bytes for c in lost)
            lost_bytes += cuts.bytes if cuts else 0
            reasons: dict[str, int] = {}
            for cell in lost:
                reasons[cell.reason] = reasons.get(cell.reason, 0) + cell.documents
            steps.append(
                Step(
                    stage=stage or "read",
                    documents_in=documents,
                    documents_dropped=dropped,
                    documents_out=documents - dropped,
                    bytes_in=size,
                    bytes_out=size - lost_bytes,
                    reasons=dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
                    cuts=cuts,
                )
            )
            documents, size = documents - dropped, size - lost_bytes
        return steps

    def by(self, axis: Literal["source", "language"]) -> dict[str, dict[Outcome, int]]:
        """Documents by source or language, then by outcome; sorted by name."""
        table: dict[str, dict[Outcome, int]] = {}
        for cell in self.cells:
            row = table.setdefault(getattr(cell, axis), {"kept": 0, "dropped": 0, "failed": 0})
            row[cell.outcome] += cell.documents
        return dict(sorted(table.items()))


def total(reports: Iterable[Report]) -> Report:
    """The sum of reports; the same whatever their order."""
    cells: dict[tuple[str, str, str, str, str], list[Cell]] = {}
    examples: dict[str, list[Example]] = {}
    clusters: dict[int, int] = {}
    stages: tuple[str, ...] = ()
    dedup: Dedup | None = None
    cuts: dict[str, Cuts] = {}
    for report in reports:
        stages = stages or report.stages
        for cell in report.cells:
            cells.setdefault(cell.place, []).append(cell)
        for example in report.examples:
            examples.setdefault(example.reason, []).append(example)
        for size, count in report.clusters.items():
            clusters[size] = clusters.get(size, 0) + count
        dedup = _added(dedup, report.dedup)
        for stage, own in report.cuts.items():
            cuts[stage] = cuts.get(stage, Cuts()) + own
    return Report(
        stages=stages,
        cells=tuple(_summed(cells[place]) for place in sorted(cells)),
        examples=tuple(example for reason in sorted(examples) for example in first_examples(examples[reason])),
        clusters=dict(sorted(clusters.items())),
        dedup=dedup,
        cuts=dict(sorted(cuts.items())),
    )


def summed_tokens(counts: Iterable[int | None]) -> int | None:
    """The sum of counts; None where one of them is not known."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def _summed(cells: Sequence[Cell]) -> Cell:
    """The sum of cells of one place, one at least."""
    sums = {
        "documents": sum(cell.documents for cell in cells),
        "bytes": sum(cell.bytes for cell in cells),
        "tokens": summed_tokens(cell.tokens for cell in cells),
    }
    return cells[0].model_copy(update=sums)


def first_examples(examples: Iterable[Example]) -> list[Example]:
    """The examples of one reason that are shown: the first `EXAMPLES` of the seeded shuffle."""
    return sorted(examples, key=lambda example: (example.order, example.shard, example.row))[:EXAMPLES]


def _added(one: Dedup | None, other: Dedup | None) -> Dedup | None:
    if one is None or other is None:
        return one or other
    return Dedup(
        candidates=one.candidates + other.candidates,
        verified=one.verified + other.verified,
        similarities=[a + b for a, b in zip(one.similarities, other.similarities, strict=True)],
    )


class MixtureShare(BaseModel):
    """One part of a mixture: a group, or the documents of a group that are seen equally often."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    group: str
    """The source, the language or the bucket."""
    tier: str = ""
    """With `quality_bucketed` the bucket, with `rehydrate` the least cluster size; else empty."""
    documents: int
    bytes: int
    tokens: int
    """That there are, each counted once."""
    natural: float
    """Its share of all tokens that there are."""
    target: float
    """The share that the scheme gives it."""
    realised: float
    """The share that it has of what is seen, under the caps."""
    weight: int
    """How many of its tokens are seen: whole numbers that add up to what is seen."""
    epochs_wanted: float
    """How often its documents would be seen by the target."""
    epochs: float
    """How often they are."""
    max_epochs: float | None
    """The cap; null without one."""
    is_capped: bool
    """Whether it would be seen more often without its cap, or has nothing to be seen."""
    effective_tokens: float
    """How many fresh tokens those that are seen are worth (Muennighoff et al. 2023)."""


class MixtureReport(BaseModel):
    """A version's mixture, in tokens. A function of the version and the mixture alone."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    corpus: str
    """Where the corpus is."""
    version: int
    run: str
    digest: str
    """The version's."""
    scheme: Scheme
    """How the target shares came about."""
    by: By
    """What groups are."""
    tokenizer: str
    """What counted the tokens: that of the recipe's last `tokens` stage."""
    tokenizer_sha256: str
    """Of the tokenizer's file, in hex."""
    documents: int
    tokens: int
    """That there are, each counted once."""
    budget: int
    """How many were to be seen."""
    seen: int
    """How many are: the sum of the weights."""
    shortfall: int
    """How many tokens of the budget no part can give under its cap."""
    moved: int
    """How many tokens the caps take from their parts' targets: others give them, but for the shortfall."""
    extra_epochs: float
    """By how many epochs at most the caps make another part be seen more often."""
    effective_tokens: float
    """How many fresh tokens those that are seen are worth."""
    effective_tokens_uncapped: float
    """The same without caps."""
    kl_target: float
    """Kullback-Leibler divergence of the realised shares from the target, in nats: 0 where it is met."""
    kl_natural: float
    """… from the natural shares."""
    kl_even: float
    """… from equal shares."""
    effective_parts: float
    """Of how many equal parts it is as diverse as: exp of the entropy of the realised shares."""
    is_feasible: bool
    """Whether every part has its target, and the budget is met; else the shares are the nearest that can be had."""
    parts: tuple[MixtureShare, ...]
    """Every part, sorted by group."""
    warnings: tuple[str, ...]
    """What whoever trains should know, a sentence each."""
