"""The answer: what differs between two versions, from `a` to `b`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from curation.change import Looked
from curation.manifest import Frozen, Kind

Why = Literal["input_new", "input_left", "input_changed", "dropped", "promoted", "unaccounted"]
Reading = Literal["none", "some", "large", "not comparable"]


class Amount(Frozen):
    """How much text there is."""

    documents: int = 0
    bytes: int = 0
    tokens: int | None = None
    """As their versions' recipes count them; None where one does not, or not all of these documents."""


class Group(Amount):
    """Of one source, or of one language: its name, empty where the language is not known."""

    name: str


class Cause(Amount):
    """Documents that only one version keeps, and why the other does not.

    `input_left`, `input_new`: it has not got their input file; `input_changed`: it has, with other content, and
    without them; `dropped`: it has dropped them for `reason`; `promoted`: the same, as duplicates of a document that is
    not kept any more, in whose place they are; `unaccounted`: it has their input file as it was, but no decision about
    them.
    """

    why: Why
    reason: str = ""


class Documents(Frozen):
    """Documents that only one of the two versions keeps."""

    total: Amount
    sources: tuple[Group, ...]
    languages: tuple[Group, ...]
    causes: tuple[Cause, ...]
    """Most documents first."""


class Changed(Frozen):
    """Documents of the same source and id whose text is another one; `name` is the source or language (that of `b`)."""

    name: str = ""
    documents: int = 0
    before: Amount = Amount()
    after: Amount = Amount()


class ChangedDocuments(Frozen):
    total: Changed
    sources: tuple[Changed, ...]
    languages: tuple[Changed, ...]


class Rule(Frozen):
    """What one reason dropped in each version; a rate is of the documents that came to the stage, None of none."""

    stage: str
    """`read` for records that cannot be read."""
    reason: str
    documents_a: int
    documents_b: int
    rate_a: float | None
    rate_b: float | None
    rate_change: float | None
    """`rate_b` - `rate_a`; None where either is."""


class Bin(Frozen):
    """A part of a distribution, and the share of the documents that it has in each version."""

    name: str
    share_a: float
    share_b: float


class Drift(Frozen):
    """How far a distribution has moved.

    The population stability index is the sum over bins of (share_b - share_a) · ln(share_b / share_a). Usual reading:
    below 0.1 none, to 0.25 some, above that large. It means little where it does not exceed `chance` by far.
    """

    distribution: str
    """`source`, `language`, `bytes` (length of the text), or what a stage measured (`stage.value`)."""
    over: Literal["kept", "read"]
    """Of the kept documents, or of all that have a value."""
    documents_a: int
    documents_b: int
    psi: float | None
    """None where one version has no values."""
    chance: float | None
    """What two samples of this size from one distribution have on average: (bins - 1) · (1/a + 1/b)."""
    reading: Reading
    moved: tuple[Bin, ...]
    """The bins that contribute most, at most three."""

    @property
    def exceeds_chance(self) -> bool:
        """Whether it has moved more than chance explains: by more than twice what chance does on average."""
        return (self.psi or 0.0) > 2 * (self.chance or 0.0)


class Excerpt(Frozen):
    """A document: where it was read, and how its text begins; of one that has changed, what it is around the first
    difference."""

    id: str
    source: str
    shard: str
    row: int
    language: str | None
    bytes: int
    excerpt: str
    begins: int = 0
    """How many characters of the text stand before the excerpt."""


class ChangedExcerpt(Frozen):
    before: Excerpt
    after: Excerpt


class Samples(Frozen):
    """A uniform choice of the ids: those with the smallest hashes of seed, source and id, in that order, so fewer are
    the first of more."""

    seed: int
    added: tuple[Excerpt, ...]
    removed: tuple[Excerpt, ...]
    changed: tuple[ChangedExcerpt, ...]


class Side(Amount):
    """One of the two versions, and what it keeps."""

    version: int
    run: str
    kind: Kind
    published: datetime
    fingerprint: str


class Difference(Frozen):
    """From version `a` to version `b`, which may be older. documents of `b` = those of `a` + added - removed."""

    corpus: str
    a: Side
    b: Side
    inputs: Looked
    """The input files of `b`, compared with those of `a`."""
    added: Documents
    removed: Documents
    changed: ChangedDocuments
    rules: tuple[Rule, ...]
    """Every reason for which either version dropped documents, in the order of the stages; then by name."""
    drift: tuple[Drift, ...]
    """Kept documents' first; each group by falling index."""
    samples: Samples
