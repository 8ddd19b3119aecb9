"""One attempt at a job: from the recipe that was claimed to how it ended."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from curation.change import Change
from curation.corpus import Corpus
from curation.errors import (
    AccountingError,
    ConflictError,
    CurationError,
    InputError,
    MissingError,
    ModelError,
    OtherRunError,
    RecipeError,
    RedoError,
    StorageError,
    TransientError,
)
from curation.manifest import InputShard, Manifest
from curation.pipeline import Outcome, Progress, curate, is_begun, refresh
from curation.recipe import Recipe, validate_recipe
from curation.report import Report
from curation.runner import open_runner
from curation.runner.runner import OpenRunner, Runner
from services.confinement import Confinement
from services.database import Database
from services.errors import IllegalState, Invalid, LostLease
from services.failpoints import reach
from services.identity.projects import Projects
from services.jobs.job import Claim, Condition, Ending, Mode, Takedown
from services.jobs.rows import run_id
from services.jobs.states import State
from services.jobs.store import JobStore
from services.jobs.work import Anew
from services.runner.heart import Heart
from services.runner.patience import AWAY, patiently
from services.runner.progress import Meter
from services.runner.sentences import made, nothing_new
from services.runner.stopper import Stopped, Stopper, Why
from services.runner.takedown import is_certified, leftover, take_down
from services.settings import Settings

log = logging.getLogger("services.runner")

MAX_GENERATIONS = 3
"""How often an attempt begins anew because its input changes."""

REASONS: tuple[tuple[type[Exception], str], ...] = (
    (Invalid, "forbidden_uri"),
    (RedoError, "redo_needed"),
    (RecipeError, "recipe"),
    (InputError, "input"),
    (ConflictError, "conflict"),
    (ModelError, "model"),
    (AccountingError, "accounting"),
    (MissingError, "missing"),
    (StorageError, "storage"),
)
"""What the job FAILED of; an error that is none of these is a defect of ours."""

POINTS = {
    "look": ("driver.looking", "driver.looked_task", "driver.looked"),
    "filter": ("driver.filtering", "driver.filtered_shard", "driver.filtered"),
    "survey": ("driver.surveying", "driver.surveyed_task", "driver.surveyed"),
    "cut": ("driver.cutting", "driver.cut_part", "driver.cut"),
    "deduplicate": ("driver.deduplicating", "driver.deduplicated_task", "driver.deduplicated"),
    "spans": ("driver.finding_spans", "driver.found_spans_task", "driver.found_spans"),
    "finish": ("driver.finishing", "driver.finished_part", "driver.finished"),
    "index": ("driver.indexing", "driver.indexed_task", "driver.indexed"),
    "publish": ("driver.publishing", "", "driver.published"),
    "erase": ("driver.erasing", "driver.erased_task", "driver.erased"),
}
"""The failpoints of a step: its beginning, each task but the last, its end."""

ENDS = {
    "filter": "Filtered",
    "survey": "Surveyed",
    "cut": "Cut",
    "deduplicate": "Deduplicated",
    "spans": "SpansFound",
    "finish": "Finished",
    "index": "Indexed",
    "erase": "Erased",
}
"""The condition that the end of a step makes true."""


class TryAgain(Exception):  # noqa: N818, it ends this process, not the job
    """Nothing is wrong with the job: another attempt may go through."""


class _Held(Exception):  # noqa: N818, it is no error
    """The run is done but for what must be approved."""

    def __init__(self, digest: str, what: str, read: Report | None = None, breaches: Sequence[str] = ()) -> None:
        super().__init__("held")
        self.digest = digest
        self.what = what
        """What waits, for people."""
        self.read = read
        """What the run read."""
        self.breaches = breaches
        """Of the recipe's gates, a sentence each."""


class Execution:
    """Works on a claim; also the guard of its run."""

    def __init__(
        self,
        claim: Claim,
        settings: Settings,
        database: Database,
        store: JobStore,
        heart: Heart,
        meter: Meter,
        stopper: Stopper,
    ) -> None:
        self._claim = claim
        self._settings = settings
        self._database = database
        self._store = store
        self._heart = heart
        self._meter = meter
        self._stopper = stopper
        self._generation = claim.generation
        self._approved = claim.approved
        self._permitted = claim.permitted
        self._confinement = Confinement(())
        self._corpus: Corpus | None = None
        self._gates = 0
        self._conditions: list[Condition] = []
        self._begun: set[str] = set()

    def run(self) -> Ending:
        """Do the work. Raises what `curate` raises, Invalid for files outside of the project's roots, and Stopped."""
        self._confinement = Confinement(Projects(self._database, self._settings).roots(self._claim.project_id))
        recipe = self._recipe()
        self._confinement.check([recipe.output])
        self._corpus = Corpus(recipe.output)
        self._gates = len(recipe.gates)
        if (done := self._done()) is not None:
            return done
        if self._permitted is not None and self._is_settled():
            patiently(lambda: self._store.settle(self._claim.lease), self._heart.good_until)
            self._permitted = None
        reach("driver.loaded")
        with self._open_runner() as runner:
            reach("driver.opened")
            return self._curate(recipe, runner)

    def _recipe(self) -> Recipe:
        """What is run; of a takedown the recipe of the newest version when it was submitted, which says only where the
        corpus is, and what is read to decide duplicates anew."""
        body = self._claim.recipe
        if self._claim.takedown is None:
            return validate_recipe(self._confinement.recipe(body))
        recipe = validate_recipe(body)
        addresses = {name: body[name] for name in (("output", "sources") if recipe.refresh.promote else ("output",))}
        self._confinement.recipe(addresses)
        return recipe

    def failed(self, error: Exception) -> Ending:
        """How the job ended that this was raised in. Raises TryAgain where it has not."""
        if isinstance(error, AWAY):
            raise TryAgain(f"the database went away: {type(error).__name__}") from error
        try:
            may_have = self._permitted is not None or isinstance(error, ConflictError | StorageError)
            if may_have and (done := self._done()) is not None:
                log.warning("it was published nevertheless: %s", error)
                return done
            own = self._own_version() if may_have else None
            is_settled = self._permitted is not None and self._is_settled()
        except StorageError as second:
            if self._goes_on_after(second):
                raise TryAgain(f"{second} (after: {error})") from error
            own, is_settled = None, False
        if _may_go_through(error) or (own is None and not is_settled and self._goes_on_after(error)):
            raise TryAgain(f"{type(error).__name__}: {error}") from error
        if own is None:
            return self._failed(error).model_copy(update={"is_settled": is_settled})
        return self._unfinished(own, error)

    def _unfinished(self, version: int, error: Exception) -> Ending:
        """How a takedown ended that has published its version, but could not erase what it took down."""
        failed = self._failed(error)
        message = f"version {version} is without the documents, but their texts are not erased: {failed.message}"
        message = f"{message}; to go on, retry the job"
        found = {"message": message, "version": version, "published": True, "is_settled": True}
        return failed.model_copy(update=found)

    def _failed(self, error: Exception) -> Ending:
        reason = next((reason for kind, reason in REASONS if isinstance(error, kind)), None)
        if reason is None:
            log.error("a defect: %s", error, exc_info=error)
            return self._ending(State.FAILED, "defect", f"{type(error).__name__}: {error}; its log says more")
        log.error("%s", error)
        return self._ending(State.FAILED, reason, str(error))

    # ------------------------------------------------------------------- as a guard

    def inputs(self, files: Sequence[InputShard]) -> None:
        """Refuse files that lie outside of the project's roots."""
        reach("driver.listed")
        self._confinement.check([file.uri for file in files])
        size = sum(file.size for file in files)
        self._is_so("InputListed", f"{len(files):,} files, {size:,} bytes")

    def publish(self, manifest: Manifest, report: Report, change: Change) -> None:
        """Hold the run until this very content is approved, or ask for the permit to publish it."""
        reach("driver.drafted")
        breaches = [breach.message for breach in change.breaches]
        is_approved = self._approved == manifest.digest
        self._tell_gates(breaches, is_approved=is_approved)
        if (self._claim.hold or breaches) and not is_approved:
            raise _Held(manifest.digest, f"to be published: {made(report, change)}", change.read, breaches)
        self._pass(manifest.version, manifest.digest)

    def _tell_gates(self, breaches: Sequence[str], *, is_approved: bool) -> None:
        if breaches:
            self._note("GatePassed", "; ".join(breaches), "approved" if is_approved else "breach", is_true=False)
        elif self._gates:
            self._is_so("GatePassed", f"{self._gates} of {self._gates}")

    def _pass(self, version: int, digest: str) -> None:
        """From here on nobody stops the work, until the corpus says what became of it."""
        self._stopper.shield()
        reach("driver.before_permit")
        self._permitted = version  # as far as this process can tell, should the answer be lost
        self._permit(version, digest)
        reach("driver.after_permit")

    def _permit(self, version: int, digest: str) -> None:
        lease = self._claim.lease
        try:
            patiently(lambda: self._store.permit(lease, version, digest), self._heart.good_until)
        except LostLease:
            self._stopper.stop(Why.LOST)
            raise Stopped from None
        except IllegalState:
            state = self._heart.beat().state
            if state in (State.CANCELLING, State.PAUSING):
                self._stopper.stop(Why.ASKED)
                raise Stopped from None
            if state is not State.PUBLISHING:  # else it was permitted, and the answer was lost
                raise

    # ---------------------------------------------------------------------- the run

    def _open_runner(self) -> OpenRunner:
        settings = self._settings
        if settings.engine == "local":
            return open_runner("local")
        return open_runner("ray", workers=self._claim.workers or settings.workers, address=settings.ray_address)

    def _curate(self, recipe: Recipe, runner: Runner) -> Ending:
        if self._claim.has_begun and not self._has_records():
            self._begin_anew("records-gone")
        for _ in range(MAX_GENERATIONS):
            try:
                outcome = self._outcome(recipe, runner)
            except _Held as held:
                reach("driver.held")
                self._is_so("Held", held.what)
                message = "; ".join([held.what, *held.breaches])
                ending = self._ending(State.HELD, "gate" if held.breaches else "approval", message, read=held.read)
                return ending.model_copy(update={"held_digest": held.digest})
            except OtherRunError as error:
                log.warning("%s", error)
                self._begin_anew("input-changed")
                continue
            reach("driver.swept")
            is_own = outcome.published or outcome.run in self._run_ids()
            return self._succeeded(outcome.version, is_own, outcome.report, outcome.change)
        raise InputError(f"the input, or the corpus, changed {MAX_GENERATIONS} times while it was read")

    def _outcome(self, recipe: Recipe, runner: Runner) -> Outcome:
        run = self._run_id(self._generation)
        if self._claim.takedown is not None:
            return self._take_down(self._claim.takedown, runner, run, recipe.output)
        if self._claim.mode is Mode.REFRESH:
            return refresh(recipe, runner, run, self._watch, self, redo=self._claim.redo)
        return curate(recipe, runner, run, self._watch, self)

    def _take_down(self, asked: Takedown, runner: Runner, run: str, url: str) -> Outcome:
        corpus = Corpus(url)
        left = leftover(corpus, asked)
        if left is not None and self._permitted is None:
            if self._claim.hold and self._approved != left.digest:
                raise _Held(left.digest, f"to be erased: what version {left.version} took down")
            self._pass(left.version, left.digest)
        outcome, certificate = take_down(self._claim, asked, corpus, runner, run, self._watch, self)
        self._is_so("Certified", f"certificate {certificate.number}: {certificate.documents.lines:,} documents")
        return outcome

    def _has_records(self) -> bool:
        """Whether there is something that the run goes on from: records, or what it has published."""
        corpus, run = self._corpus, self._run_id(self._generation)
        return corpus is not None and (is_begun(corpus, run) or corpus.published(run) is not None)

    def _begin_anew(self, why: Anew) -> None:
        """Go on as a new run. What was approved was another one."""
        lease = self._claim.lease
        self._generation = patiently(lambda: self._store.next_generation(lease, why), self._heart.good_until)
        self._approved = None
        self._meter.begin_anew()
        self._begun.clear()
        reach("driver.began_anew")

    def _watch(self, progress: Progress) -> None:
        self._meter.watch(progress)
        begun, task, end = POINTS[progress.step]
        if progress.done == progress.total:
            if progress.step in ENDS:
                read = f", {progress.documents:,} records" if progress.documents else ""
                self._is_so(ENDS[progress.step], f"{progress.done:,} of {progress.total:,} tasks{read}")
            reach(end)
        elif progress.step not in self._begun:
            self._begun.add(progress.step)
            log.info("%s begins", progress.step, extra={"fields": {"step": progress.step, "total": progress.total}})
            reach(begun)
        else:
            reach(task)

    # --------------------------------------------------------------------- its ends

    def _run_id(self, generation: int) -> str:
        return run_id(self._claim.lease.job_id, generation)

    def _run_ids(self) -> list[str]:
        """The ids of all the job's runs, newest first."""
        return [self._run_id(generation) for generation in range(self._generation, 0, -1)]

    def _done(self) -> Ending | None:
        """The end of a job of which a run has published."""
        corpus = self._corpus
        if corpus is None:
            return None
        for own in self._run_ids():
            if (version := corpus.published(own)) is not None and self._is_whole(corpus, own):
                return self._succeeded(version, True, corpus.report(version), corpus.change(version))
        return None

    def _is_whole(self, corpus: Corpus, run: str) -> bool:
        """Whether nothing is left to do once this run has published: a takedown is over when it is certified."""
        asked = self._claim.takedown
        return asked is None or is_certified(corpus, run, erase=asked.erase)

    def _own_version(self) -> int | None:
        """The version that one of the job's runs has published."""
        corpus = self._corpus
        if corpus is None:
            return None
        return next((found for own in self._run_ids() if (found := corpus.published(own)) is not None), None)

    def _is_settled(self) -> bool:
        """Whether the corpus has passed the version that the job was permitted to publish, and none of its runs did it:
        so nor can a worker that still sleeps."""
        if self._corpus is None or self._permitted is None or self._corpus.head() < self._permitted:
            return False
        return self._own_version() is None

    def _goes_on_after(self, error: Exception) -> bool:
        """Whether another attempt may go through; one that may have published has to look, whatever the store says."""
        return _may_go_through(error) or (self._permitted is not None and isinstance(error, StorageError))

    def _succeeded(self, version: int, published: bool, report: Report, change: Change) -> Ending:
        message = f"version {version}: {made(report, change)}"
        if not published:
            message = nothing_new(version, change, self._claim.mode)
        reason = "" if published else "nothing-new"
        self._is_so("Published", message, reason=reason)
        read = report if self._claim.mode is Mode.RUN else change.read
        ending = self._ending(State.SUCCEEDED, reason, message, read=read)
        return ending.model_copy(update={"version": version, "published": published})

    def _ending(self, state: State, reason: str, message: str, *, read: Report | None = None) -> Ending:
        return Ending(
            state=state,
            reason=reason,
            message=message,
            documents_read=None if read is None else read.documents(),
            documents_kept=None if read is None else read.documents("kept"),
            conditions=tuple(self._conditions),
        )

    def _is_so(self, condition: str, message: str, reason: str = "") -> None:
        self._note(condition, message, reason, is_true=True)

    def _note(self, condition: str, message: str, reason: str, *, is_true: bool) -> None:
        said = condition if is_true else f"not {condition}"
        log.info("%s: %s", said, message, extra={"fields": {"condition": condition}})
        self._conditions = [
            *(other for other in self._conditions if other.type != condition),
            Condition(type=condition, is_true=is_true, at=self._meter.now(), reason=reason, message=message),
        ]


def _may_go_through(error: Exception) -> bool:
    """Whether it lies with the machines: a store that did not answer, an engine that could not be started or died."""
    is_engines = type(error) is CurationError or type(error).__module__.partition(".")[0] == "ray"
    return isinstance(error, TransientError) or is_engines
