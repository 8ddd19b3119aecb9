"""What a job is: as it is submitted, as it is shown, and as its worker holds it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.jobs.states import State
from services.moment import Moment

LabelKey = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9_./-]{0,61}[a-z0-9])?$")]
LabelValue = Annotated[str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=32)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]


class Model(BaseModel):
    """What every model of the API has: unknown fields are an error, fields' docstrings are their descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Shown(Model):
    """What the API answers with. Later releases may add fields, so whoever reads it passes over those it does not
    know."""

    model_config = ConfigDict(extra="ignore")


class Mode(StrEnum):
    """What a job does to its corpus."""

    RUN = "run"
    """Read all of the input anew."""
    REFRESH = "refresh"
    """Read only the input files that are new or have changed since the newest version."""
    TAKEDOWN = "takedown"
    """Remove documents: made by `/v1/corpora/{name}/takedowns`."""


class Submission(Model):
    """A job to be made. Give either a whole `recipe`, or the name of one that is stored."""

    mode: Literal[Mode.RUN, Mode.REFRESH] = Mode.RUN
    """`run` reads all of the input; `refresh` only what is new or has changed since the corpus's newest version."""
    redo: bool = False
    """Of a refresh: do everything anew where the recipe has changed. Without it such a job fails, and says what would
    have to be done anew and what that may cost."""

    recipe: dict[str, Any] | None = None
    """A recipe, as in a recipe file."""
    recipe_name: Name | None = None
    """A recipe of `/v1/recipes`."""
    recipe_revision: Annotated[int, Field(ge=1, lt=1 << 31)] | None = None
    """Which revision of it; default the newest."""
    labels: Labels = {}
    """For finding the job again."""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """Larger goes first."""
    hold: bool = False
    """Stop before publishing and wait for approval."""
    workers: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many workers it may use; default: the runner's setting."""
    occurrence: Moment | None = None
    """What `${occurrence}` in the sources' URIs stands for."""


class WantedDocument(Model):
    """A document that is to be taken down."""

    id: Annotated[str, Field(min_length=1, max_length=4096)]
    """Its id, as the corpus has it."""
    source: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    """Of this source only; null: of any."""


Rules = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...], Field(max_length=1000)]


class Takedown(Model):
    """Which documents go: those that any of these names."""

    ids: Annotated[tuple[WantedDocument, ...], Field(max_length=100_000)] = ()
    """Documents by their ids."""
    urls: Rules = ()
    """Places on the web with all below them: `https://example.org/blog`, or without a scheme for any."""
    sources: Rules = ()
    """All documents of these sources."""
    licences: Rules = ()
    """All documents whose metadata says one of these, in whatever case."""
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None
    """Why, for the certificate."""
    erase: bool = False
    """Also remove their texts from every version, so that no byte of them remains, and prove it."""


class NewTakedown(Takedown):
    """A takedown that is to be made."""

    hold: bool = False
    """Stop before publishing, so that somebody can look at what would be removed, and wait for approval."""
    labels: Labels = {}
    """Of its job."""


class NewJob(BaseModel):
    """A checked submission: what the store keeps. Made by the API and by the scheduler."""

    model_config = ConfigDict(frozen=True)

    mode: Mode = Mode.RUN
    redo: bool = False
    takedown: Takedown | None = None
    recipe: dict[str, Any]
    recipe_name: str
    recipe_revision: int | None = None
    corpus: str
    corpus_url: str
    labels: dict[str, str] = {}
    priority: int = 0
    hold: bool = False
    workers: int | None = None
    traceparent: str | None = None
    schedule_id: str | None = None
    occurrence: datetime | None = None


class Condition(Shown):
    """One thing that is so about a job, and since when: `InputListed`, `Deduplicated`, `Held`, `Published`, …"""

    type: str
    is_true: bool
    at: datetime
    reason: str = ""
    message: str = ""


Step = Literal["look", "filter", "survey", "cut", "deduplicate", "spans", "finish", "index", "publish", "erase"]


class StepProgress(Shown):
    """How far one step of a job is. Rates are over the step's whole time so far; `left_s` is a range, or absent while
    less than a twentieth is done."""

    step: Step
    shards_done: int
    shards_total: int
    documents: int = 0
    bytes: int = 0
    started: datetime
    updated: datetime
    documents_per_s: float | None = None
    bytes_per_s: float | None = None
    left_s: tuple[float, float] | None = None
    """Seconds left: likely at least, likely at most."""


class Attempt(Shown):
    """One driver process of a job."""

    attempt: int
    owner: str
    """The runner."""
    started: datetime
    finished: datetime | None = None
    ended: State | None = None
    """The state that it left the job in."""
    reason: str = ""
    message: str = ""


class Job(Shown):
    """A recipe in the queue, being executed, or done."""

    id: str
    project: str
    state: State
    reason: str = ""
    """Why it is in this state: a stable word for programs."""
    message: str = ""
    """The same for people."""
    conditions: tuple[Condition, ...] = ()
    mode: Mode = Mode.RUN
    """What it does: `run`, `refresh` or `takedown`."""
    redo: bool = False
    """Whether a refresh does everything anew where the recipe has changed."""
    recipe_name: str
    recipe_revision: int | None = None
    corpus: str
    """The corpus's name in `/v1/corpora`."""
    corpus_url: str
    run: str
    """The id of its present run: what the corpus's versions and reports name it by."""
    labels: dict[str, str] = {}
    priority: int = 0
    hold: bool = False
    workers: int | None = None
    created: datetime
    created_by: str
    started: datetime | None = None
    finished: datetime | None = None
    updated: datetime
    attempt: int = 0
    attempts: tuple[Attempt, ...] = ()
    """Oldest first; empty in lists."""
    progress: tuple[StepProgress, ...] = ()
    version: int | None = None
    """The corpus's version that it made, or found."""
    published: bool | None = None
    """False where nothing was new."""
    documents_read: int | None = None
    """How many records it read; a refresh reads only what is new."""
    documents_kept: int | None = None
    """How many of those are kept."""
    schedule_id: str | None = None
    occurrence: datetime | None = None
    revision: int
    """Changes whenever the state does."""


class JobFilter(BaseModel):
    """Which jobs a list shows. Every field that is given must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    states: tuple[State, ...] = ()
    mode: Mode | None = None
    recipe: str | None = None
    corpus: str | None = None
    labels: dict[str, str] = {}
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None
    schedule_id: str | None = None


class Event(Shown):
    """Something that happened to a job; `sequence` counts from 1 without gaps."""

    sequence: int
    at: datetime
    kind: Literal["state", "progress", "condition", "asked"]
    data: dict[str, Any]


class LogLine(Shown):
    """One line that a job's driver wrote."""

    sequence: int
    at: datetime
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    logger: str
    message: str
    fields: dict[str, Any] = {}


class NewLogLine(BaseModel):
    """A line that has no number yet."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    logger: str
    message: str
    fields: dict[str, Any] = {}


class Lease(BaseModel):
    """The right to work on a job. A lower epoch than the job's has lost it."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    epoch: int
    owner: str


class Claim(BaseModel):
    """A job that a runner has taken, with what its driver needs."""

    model_config = ConfigDict(frozen=True)

    lease: Lease
    project_id: str
    attempt: int
    generation: int
    """The run's id is `<job id>-<generation>`; those of earlier generations may have published too."""
    mode: Mode = Mode.RUN
    redo: bool = False
    takedown: Takedown | None = None
    by: str = ""
    """Who submitted it."""
    recipe: dict[str, Any]
    hold: bool
    """Whether what it publishes must be approved."""
    approved: str | None = None
    """The digest of what has been."""
    has_begun: bool = False
    """Whether its run has had records already."""
    permitted: int | None = None
    """The version that an earlier attempt may have published."""
    workers: int | None = None
    traceparent: str | None = None


class Orders(BaseModel):
    """What a worker learns from a heartbeat."""

    model_config = ConfigDict(frozen=True)

    state: State
    """PAUSING and CANCELLING ask it to stop."""
    kill: bool = False
    """Whether its time to stop by itself is over."""


class Ending(BaseModel):
    """How a driver leaves its job."""

    model_config = ConfigDict(frozen=True)

    state: State
    reason: str = ""
    message: str = ""
    version: int | None = None
    published: bool | None = None
    documents_read: int | None = None
    documents_kept: int | None = None
    held_digest: str | None = None
    """Of what waits for approval."""
    is_settled: bool = False
    """Whether the corpus says that none of the job's runs is published, nor can be."""
    conditions: tuple[Condition, ...] = ()
