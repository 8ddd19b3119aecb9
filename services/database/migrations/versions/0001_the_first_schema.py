"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=True),
        sa.Column("principal", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("request_id", sa.String(length=80), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False, comment="SHA-256 over the row and the hash before it"),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_project_id_sequence", "audit", ["project_id", "sequence"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False, comment="always 1: whoever locks this row writes next"),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "processes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False, comment="api, scheduler, runner"),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
    )
    op.create_index(op.f("ix_processes_seen"), "processes", ["seen"], unique=False)
    op.create_table(
        "projects",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("roots", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint("name", name=op.f("uq_projects_name")),
        comment="Who works together; projects cannot see one another. roots: where its recipes may read and write",
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column(
            "hash",
            sa.String(length=64),
            nullable=False,
            comment="HMAC-SHA256 of the secret under the installation's key",
        ),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column(
            "scopes", sa.JSON(), nullable=True, comment="permissions that the key is narrowed to; null: all of the role"
        ),
        sa.Column("is_installation_admin", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.Column("last_used", sa.BigInteger(), nullable=True, comment="to the minute"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_api_keys_project_id_projects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index(op.f("ix_api_keys_project_id"), "api_keys", ["project_id"], unique=False)
    op.create_table(
        "corpora",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_corpora_project_id_projects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corpora")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_corpora_project_id_name")),
        sa.UniqueConstraint("project_id", "url", name=op.f("uq_corpora_project_id_url")),
        comment="The catalogue: which corpora a project has. It can be rebuilt from the buckets",
    )
    op.create_table(
        "idempotency",
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("route", sa.String(length=80), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_idempotency_project_id_projects")),
        sa.PrimaryKeyConstraint("project_id", "route", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_created"), "idempotency", ["created"], unique=False)
    op.create_table(
        "recipes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="the newest; also its ETag"),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_recipes_project_id_projects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recipes")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_recipes_project_id_name")),
    )
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("recipe_name", sa.String(length=80), nullable=False),
        sa.Column("recipe_revision", sa.Integer(), nullable=True, comment="null: the newest at each occurrence"),
        sa.Column(
            "mode", sa.String(length=16), server_default="refresh", nullable=False, comment="of its jobs: run, refresh"
        ),
        sa.Column("cron", sa.String(length=120), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("jitter_s", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.String(length=16), nullable=False),
        sa.Column("misfire", sa.String(length=16), nullable=False),
        sa.Column("max_catch_up", sa.Integer(), nullable=False),
        sa.Column("catch_up_window_s", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=True),
        sa.Column("end", sa.BigInteger(), nullable=True),
        sa.Column("skip_dates", sa.JSON(), nullable=False),
        sa.Column("hold", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("pause_after_failures", sa.Integer(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False, comment="in a row"),
        sa.Column(
            "counted_from",
            sa.BigInteger(),
            nullable=True,
            comment="failures of occurrences up to here are forgotten",
        ),
        sa.Column("paused", sa.BigInteger(), nullable=True),
        sa.Column("pause_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False, comment="occurrences up to here have been decided on"),
        sa.Column("next_at", sa.BigInteger(), nullable=True, comment="the next occurrence: when the scheduler looks"),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_schedules_project_id_projects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index(op.f("ix_schedules_next_at"), "schedules", ["next_at"], unique=False)
    op.create_index(
        "uq_schedules_project_id_name",
        "schedules",
        ["project_id", "name"],
        unique=True,
        sqlite_where=sa.text("deleted IS NULL"),
        postgresql_where=sa.text("deleted IS NULL"),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False, comment="job.succeeded, …; empty: all"),
        sa.Column(
            "generation",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="of the secret, which derives from it",
        ),
        sa.Column("rotated", sa.BigInteger(), nullable=True, comment="the secret before stays good for a day"),
        sa.Column("paused", sa.BigInteger(), nullable=True),
        sa.Column("pause_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_webhooks_project_id_projects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_project_id"), "webhooks", ["project_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=40), nullable=False, comment="the webhook-id of every try"),
        sa.Column("webhook_id", sa.String(length=40), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False, comment="PENDING, DELIVERED, DEAD"),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_deliveries_project_id_projects")),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("fk_deliveries_webhook_id_webhooks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_created"), "deliveries", ["created"], unique=False)
    op.create_index("ix_deliveries_state_next_at", "deliveries", ["state", "next_at"], unique=False)
    op.create_index("ix_deliveries_webhook_id_id", "deliveries", ["webhook_id", "id"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=40), nullable=False, comment="sorts by time"),
        sa.Column("project_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column(
            "reason",
            sa.String(length=64),
            server_default="",
            nullable=False,
            comment="why it is in this state, for programs",
        ),
        sa.Column("message", sa.Text(), server_default="", nullable=False, comment="the same for people"),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("mode", sa.String(length=16), server_default="run", nullable=False, comment="run, refresh, takedown"),
        sa.Column(
            "redo",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="a refresh may do everything anew",
        ),
        sa.Column("takedown", sa.JSON(none_as_null=True), nullable=True, comment="what is taken down, and why"),
        sa.Column("recipe", sa.JSON(), nullable=False, comment="what is run, its placeholders filled in"),
        sa.Column("recipe_name", sa.String(length=80), nullable=False),
        sa.Column("recipe_revision", sa.Integer(), nullable=True, comment="null for a recipe that came with the job"),
        sa.Column("corpus", sa.String(length=80), nullable=False),
        sa.Column("corpus_url", sa.Text(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False, comment="larger goes first"),
        sa.Column(
            "hold",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="wait for approval before publishing",
        ),
        sa.Column("held_digest", sa.String(length=64), nullable=True, comment="the digest of what it was held with"),
        sa.Column(
            "approved",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="and that may be published",
        ),
        sa.Column(
            "permitted",
            sa.Integer(),
            nullable=True,
            comment="the version that it may have published; null again once the corpus has said what became of it",
        ),
        sa.Column("workers", sa.Integer(), nullable=True),
        sa.Column("traceparent", sa.String(length=80), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("queued", sa.BigInteger(), nullable=False, comment="when it last became QUEUED"),
        sa.Column("not_before", sa.BigInteger(), nullable=True, comment="a crashed attempt is not repeated at once"),
        sa.Column("started", sa.BigInteger(), nullable=True),
        sa.Column("finished", sa.BigInteger(), nullable=True),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False, comment="how many drivers were started"),
        sa.Column(
            "crashes",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="how many were lost in a row, without progress",
        ),
        sa.Column(
            "generation", sa.Integer(), server_default="1", nullable=False, comment="the run's id is <job>-<generation>"
        ),
        sa.Column("lease_owner", sa.String(length=200), nullable=True),
        sa.Column(
            "lease_epoch",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="the fencing token: grows by each claim",
        ),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("progressed", sa.BigInteger(), nullable=True, comment="when progress was last made"),
        sa.Column("kill_after", sa.BigInteger(), nullable=True, comment="when a job that is asked to stop is killed"),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column(
            "tasks_done",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="the most that one attempt of the run did",
        ),
        sa.Column("version", sa.Integer(), nullable=True, comment="of the corpus, once known"),
        sa.Column(
            "published", sa.Boolean(), nullable=True, comment="false: the version was there before, nothing was new"
        ),
        sa.Column("documents_read", sa.Integer(), nullable=True),
        sa.Column("documents_kept", sa.Integer(), nullable=True),
        sa.Column("schedule_id", sa.String(length=40), nullable=True),
        sa.Column("occurrence", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("last_event", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_log", sa.Integer(), server_default="0", nullable=False),
        sa.Column("deleted", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('CANCELLED', 'CANCELLING', 'CRASHED', 'FAILED', 'HELD', "
            "'PAUSED', 'PAUSING', 'PUBLISHING', 'QUEUED', 'RUNNING', 'STARTING', 'SUCCEEDED')",
            name=op.f("ck_jobs_state"),
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_jobs_project_id_projects")),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name=op.f("fk_jobs_schedule_id_schedules")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_deleted",
        "jobs",
        ["deleted"],
        unique=False,
        sqlite_where=sa.text("deleted IS NOT NULL"),
        postgresql_where=sa.text("deleted IS NOT NULL"),
    )
    op.create_index("ix_jobs_project_id_corpus_id", "jobs", ["project_id", "corpus", "id"], unique=False)
    op.create_index("ix_jobs_project_id_id", "jobs", ["project_id", "id"], unique=False)
    op.create_index("ix_jobs_project_id_recipe_name_id", "jobs", ["project_id", "recipe_name", "id"], unique=False)
    op.create_index("ix_jobs_project_id_state_id", "jobs", ["project_id", "state", "id"], unique=False)
    op.create_index("ix_jobs_schedule_id_id", "jobs", ["schedule_id", "id"], unique=False)
    op.create_index("ix_jobs_schedule_id_state_id", "jobs", ["schedule_id", "state", "id"], unique=False)
    op.create_index(
        "ix_jobs_state_priority_queued_id",
        "jobs",
        ["state", sa.literal_column("priority DESC"), "queued", "id"],
        unique=False,
    )
    op.create_index(
        "uq_jobs_corpus_url_leased",
        "jobs",
        ["corpus_url"],
        unique=True,
        sqlite_where=sa.text("state IN ('CANCELLING', 'PAUSING', 'PUBLISHING', 'RUNNING', 'STARTING')"),
        postgresql_where=sa.text("state IN ('CANCELLING', 'PAUSING', 'PUBLISHING', 'RUNNING', 'STARTING')"),
    )
    op.create_table(
        "occurrences",
        sa.Column("schedule_id", sa.String(length=40), nullable=False),
        sa.Column(
            "occurrence", sa.BigInteger(), nullable=False, comment="when the cron expression says, without jitter"
        ),
        sa.Column("kind", sa.String(length=60), nullable=False, comment="schedule, backfill:<id>, manual:<id>"),
        sa.Column("state", sa.String(length=16), nullable=False, comment="WAITING, STARTED, SKIPPED, MISSED, FAILED"),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column(
            "is_counted",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="its job's end was counted",
        ),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False, comment="among those that wait"),
        sa.Column("max_parallel", sa.Integer(), server_default="1", nullable=False, comment="of its backfill"),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name=op.f("fk_occurrences_schedule_id_schedules")),
        sa.PrimaryKeyConstraint("schedule_id", "occurrence", "kind", name=op.f("pk_occurrences")),
    )
    op.create_index("ix_occurrences_job_id", "occurrences", ["job_id"], unique=False)
    op.create_index(
        "ix_occurrences_schedule_id_uncounted",
        "occurrences",
        ["schedule_id"],
        unique=False,
        sqlite_where=sa.text("state = 'STARTED' AND NOT is_counted"),
        postgresql_where=sa.text("state = 'STARTED' AND NOT is_counted"),
    )
    op.create_index("ix_occurrences_state_schedule_id", "occurrences", ["state", "schedule_id"], unique=False)
    op.create_table(
        "recipe_revisions",
        sa.Column("recipe_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False, comment="the recipe as it was written, without defaults"),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["recipe_id"], ["recipes.id"], name=op.f("fk_recipe_revisions_recipe_id_recipes")),
        sa.PrimaryKeyConstraint("recipe_id", "revision", name=op.f("pk_recipe_revisions")),
    )
    op.create_table(
        "job_attempts",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.String(length=16), nullable=True, comment="the state that it left the job in"),
        sa.Column("reason", sa.String(length=64), server_default="", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_attempts_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "attempt", name=op.f("pk_job_attempts")),
    )
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column(
            "sequence", sa.Integer(), nullable=False, comment="1, 2, … without gaps: written under the job's row lock"
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False, comment="state, progress, condition, asked"),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "sequence", name=op.f("pk_job_events")),
    )
    op.create_index("ix_job_events_at", "job_events", ["at"], unique=False)
    op.create_table(
        "job_labels",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_labels_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "key", name=op.f("pk_job_labels")),
    )
    op.create_index("ix_job_labels_key_value_job_id", "job_labels", ["key", "value", "job_id"], unique=False)
    op.create_table(
        "job_logs",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("logger", sa.String(length=120), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_logs_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "sequence", name=op.f("pk_job_logs")),
    )


def downgrade() -> None:
    op.drop_table("job_logs")
    op.drop_index("ix_job_labels_key_value_job_id", table_name="job_labels")
    op.drop_table("job_labels")
    op.drop_index("ix_job_events_at", table_name="job_events")
    op.drop_table("job_events")
    op.drop_table("job_attempts")
    op.drop_table("recipe_revisions")
    op.drop_index("ix_occurrences_state_schedule_id", table_name="occurrences")
    op.drop_index(
        "ix_occurrences_schedule_id_uncounted",
        table_name="occurrences",
        sqlite_where=sa.text("state = 'STARTED' AND NOT is_counted"),
        postgresql_where=sa.text("state = 'STARTED' AND NOT is_counted"),
    )
    op.drop_index("ix_occurrences_job_id", table_name="occurrences")
    op.drop_table("occurrences")
    op.drop_index(
        "uq_jobs_corpus_url_leased",
        table_name="jobs",
        sqlite_where=sa.text("state IN ('CANCELLING', 'PAUSING', 'PUBLISHING', 'RUNNING', 'STARTING')"),
        postgresql_where=sa.text("state IN ('CANCELLING', 'PAUSING', 'PUBLISHING', 'RUNNING', 'STARTING')"),
    )
    op.drop_index("ix_jobs_state_priority_queued_id", table_name="jobs")
    op.drop_index("ix_jobs_schedule_id_state_id", table_name="jobs")
    op.drop_index("ix_jobs_schedule_id_id", table_name="jobs")
    op.drop_index("ix_jobs_project_id_state_id", table_name="jobs")
    op.drop_index("ix_jobs_project_id_recipe_name_id", table_name="jobs")
    op.drop_index("ix_jobs_project_id_id", table_name="jobs")
    op.drop_index("ix_jobs_project_id_corpus_id", table_name="jobs")
    op.drop_index(
        "ix_jobs_deleted",
        table_name="jobs",
        sqlite_where=sa.text("deleted IS NOT NULL"),
        postgresql_where=sa.text("deleted IS NOT NULL"),
    )
    op.drop_table("jobs")
    op.drop_index("ix_deliveries_webhook_id_id", table_name="deliveries")
    op.drop_index("ix_deliveries_state_next_at", table_name="deliveries")
    op.drop_index(op.f("ix_deliveries_created"), table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_index(op.f("ix_webhooks_project_id"), table_name="webhooks")
    op.drop_table("webhooks")
    op.drop_index(
        "uq_schedules_project_id_name",
        table_name="schedules",
        sqlite_where=sa.text("deleted IS NULL"),
        postgresql_where=sa.text("deleted IS NULL"),
    )
    op.drop_index(op.f("ix_schedules_next_at"), table_name="schedules")
    op.drop_table("schedules")
    op.drop_table("recipes")
    op.drop_index(op.f("ix_idempotency_created"), table_name="idempotency")
    op.drop_table("idempotency")
    op.drop_table("corpora")
    op.drop_index(op.f("ix_api_keys_project_id"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("projects")
    op.drop_index(op.f("ix_processes_seen"), table_name="processes")
    op.drop_table("processes")
    op.drop_table("audit_head")
    op.drop_index("ix_audit_project_id_sequence", table_name="audit")
    op.drop_table("audit")
