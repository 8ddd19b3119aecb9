"""What differs between two versions of a corpus."""

from __future__ import annotations

from collections.abc import Sequence

from curation.change import compare_inputs
from curation.corpus import Corpus, Version
from curation.difference.drift import drifts
from curation.difference.findings import Findings
from curation.difference.matching import match
from curation.difference.model import Difference, Rule, Side
from curation.difference.records import Reader
from curation.errors import CorruptError, MissingError
from curation.manifest import Manifest
from curation.report import Report

SAMPLES = 5
"""How many documents of each kind are shown."""


def difference(
    corpus: Corpus, a: int | None = None, b: int | None = None, samples: int = SAMPLES, seed: int = 0
) -> Difference:
    """What version `b` (by default the newest) has against version `a` (by default the one before `b`).

    A document is told by source and id. Pieces that both versions share are passed over; of the others the decisions
    are read, and the texts only of documents that both keep and that were not read from the same record of the same
    file by the same rules. For the distributions, the measured columns of all decisions are read, once for a shared
    piece.

    Memory is bounded: what is compared is parted by hashes into up to 128 partitions, which lie on disk beyond 64 MiB
    an exchange, so a process holds the records (70 bytes each) of one partition and of four pieces.

    Raises MissingError where there is no such version (any more), CorruptError where a version's files do not add up.
    """
    newer = corpus.readable(b)
    after = corpus.manifest_of(newer)
    older = corpus.readable(previous(corpus.url, corpus.versions(), newer) if a is None else a)
    before = corpus.manifest_of(older)
    reports = corpus.report_of(older), corpus.report_of(newer)
    with corpus.saying_what_is_gone(older.version, newer.version):
        made = _made(corpus, (older, before), (newer, after), reports, samples, seed)
    _check(made)
    return made


def _made(
    corpus: Corpus,
    a: tuple[Version, Manifest],
    b: tuple[Version, Manifest],
    reports: tuple[Report, Report],
    samples: int,
    seed: int,
) -> Difference:
    (older, before), (newer, after) = a, b
    reader = Reader(corpus, before, after, seed)
    found = Findings(reader.names, samples)
    match(reader, found)
    return Difference(
        corpus=corpus.url,
        a=_side(older, before),
        b=_side(newer, after),
        inputs=compare_inputs(after.inputs, before),
        added=found.added(),
        removed=found.removed(),
        changed=found.changes(),
        rules=_rules(*reports),
        drift=drifts(corpus.storage, (before, after), reports),
        samples=found.samples(reader, seed),
    )


def _check(made: Difference) -> None:
    """Raises CorruptError unless what is added and removed leads from one version to the other."""
    documents = made.a.documents + made.added.total.documents - made.removed.total.documents
    changed = made.changed.total.after.bytes - made.changed.total.before.bytes
    size = made.a.bytes + made.added.total.bytes - made.removed.total.bytes + changed
    if (documents, size) != (made.b.documents, made.b.bytes):
        raise CorruptError(
            f"{made.corpus}: from version {made.a.version}, decisions lead to {documents} documents of {size} bytes; "
            f"version {made.b.version} has {made.b.documents} of {made.b.bytes}"
        )


def previous(corpus: str, versions: Sequence[Version], version: Version) -> int:
    """The version before one, of all of a corpus, oldest first. Raises MissingError where there is none."""
    before = [other.version for other in versions if other.version < version.version]
    if not before:
        raise MissingError(f"{corpus}: version {version.version} is the first, there is none to compare it with")
    return before[-1]


def _side(version: Version, manifest: Manifest) -> Side:
    return Side(
        version=version.version,
        run=version.run,
        kind=manifest.kind,
        published=version.published,
        fingerprint=version.fingerprint,
        documents=manifest.documents,
        bytes=manifest.bytes,
        tokens=manifest.tokens,
    )


def _rules(a: Report, b: Report) -> tuple[Rule, ...]:
    tables = [_dropped(report) for report in (a, b)]
    came = [{step.stage: step.documents_in for step in report.funnel()} for report in (a, b)]
    stages = list(dict.fromkeys(["read", *a.stages, *b.stages]))
    rules = []
    for stage, reason in sorted(tables[0].keys() | tables[1].keys(), key=lambda rule: (stages.index(rule[0]), rule[1])):
        dropped_a, dropped_b = (table.get((stage, reason), 0) for table in tables)
        rate_a, rate_b = (
            _rate(n, reached.get(stage, 0)) for n, reached in zip((dropped_a, dropped_b), came, strict=True)
        )
        rules.append(
            Rule(
                stage=stage,
                reason=reason,
                documents_a=dropped_a,
                documents_b=dropped_b,
                rate_a=rate_a,
                rate_b=rate_b,
                rate_change=None if rate_a is None or rate_b is None else rate_b - rate_a,
            )
        )
    return tuple(rules)


def _rate(dropped: int, came: int) -> float | None:
    return dropped / came if came else None


def _dropped(report: Report) -> dict[tuple[str, str], int]:
    """How many documents each reason of each stage has dropped."""
    return {(step.stage, reason): count for step in report.funnel() for reason, count in step.reasons.items()}
