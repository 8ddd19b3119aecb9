"""The answers about corpora, as the API shows them."""

from __future__ import annotations

from datetime import datetime

from curation.change import Approval, Breach, Looked
from curation.manifest import Kind
from curation.report import Cuts, MixtureReport, Outcome
from services.jobs.job import Shown


class Amount(Shown):
    """How much text there is."""

    documents: int
    bytes: int
    """Of text, in UTF-8."""
    tokens: int | None = None
    """As the recipe's last `tokens` stage counted them; null where it did not count all of this text."""


class VersionSummary(Amount):
    """One published state of a corpus."""

    version: int
    """Numbers may have gaps: other commits of the corpus's table count too."""
    run: str
    job_id: str | None = None
    """The job whose run it was; null for one that was run by hand. It may be another project's."""
    published: datetime
    recipe: str
    fingerprint: str
    """Equal for equal recipes: fields, stages' versions, models' digests."""
    gone: str | None = None
    """That, and when, a vacuum or an erasure removed its documents; null while they are there."""


class Corpus(Shown):
    """A corpus, and its newest version."""

    name: str
    url: str
    created: datetime
    """When the project came to know it."""
    newest: VersionSummary | None = None
    """Null before the first version."""


class CorpusVersion(VersionSummary):
    """One version, with what it was made from."""

    kind: Kind
    """What made it: a whole run, or a change of the version before it."""
    restored: int | None = None
    """The version that it brought back."""
    parent: int
    """The version that it replaced; 0 for the first."""
    digest: str
    """SHA-256 over its content: equal for the same recipe and input, whenever and wherever it ran."""
    inputs: int
    """How many input files were read; the manifest lists them."""
    files: int
    """How many files of documents it has."""


class Group(Amount):
    """The kept documents of one source or language, and how many came in."""

    name: str
    """Empty where the language is not known."""
    documents_read: int


class VersionSources(Amount):
    """What a version keeps, by source."""

    version: int
    published: datetime
    sources: tuple[Group, ...]


class Histogram(Shown):
    """How often values lie in each bin. Bin i is from `edges[i]` up to `edges[i + 1]`, the last one's end included."""

    column: str
    edges: tuple[float, ...]
    kept: tuple[int, ...]
    """How many kept documents lie in each bin."""
    dropped: tuple[int, ...]
    """How many dropped ones."""
    missing: int
    """How many decisions have no value here: the document did not come so far, or the value is not a finite number."""


class Statistics(Shown):
    """What a version holds, by source and by language, and how its documents' lengths and values are distributed."""

    version: int
    run: str
    total: Amount
    sources: tuple[Group, ...]
    languages: tuple[Group, ...]
    lengths: Histogram
    """Of the text in bytes; bins double."""
    values: tuple[Histogram, ...]
    """Of every number that a stage measured, in 20 equal bins."""


class FunnelStep(Shown):
    """One step from what was read to what is kept."""

    stage: str
    """`read` for the reading itself, whose drops are records that cannot be read."""
    documents_in: int
    documents_dropped: int
    documents_out: int
    bytes_in: int
    bytes_out: int
    reasons: dict[str, int]
    """Documents by reason, most first."""
    cuts: Cuts | None = None
    """What it cut out of documents that went on; null for a step that does not cut repeated parts."""


class Funnel(Shown):
    """Where the documents went: in = kept + dropped + failed."""

    version: int
    run: str
    steps: tuple[FunnelStep, ...]


class Reason(Shown):
    """Why documents were dropped, or could not be read."""

    reason: str
    stage: str
    """Empty for records that cannot be read."""
    outcome: Outcome
    documents: int
    bytes: int
    share: float
    """Of all documents that were read, 0 to 1."""
    samples: int
    """How many samples of it there are."""


class Reasons(Shown):
    """Every reason, most documents first."""

    version: int
    run: str
    documents_read: int
    reasons: tuple[Reason, ...]


class Sample(Shown):
    """One dropped document, or record that cannot be read."""

    id: str | None
    source: str
    shard: str
    row: int
    value: float | None = None
    """What was measured."""
    threshold: float | None = None
    detail: str | None = None
    survivor: str | None = None
    """The kept copy's id, of a duplicate."""
    survivor_shard: str | None = None
    survivor_row: int | None = None
    language: str | None = None
    """Null where nothing told it."""
    excerpt: str = ""
    """A part of the text as it stood when it was dropped: its beginning, or what is around the span that decided."""
    begins: int = 0
    """How many characters of the text stand before the excerpt."""
    span: tuple[int, int] | None = None
    """What decided, where one place of the text did: from and to in the excerpt, in characters."""


class Samples(Shown):
    """Documents dropped for one reason, chosen uniformly: those with the smallest hashes of seed and address, so the
    same recipe and input give the same ones, and fewer are the first of more."""

    version: int
    run: str
    reason: str
    seed: int
    """The recipe's."""
    documents: int
    """How many were dropped for this reason; the samples are of these."""
    samples: tuple[Sample, ...]


class Decision(Shown):
    """Where one document went, and why."""

    source: str
    shard: str
    row: int
    outcome: Outcome
    stage: str | None = None
    reason: str | None = None
    value: float | None = None
    threshold: float | None = None
    detail: str | None = None
    survivor: str | None = None
    survivor_shard: str | None = None
    survivor_row: int | None = None
    similarity: float | None = None
    """With the survivor: Jaccard similarity, 1 for an exact copy."""
    language: str | None = None
    bytes: int | None = None
    values: dict[str, dict[str, float | int | str | bool | None]]
    """What each stage that it came to measured: stage → name → value, in the recipe's order."""
    excerpt: str | None = None
    """The kept document's first characters; null where it was not kept."""
    cluster_size: int | None = None
    """How many documents a kept one stands for, itself included."""
    url: str | None = None
    """Where a kept document came from."""


class Explanation(Shown):
    """Everything that a version knows about a document; several decisions where the input held its id several times."""

    id: str
    version: int
    run: str
    decisions: tuple[Decision, ...]
    more: bool = False
    """Whether there are further decisions about this id that are not shown."""


class MixturePart(Amount):
    """A source's part of a version."""

    source: str
    share_documents: float
    share_bytes: float
    share_tokens: float | None = None
    """Null where tokens are not counted."""
    target: float | None = None
    """The share of tokens that the recipe's mixture asks for; null where it has none, or none by source."""
    realised: float | None = None
    """The share of what is seen in training that its caps leave it; null as `target`."""
    epochs: float | None = None
    """How often its documents are seen on average; null as `target`."""


class Mixture(Shown):
    """The shares that the sources have of a version, as they came out, and what its recipe's mixture makes of them."""

    version: int
    run: str
    parts: tuple[MixturePart, ...]
    plan: MixtureReport | None = None
    """By the recipe's mixture, without one the natural shares of the sources; computed from the version's decisions.
    Null where they were removed, where tokens are not counted, or where the mixture does not fit."""
    problem: str | None = None
    """Why there is no plan for what the version holds; null where there is one, or its decisions were removed."""


class RunReport(Shown):
    """What a job did, or, while it is held, would publish."""

    version: int
    """The version that it published or found, or would publish."""
    run: str
    is_draft: bool
    """Whether nothing of it is published."""
    kept: Amount
    documents_read: int
    steps: tuple[FunnelStep, ...]
    reasons: tuple[Reason, ...]
    sources: tuple[Group, ...]
    languages: tuple[Group, ...]


class RemovedAmount(Amount):
    """Documents that were kept before, and are not any more."""

    reason: str
    """`refresh.retired` and `refresh.changed` (their input file has vanished, or is another by now), `takedown.…`, or a
    deduplicating stage's `….replaced`."""
    source: str
    language: str


class VersionChange(Shown):
    """How a version came of the one before it."""

    version: int
    run: str
    kind: Kind
    """What made it: a whole run, or a change of the version before it."""
    base: int
    """The version that it was made from; 0 for the first."""
    looked: Looked
    """The input files that a refresh found, against those that the version before knew."""
    documents_read: int
    """How many records this run has read: of a refresh those of new and changed files, and duplicates that were decided
    anew."""
    kept: Amount
    """What is kept of them."""
    steps: tuple[FunnelStep, ...]
    """Where they went, stage by stage."""
    reasons: tuple[Reason, ...]
    """Why some are not kept."""
    removed: tuple[RemovedAmount, ...]
    """What was kept before, and is not any more."""
    promoted: int
    """How many duplicates are kept now because their survivor is gone."""
    stranded: int
    """How many duplicates lost their survivor and could not be decided anew: their file is gone, or is another."""
    breaches: tuple[Breach, ...]
    """The recipe's gates that it does not pass; somebody let it be published nevertheless."""
    approved: Approval | None = None
    """Who did, where it was by hand; of a job its events say it."""
