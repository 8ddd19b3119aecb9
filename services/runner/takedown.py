"""What a job that takes documents down does beside publishing: it is over when it is certified, and to erase what is
taken down already needs the same permit as publishing does."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from curation.corpus import Corpus
from curation.pipeline import Outcome
from curation.pipeline.certificate import Certificate, certificates
from curation.pipeline.guard import Guard
from curation.pipeline.progress import Watch
from curation.pipeline.takedown import takedown
from curation.runner.runner import Runner
from curation.tombstones import Tombstones
from services.jobs.job import Claim, Takedown
from services.jobs.takedowns import criteria_of


@dataclass(frozen=True)
class Leftover:
    """Texts that are still there of documents that no version will have again."""

    version: int
    """The version that is without them."""
    digest: str
    """Of what is to be erased: what is approved, and permitted."""


def leftover(corpus: Corpus, asked: Takedown) -> Leftover | None:
    """What is left to erase where nothing is left to publish; None otherwise."""
    if not asked.erase:
        return None
    stone = Tombstones.load(corpus.storage, corpus.manifest().tombstones).of(criteria_of(asked))
    if stone is None or is_certified(corpus, stone.run, erase=True):
        return None
    version = corpus.published(stone.run)
    if version is None:
        return None
    return Leftover(version, hashlib.sha256(f"erase {stone.run}".encode()).hexdigest())


def is_certified(corpus: Corpus, run: str, *, erase: bool) -> bool:
    """Whether nothing is left to do of this run's takedown."""
    every = certificates(corpus.storage).history()
    return any((one.run, one.asked.erase) == (run, erase) for one in every)


def take_down(
    claim: Claim, asked: Takedown, corpus: Corpus, runner: Runner, run: str, watch: Watch, guard: Guard
) -> tuple[Outcome, Certificate]:
    """Take the documents down, and erase them if that is asked. Raises what the library's `takedown` raises."""
    taken = takedown(
        corpus.url,
        criteria_of(asked),
        runner,
        reason=asked.reason,
        erase=asked.erase,
        who=claim.by,
        run_id=run,
        watch=watch,
        guard=guard,
    )
    done = taken.certificate
    report, change = corpus.report(done.version), corpus.change(done.version)
    outcome = Outcome(run=done.run, version=done.version, published=taken.published, report=report, change=change)
    return outcome, done
