"""Every table. What is true of a corpus is in the corpus; here is what people asked for, and who works on it now."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    desc,
    false,
    text,
)

from services.database.types import Instant
from services.jobs.states import LEASED, State

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(40)
Name = String(80)


def _project(**options: Any) -> Column[str]:
    return Column("project_id", Id, ForeignKey("projects.id"), nullable=False, **options)


def _listed(states: frozenset[State]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


# ---------------------------------------------------------------------- identity

projects = Table(
    "projects",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False, unique=True),
    Column("roots", JSON, nullable=False),
    Column("revision", Integer, nullable=False, default=1),
    Column("created", Instant, nullable=False),
    Column("created_by", String(200), nullable=False),
    comment="Who works together; projects cannot see one another. roots: where its recipes may read and write",
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    _project(index=True),
    Column("name", Name, nullable=False),
    Column("hash", String(64), nullable=False, comment="HMAC-SHA256 of the secret under the installation's key"),
    Column("role", String(16), nullable=False),
    Column("scopes", JSON, nullable=True, comment="permissions that the key is narrowed to; null: all of the role"),
    Column("is_installation_admin", Boolean, nullable=False, server_default=false()),
    Column("created", Instant, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("expires", Instant, nullable=True),
    Column("revoked", Instant, nullable=True),
    Column("last_used", Instant, nullable=True, comment="to the minute"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, comment="always 1: whoever locks this row writes next"),
    Column("sequence", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("project_id", Id, nullable=True),
    Column("principal", String(200), nullable=False),
    Column("action", String(80), nullable=False),
    Column("target", String(200), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("request_id", String(80), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, comment="SHA-256 over the row and the hash before it"),
    Index("ix_audit_project_id_sequence", "project_id", "sequence"),
)

# ----------------------------------------------------------------------- recipes

recipes = Table(
    "recipes",
    metadata,
    Column("id", Id, primary_key=True),
    _project(),
    Column("name", Name, nullable=False),
    Column("revision", Integer, nullable=False, comment="the newest; also its ETag"),
    Column("created", Instant, nullable=False),
    Column("updated", Instant, nullable=False),
    Column("deleted", Instant, nullable=True),
    UniqueConstraint("project_id", "name"),
)

recipe_revisions = Table(
    "recipe_revisions",
    metadata,
    Column("recipe_id", Id, ForeignKey("recipes.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("body", JSON, nullable=False, comment="the recipe as it was written, without defaults"),
    Column("note", Text, nullable=False, server_default=""),
    Column("created", Instant, nullable=False),
    Column("created_by", String(200), nullable=False),
)

corpora = Table(
    "corpora",
    metadata,
    Column("id", Id, primary_key=True),
    _project(),
    Column("name", Name, nullable=False),
    Column("url", Text, nullable=False),
    Column("created", Instant, nullable=False),
    UniqueConstraint("project_id", "name"),
    UniqueConstraint("project_id", "url"),
    comment="The catalogue: which corpora a project has. It can be rebuilt from the buckets",
)

# -------------------------------------------------------------------------- jobs

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True, comment="sorts by time"),
    _project(),
    Column("state", String(16), nullable=False),
    Column("reason", String(64), nullable=False, server_default="", comment="why it is in this state, for programs"),
    Column("message", Text, nullable=False, server_default="", comment="the same for people"),
    Column("conditions", JSON, nullable=False),
    Column("mode", String(16), nullable=False, server_default="run", comment="run, refresh, takedown"),
    Column("redo", Boolean, nullable=False, server_default=false(), comment="a refresh may do everything anew"),
    Column("takedown", JSON(none_as_null=True), nullable=True, comment="what is taken down, and why"),
    Column("recipe", JSON, nullable=False, comment="what is run, its placeholders filled in"),
    Column("recipe_name", Name, nullable=False),
    Column("recipe_revision", Integer, nullable=True, comment="null for a recipe that came with the job"),
    Column("corpus", Name, nullable=False),
    Column("corpus_url", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("priority", Integer, nullable=False, server_default="0", comment="larger goes first"),
    Column("hold", Boolean, nullable=False, server_default=false(), comment="wait for approval before publishing"),
    Column("held_digest", String(64), nullable=True, comment="the digest of what it was held with"),
    Column("approved", Boolean, nullable=False, server_default=false(), comment="and that may be published"),
    Column(
        "permitted",
        Integer,
        nullable=True,
        comment="the version that it may have published; null again once the corpus has said what became of it",
    ),
    Column("workers", Integer, nullable=True),
    Column("traceparent", String(80), nullable=True),
    Column("created", Instant, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("queued", Instant, nullable=False, comment="when it last became QUEUED"),
    Column("not_before", Instant, nullable=True, comment="a crashed attempt is not repeated at once"),
    Column("started", Instant, nullable=True),
    Column("finished", Instant, nullable=True),
    Column("updated", Instant, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0", comment="how many drivers were started"),
    Column(
        "crashes", Integer, nullable=False, server_default="0", comment="how many were lost in a row, without progress"
    ),
    Column("generation", Integer, nullable=False, server_default="1", comment="the run's id is <job>-<generation>"),
    Column("lease_owner", String(200), nullable=True),
    Column(
        "lease_epoch", Integer, nullable=False, server_default="0", comment="the fencing token: grows by each claim"
    ),
    Column("lease_until", Instant, nullable=True),
    Column("progressed", Instant, nullable=True, comment="when progress was last made"),
    Column("kill_after", Instant, nullable=True, comment="when a job that is asked to stop is killed"),
    Column("progress", JSON, nullable=False),
    Column(
        "tasks_done", Integer, nullable=False, server_default="0", comment="the most that one attempt of the run did"
    ),
    Column("version", Integer, nullable=True, comment="of the corpus, once known"),
    Column("published", Boolean, nullable=True, comment="false: the version was there before, nothing was new"),
    Column("documents_read", Integer, nullable=True),
    Column("documents_kept", Integer, nullable=True),
    Column("schedule_id", Id, ForeignKey("schedules.id"), nullable=True),
    Column("occurrence", Instant, nullable=True),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("last_event", Integer, nullable=False, server_default="0"),
    Column("last_log", Integer, nullable=False, server_default="0"),
    Column("deleted", Instant, nullable=True),
    CheckConstraint(f"state IN ({_listed(frozenset(State))})", name="state"),
    Index("ix_jobs_project_id_id", "project_id", "id"),
    Index("ix_jobs_project_id_state_id", "project_id", "state", "id"),
    Index("ix_jobs_project_id_recipe_name_id", "project_id", "recipe_name", "id"),
    Index("ix_jobs_project_id_corpus_id", "project_id", "corpus", "id"),
    Index("ix_jobs_state_priority_queued_id", "state", desc("priority"), "queued", "id"),
    Index("ix_jobs_schedule_id_id", "schedule_id", "id"),
    Index("ix_jobs_schedule_id_state_id", "schedule_id", "state", "id"),
    Index(
        "ix_jobs_deleted",
        "deleted",
        sqlite_where=text("deleted IS NOT NULL"),
        postgresql_where=text("deleted IS NOT NULL"),
    ),
    Index(
        "uq_jobs_corpus_url_leased",
        "corpus_url",
        unique=True,
        sqlite_where=text(f"state IN ({_listed(LEASED)})"),
        postgresql_where=text(f"state IN ({_listed(LEASED)})"),
    ),
)

job_labels = Table(
    "job_labels",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String(63), primary_key=True),
    Column("value", String(255), nullable=False),
    Index("ix_job_labels_key_value_job_id", "key", "value", "job_id"),
)

job_attempts = Table(
    "job_attempts",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("started", Instant, nullable=False),
    Column("finished", Instant, nullable=True),
    Column("ended", String(16), nullable=True, comment="the state that it left the job in"),
    Column("reason", String(64), nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", Integer, primary_key=True, comment="1, 2, … without gaps: written under the job's row lock"),
    Column("at", Instant, nullable=False),
    Column("kind", String(32), nullable=False, comment="state, progress, condition, asked"),
    Column("data", JSON, nullable=False),
    Index("ix_job_events_at", "at"),
)

job_logs = Table(
    "job_logs",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("level", String(8), nullable=False),
    Column("logger", String(120), nullable=False),
    Column("message", Text, nullable=False),
    Column("fields", JSON, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    _project(primary_key=True),
    Column("route", String(80), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("job_id", Id, nullable=False),
    Column("created", Instant, nullable=False, index=True),
)

# --------------------------------------------------------------------- schedules

schedules = Table(
    "schedules",
    metadata,
    Column("id", Id, primary_key=True),
    _project(),
    Column("name", Name, nullable=False),
    Column("recipe_name", Name, nullable=False),
    Column("recipe_revision", Integer, nullable=True, comment="null: the newest at each occurrence"),
    Column("mode", String(16), nullable=False, server_default="refresh", comment="of its jobs: run, refresh"),
    Column("cron", String(120), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("jitter_s", Integer, nullable=False),
    Column("overlap", String(16), nullable=False),
    Column("misfire", String(16), nullable=False),
    Column("max_catch_up", Integer, nullable=False),
    Column("catch_up_window_s", Integer, nullable=False),
    Column("start", Instant, nullable=True),
    Column("end", Instant, nullable=True),
    Column("skip_dates", JSON, nullable=False),
    Column("hold", Boolean, nullable=False, server_default=false()),
    Column("labels", JSON, nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("pause_after_failures", Integer, nullable=True),
    Column("failures", Integer, nullable=False, server_default="0", comment="in a row"),
    Column("counted_from", Instant, nullable=True, comment="failures of occurrences up to here are forgotten"),
    Column("paused", Instant, nullable=True),
    Column("pause_reason", Text, nullable=False, server_default=""),
    Column("cursor", Instant, nullable=False, comment="occurrences up to here have been decided on"),
    Column("next_at", Instant, nullable=True, index=True, comment="the next occurrence: when the scheduler looks"),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("created", Instant, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("updated", Instant, nullable=False),
    Column("deleted", Instant, nullable=True),
    Index(
        "uq_schedules_project_id_name",
        "project_id",
        "name",
        unique=True,
        sqlite_where=text("deleted IS NULL"),
        postgresql_where=text("deleted IS NULL"),
    ),
)

occurrences = Table(
    "occurrences",
    metadata,
    Column("schedule_id", Id, ForeignKey("schedules.id"), primary_key=True),
    Column("occurrence", Instant, primary_key=True, comment="when the cron expression says, without jitter"),
    Column("kind", String(60), primary_key=True, comment="schedule, backfill:<id>, manual:<id>"),
    Column("state", String(16), nullable=False, comment="WAITING, STARTED, SKIPPED, MISSED, FAILED"),
    Column("due", Instant, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("job_id", Id, nullable=True),
    Column("is_counted", Boolean, nullable=False, server_default=false(), comment="its job's end was counted"),
    Column("position", Integer, nullable=False, server_default="0", comment="among those that wait"),
    Column("max_parallel", Integer, nullable=False, server_default="1", comment="of its backfill"),
    Column("created", Instant, nullable=False),
    Index("ix_occurrences_state_schedule_id", "state", "schedule_id"),
    Index("ix_occurrences_job_id", "job_id"),
    Index(
        "ix_occurrences_schedule_id_uncounted",
        "schedule_id",
        sqlite_where=text("state = 'STARTED' AND NOT is_counted"),
        postgresql_where=text("state = 'STARTED' AND NOT is_counted"),
    ),
)

# ---------------------------------------------------------------------- webhooks

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True),
    _project(index=True),
    Column("name", Name, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False, comment="job.succeeded, …; empty: all"),
    Column("generation", Integer, nullable=False, server_default="1", comment="of the secret, which derives from it"),
    Column("rotated", Instant, nullable=True, comment="the secret before stays good for a day"),
    Column("paused", Instant, nullable=True),
    Column("pause_reason", Text, nullable=False, server_default=""),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("created", Instant, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("deleted", Instant, nullable=True),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True, comment="the webhook-id of every try"),
    Column("webhook_id", Id, ForeignKey("webhooks.id"), nullable=False),
    _project(),
    Column("event", String(40), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String(16), nullable=False, comment="PENDING, DELIVERED, DEAD"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_at", Instant, nullable=True),
    Column("lease_until", Instant, nullable=True),
    Column("last_status", Integer, nullable=True),
    Column("last_error", Text, nullable=False, server_default=""),
    Column("created", Instant, nullable=False, index=True),
    Column("delivered", Instant, nullable=True),
    Index("ix_deliveries_state_next_at", "state", "next_at"),
    Index("ix_deliveries_webhook_id_id", "webhook_id", "id"),
)

# ----------------------------------------------------------------------- processes

processes = Table(
    "processes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("role", String(16), nullable=False, comment="api, scheduler, runner"),
    Column("name", String(200), nullable=False),
    Column("version", String(40), nullable=False),
    Column("started", Instant, nullable=False),
    Column("seen", Instant, nullable=False, index=True),
    Column("detail", JSON, nullable=False),
)
