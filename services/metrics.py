"""Metrics for Prometheus: what this process counts, and what the database says when it is asked.

Every metric is declared here, with its unit in its name and its help. What is counted in the database is a gauge, so
that it does not matter which of several API processes is asked; windows are a day, so that a trimmed row cannot look
like a counter's reset.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import BigInteger, Connection, and_, case, func, select, type_coerce

from services.database import Database
from services.database.tables import deliveries, jobs, processes, projects, schedules
from services.database.types import clock, later
from services.jobs.states import FINAL, LEASED, State
from services.settings import Settings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DAY_S = 86_400.0
SEEN_WITHIN_S = 60.0
MAX_CORPORA = 500
"""How many corpora have series of their own: those that were published to last."""
FRESH_FOR_S = 5.0
"""A scrape within this time of the last one is answered from memory."""
DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROLES = ("api", "scheduler", "runner")

JOBS = ("curation_jobs", "Jobs by state.", ("project", "state"))
OLDEST_QUEUED = ("curation_oldest_queued_job_age_seconds", "How long the oldest queued job has waited.", ("project",))
ENDED = ("curation_jobs_ended_last_day", "Jobs that ended in the last 24 hours, by how.", ("project", "outcome"))
JOB_SECONDS = (
    "curation_job_duration_seconds_last_day",
    "From the first start to the end, added up over jobs that ended in the last 24 hours.",
    ("project", "outcome"),
)
LONGEST_JOB = (
    "curation_longest_job_duration_seconds_last_day",
    "From the first start to the end, the longest of the jobs that ended in the last 24 hours.",
    ("project", "outcome"),
)
DOCUMENTS_READ = (
    "curation_documents_read_last_day",
    "Documents that jobs which succeeded in the last 24 hours have read.",
    ("project",),
)
DOCUMENTS_KEPT = (
    "curation_documents_kept_last_day",
    "Documents that jobs which succeeded in the last 24 hours have kept.",
    ("project",),
)
LEASES_EXPIRING = (
    "curation_leases_expiring",
    "Jobs whose worker's lease has run out, or does so before a third of it is left.",
    ("project",),
)
CORPUS_VERSION = ("curation_corpus_version", "The newest version that a job has published.", ("project", "corpus"))
CORPUS_DOCUMENTS = (
    "curation_corpus_documents",
    "Documents in the newest version that a job has published.",
    ("project", "corpus"),
)
CORPUS_PUBLISHED = (
    "curation_corpus_published_timestamp_seconds",
    "When the newest version was published, in seconds since 1970.",
    ("project", "corpus"),
)
SCHEDULES = ("curation_schedules", "Schedules, active or paused.", ("project", "state"))
SCHEDULE_LATE = (
    "curation_schedule_late_seconds",
    "How long the latest of the due schedules has waited for a scheduler; 0 when none is late.",
    ("project",),
)
DELIVERIES = (
    "curation_webhook_deliveries",
    "Webhooks' deliveries that have not arrived, by state.",
    ("project", "state"),
)
OLDEST_DELIVERY = (
    "curation_oldest_due_webhook_delivery_age_seconds",
    "How long the oldest delivery that is due has waited for a sender; 0 when none is.",
    ("project",),
)
PROCESSES = ("curation_processes", "Processes that were seen in the last minute.", ("role",))
SCRAPE = ("curation_database_scrape_duration_seconds", "How long the database took to answer for these metrics.", ())
DATABASE_UP = ("curation_database_up", "Whether the database answered: 1 or 0.", ())

FROM_DATABASE = (
    JOBS,
    OLDEST_QUEUED,
    ENDED,
    JOB_SECONDS,
    LONGEST_JOB,
    DOCUMENTS_READ,
    DOCUMENTS_KEPT,
    LEASES_EXPIRING,
    CORPUS_VERSION,
    CORPUS_DOCUMENTS,
    CORPUS_PUBLISHED,
    SCHEDULES,
    SCHEDULE_LATE,
    DELIVERIES,
    OLDEST_DELIVERY,
    PROCESSES,
    SCRAPE,
    DATABASE_UP,
)

Samples = dict[str, list[tuple[tuple[str, ...], float]]]


class Metrics:
    """The metrics of one process; `requests`, `durations` and `streams` are counted by the API's middleware."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._registry = CollectorRegistry()
        self._facts = _Facts(database, settings.lease_s / 3)
        self.requests = Counter(
            "curation_http_requests",
            "Requests that were answered, by operation and status.",
            ("operation", "method", "status"),
            registry=self._registry,
        )
        self.durations = Histogram(
            "curation_http_request_duration_seconds",
            "From a request's first byte to its answer's last, without event streams.",
            ("operation",),
            buckets=DURATION_BUCKETS_S,
            registry=self._registry,
        )
        self.streams = Gauge("curation_event_streams", "Event streams that are open.", registry=self._registry)

    def render(self, project: str | None = None) -> bytes:
        """In Prometheus' text format: of the whole installation, or without what other projects have."""
        asked = CollectorRegistry(auto_describe=False)
        asked.register(_FactsCollector(self._facts.now(), project))
        return generate_latest(self._registry) + generate_latest(asked)

    def names(self) -> dict[str, str]:
        """Every metric that there is, with its help."""
        counted = {metric.name: metric.documentation for metric in self._registry.collect()}
        return counted | {name: help_ for name, help_, _labels in FROM_DATABASE}


class _FactsCollector(Collector):
    def __init__(self, samples: Samples, project: str | None) -> None:
        self._samples = samples
        self._project = project

    def collect(self) -> Iterable[Metric]:
        for name, help_, labels in FROM_DATABASE:
            family = GaugeMetricFamily(name, help_, labels=labels)
            for values, number in self._samples.get(name, ()):
                if self._project is None or "project" not in labels or values[0] == self._project:
                    family.add_metric(values, number)
            yield family


class _Facts:
    """What the database says, asked at most every few seconds however many ask."""

    def __init__(self, database: Database, expiring_s: float) -> None:
        self._database = database
        self._expiring_s = expiring_s
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._samples: Samples = {}

    def now(self) -> Samples:
        with self._lock:
            if time.monotonic() - self._asked_at > FRESH_FOR_S:
                self._samples = self._ask()
                self._asked_at = time.monotonic()
            return self._samples

    def _ask(self) -> Samples:
        from sqlalchemy.exc import SQLAlchemyError

        started = time.monotonic()
        samples: Samples = {name: [] for name, _help, _labels in FROM_DATABASE}
        try:
            with self._database.reading() as connection:
                for name, values, number in self._questions(connection):
                    samples[name].append((values, number))
        except SQLAlchemyError:
            return {DATABASE_UP[0]: [((), 0.0)]}
        samples[DATABASE_UP[0]] = [((), 1.0)]
        samples[SCRAPE[0]] = [((), time.monotonic() - started)]
        return samples

    def _questions(self, connection: Connection) -> Iterator[tuple[str, tuple[str, ...], float]]:
        yield from _job_facts(connection)
        yield from _lease_facts(connection, self._expiring_s)
        yield from _corpus_facts(connection)
        yield from _schedule_facts(connection)
        yield from _delivery_facts(connection)
        yield from _process_facts(connection)


Facts = Iterator[tuple[str, tuple[str, ...], float]]


def _seconds(micros: Any) -> float:
    return float(micros or 0) / 1e6


def _micros(column: Any) -> Any:
    return type_coerce(column, BigInteger)


def _job_facts(connection: Connection) -> Facts:
    """One walk over the jobs."""
    is_recent = jobs.c.finished >= later(-DAY_S)
    took = _micros(jobs.c.finished) - _micros(jobs.c.started)
    query = (
        select(
            projects.c.name,
            jobs.c.state,
            func.count().label("jobs"),
            (_micros(clock()) - _micros(func.min(jobs.c.queued))).label("oldest"),
            func.sum(case((is_recent, 1), else_=0)).label("ended"),
            func.sum(case((is_recent, took), else_=0)).label("took"),
            func.max(case((is_recent, took), else_=0)).label("longest"),
            func.sum(case((is_recent, jobs.c.documents_read), else_=0)).label("documents_read"),
            func.sum(case((is_recent, jobs.c.documents_kept), else_=0)).label("documents_kept"),
        )
        .join_from(jobs, projects)
        .where(jobs.c.deleted.is_(None))
        .group_by(projects.c.name, jobs.c.state)
    )
    for row in connection.execute(query):
        yield JOBS[0], (row.name, row.state), row.jobs
        if row.state == State.QUEUED:
            yield OLDEST_QUEUED[0], (row.name,), _seconds(row.oldest)
        if row.state in FINAL:
            labels = (row.name, row.state)
            yield ENDED[0], labels, float(row.ended)
            yield JOB_SECONDS[0], labels, _seconds(row.took)
            yield LONGEST_JOB[0], labels, _seconds(row.longest)
        if row.state == State.SUCCEEDED:
            yield DOCUMENTS_READ[0], (row.name,), float(row.documents_read or 0)
            yield DOCUMENTS_KEPT[0], (row.name,), float(row.documents_kept or 0)


def _lease_facts(connection: Connection, expiring_s: float) -> Facts:
    is_expiring = and_(jobs.c.state.in_(sorted(LEASED)), jobs.c.lease_until < later(expiring_s))
    query = select(projects.c.name, func.count()).join_from(jobs, projects).where(is_expiring).group_by(projects.c.name)
    for project, count in connection.execute(query):
        yield LEASES_EXPIRING[0], (project,), count


def _corpus_facts(connection: Connection) -> Facts:
    made = jobs.c.state == State.SUCCEEDED, jobs.c.version.is_not(None), jobs.c.deleted.is_(None)
    newest = (
        select(func.max(jobs.c.id).label("id"))
        .where(*made)
        .group_by(jobs.c.project_id, jobs.c.corpus)
        .order_by(func.max(jobs.c.id).desc())
        .limit(MAX_CORPORA)
        .subquery()
    )
    query = (
        select(projects.c.name, jobs.c.corpus, jobs.c.version, jobs.c.documents_kept, jobs.c.finished)
        .join_from(jobs, projects)
        .join(newest, newest.c.id == jobs.c.id)
    )
    for row in connection.execute(query):
        labels = (row.name, row.corpus)
        yield CORPUS_VERSION[0], labels, row.version
        yield CORPUS_DOCUMENTS[0], labels, float(row.documents_kept or 0)
        if row.finished is not None:
            yield CORPUS_PUBLISHED[0], labels, row.finished.timestamp()


def _schedule_facts(connection: Connection) -> Facts:
    is_paused = schedules.c.paused.is_not(None)
    late = case(
        (and_(~is_paused, schedules.c.next_at < clock()), _micros(clock()) - _micros(schedules.c.next_at)), else_=0
    )
    query = (
        select(
            projects.c.name,
            func.sum(case((is_paused, 1), else_=0)).label("paused"),
            func.sum(case((is_paused, 0), else_=1)).label("active"),
            func.max(late).label("late"),
        )
        .join_from(schedules, projects)
        .where(schedules.c.deleted.is_(None))
        .group_by(projects.c.name)
    )
    for row in connection.execute(query):
        yield SCHEDULES[0], (row.name, "active"), float(row.active)
        yield SCHEDULES[0], (row.name, "paused"), float(row.paused)
        yield SCHEDULE_LATE[0], (row.name,), _seconds(row.late)


def _delivery_facts(connection: Connection) -> Facts:
    waited = case((deliveries.c.next_at < clock(), _micros(clock()) - _micros(deliveries.c.next_at)), else_=0)
    query = (
        select(projects.c.name, deliveries.c.state, func.count().label("deliveries"), func.max(waited).label("waited"))
        .join_from(deliveries, projects)
        .where(deliveries.c.state.in_(("PENDING", "DEAD")))
        .group_by(projects.c.name, deliveries.c.state)
    )
    for row in connection.execute(query):
        yield DELIVERIES[0], (row.name, row.state), row.deliveries
        if row.state == "PENDING":
            yield OLDEST_DELIVERY[0], (row.name,), _seconds(row.waited)


def _process_facts(connection: Connection) -> Facts:
    query = (
        select(processes.c.role, func.count())
        .where(processes.c.seen >= later(-SEEN_WITHIN_S))
        .group_by(processes.c.role)
    )
    seen: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
    for role in sorted({*ROLES, *seen}):
        yield PROCESSES[0], (role,), seen.get(role, 0)
