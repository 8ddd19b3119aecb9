"""One attempt at a job: from the recipe that was claimed to how it ended."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from curation.corpus import Corpus
from curation.errors import (
    AccountingError,
    ConflictError,
    CurationError,
    InputError,
    ModelError,
    OtherRunError,
    RecipeError,
    StorageError,
    TransientError,
)
from curation.manifest import InputShard, Manifest
from curation.pipeline import Progress, curate, is_begun
from curation.recipe import Recipe, validate_recipe
from curation.report import Report
from curation.runner import open_runner
from curation.runner.runner import OpenRunner, Runner
from services.confinement import Confinement
from services.database import Database
from services.errors import IllegalState, Invalid, LostLease
from services.failpoints import reach
from services.identity.projects import Projects
from services.jobs.job import Claim, Condition, Ending
from services.jobs.rows import run_id
from services.jobs.states import State
from services.jobs.store import JobStore
from services.jobs.work import Anew
from services.runner.heart import Heart
from services.runner.patience import AWAY, patiently
from services.runner.progress import Meter
from services.runner.stopper import Stopped, Stopper, Why
from services.settings import Settings

log = logging.getLogger("services.runner")

MAX_GENERATIONS = 3
"""How often an attempt begins anew because its input changes."""

REASONS: tuple[tuple[type[Exception], str], ...] = (
    (Invalid, "forbidden_uri"),
    (RecipeError, "recipe"),
    (InputError, "input"),
    (ConflictError, "conflict"),
    (ModelError, "model"),
    (AccountingError, "accounting"),
    (StorageError, "storage"),
)
"""What the job FAILED of; an error that is none of these is a defect of ours."""

POINTS = {
    "filter": ("driver.filtering", "driver.filtered_shard", "driver.filtered"),
    "deduplicate": ("driver.deduplicating", "driver.deduplicated_task", "driver.deduplicated"),
    "finish": ("driver.finishing", "driver.finished_part", "driver.finished"),
    "publish": ("driver.publishing", "", "driver.published"),
}
"""The failpoints of a step: its beginning, each task but the last, its end."""

ENDS = {"filter": "Filtered", "deduplicate": "Deduplicated", "finish": "Finished"}
"""The condition that the end of a step makes true."""


class TryAgain(Exception):  # noqa: N818, it ends this process, not the job
    """Nothing is wrong with the job: another attempt may go through."""


class _Held(Exception):  # noqa: N818, it is no error
    """The run is done but for publishing, which must be approved."""

    def __init__(self, digest: str, report: Report) -> None:
        super().__init__("held")
        self.digest = digest
        self.report = report


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
        self._conditions: list[Condition] = []
        self._begun: set[str] = set()

    def run(self) -> Ending:
        """Do the work. Raises what `curate` raises, Invalid for files outside of the project's roots, and Stopped."""
        self._confinement = Confinement(Projects(self._database, self._settings).roots(self._claim.project_id))
        recipe = validate_recipe(self._confinement.recipe(self._claim.recipe))
        self._confinement.check([recipe.output])
        self._corpus = Corpus(recipe.output)
        if (done := self._done()) is not None:
            return done
        if self._permitted is not None and self._is_settled():
            patiently(lambda: self._store.settle(self._claim.lease), self._heart.good_until)
            self._permitted = None
        reach("driver.loaded")
        with self._open_runner() as runner:
            reach("driver.opened")
            return self._curate(recipe, runner)

    def failed(self, error: Exception) -> Ending:
        """How the job ended that this was raised in. Raises TryAgain where it has not."""
        if isinstance(error, AWAY):
            raise TryAgain(f"the database went away: {type(error).__name__}") from error
        try:
            may_have = self._permitted is not None or isinstance(error, ConflictError | StorageError)
            if may_have and (done := self._done()) is not None:
                log.warning("it was published nevertheless: %s", error)
                return done
            is_settled = self._permitted is not None and self._is_settled()
        except StorageError as second:
            if self._goes_on_after(second):
                raise TryAgain(f"{second} (after: {error})") from error
            is_settled = False
        if self._goes_on_after(error):
            raise TryAgain(f"{type(error).__name__}: {error}") from error
        return self._failed(error).model_copy(update={"is_settled": is_settled})

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

    def publish(self, manifest: Manifest, report: Report) -> None:
        """Hold the run, or ask for the permit to publish it."""
        reach("driver.drafted")
        if self._claim.hold and self._approved != manifest.digest:
            raise _Held(manifest.digest, report)
        self._stopper.shield()
        reach("driver.before_permit")
        self._permitted = manifest.version  # as far as this process can tell, should the answer be lost
        self._permit(manifest)
        reach("driver.after_permit")

    def _permit(self, manifest: Manifest) -> None:
        lease = self._claim.lease
        try:
            patiently(lambda: self._store.permit(lease, manifest.version, manifest.digest), self._heart.good_until)
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
                outcome = curate(recipe, runner, self._run_id(self._generation), self._watch, self)
            except _Held as held:
                reach("driver.held")
                message = f"{held.report.documents('kept'):,} documents wait to be published"
                self._is_so("Held", message)
                ending = self._ending(State.HELD, "approval", message, report=held.report)
                return ending.model_copy(update={"held_digest": held.digest})
            except OtherRunError as error:
                log.warning("%s", error)
                self._begin_anew("input-changed")
                continue
            reach("driver.swept")
            is_own = outcome.published or outcome.run in self._run_ids()
            return self._succeeded(outcome.version, is_own, outcome.report)
        raise InputError(f"the input, or the corpus, changed {MAX_GENERATIONS} times while it was read")

    def _has_records(self) -> bool:
        return self._corpus is not None and is_begun(self._corpus, self._run_id(self._generation))

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
            if (version := corpus.published(own)) is not None:
                return self._succeeded(version, True, corpus.report(version))
        return None

    def _is_settled(self) -> bool:
        """Whether the corpus has passed the version that the job was permitted to publish, and none of its runs did it:
        so nor can a worker that still sleeps."""
        if self._corpus is None or self._permitted is None or self._corpus.head() < self._permitted:
            return False
        return all(self._corpus.published(own) is None for own in self._run_ids())

    def _goes_on_after(self, error: Exception) -> bool:
        """Whether another attempt may go through; one that may have published has to look, whatever the store says."""
        return _may_go_through(error) or (self._permitted is not None and isinstance(error, StorageError))

    def _succeeded(self, version: int, published: bool, report: Report) -> Ending:
        kept = report.documents("kept")
        message = f"version {version}: {kept:,} of {report.documents():,} documents are kept"
        if not published:
            message = f"nothing is new since version {version}"
        self._is_so("Published", message, reason="" if published else "nothing-new")
        ending = self._ending(State.SUCCEEDED, "" if published else "nothing-new", message, report=report)
        return ending.model_copy(update={"version": version, "published": published})

    def _ending(self, state: State, reason: str, message: str, *, report: Report | None = None) -> Ending:
        return Ending(
            state=state,
            reason=reason,
            message=message,
            documents_read=None if report is None else report.documents(),
            documents_kept=None if report is None else report.documents("kept"),
            conditions=tuple(self._conditions),
        )

    def _is_so(self, condition: str, message: str, reason: str = "") -> None:
        log.info("%s: %s", condition, message, extra={"fields": {"condition": condition}})
        self._conditions = [
            *(other for other in self._conditions if other.type != condition),
            Condition(type=condition, is_true=True, at=self._meter.now(), reason=reason, message=message),
        ]


def _may_go_through(error: Exception) -> bool:
    """Whether it lies with the machines: a store that did not answer, an engine that could not be started or died."""
    is_engines = type(error) is CurationError or type(error).__module__.partition(".")[0] == "ray"
    return isinstance(error, TransientError) or is_engines
