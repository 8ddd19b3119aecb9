"""Examples of the OpenAPI document: what is asked, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SCHEDULE = {"name": "nightly", "recipe_name": "web", "cron": "30 2 * * *", "timezone": "Europe/London"}

REQUESTS: Mapping[str, Any] = {
    "backfill_schedule": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-31T23:59:59Z", "dry_run": True},
    "cancel_job": {"force": False},
    "create_schedule": _SCHEDULE,
    "create_webhook": {"name": "alerts", "url": "https://example.com/hooks/curation", "events": ["job.failed"]},
    "preview_new_schedule": _SCHEDULE,
    "preview_recipe": {"submission": {"recipe_name": "web"}, "sample": 500},
    "put_hold": {"reason": "case 17"},
    "put_tag": {"version": 12},
    "register_corpus": {"url": "s3://text/corpora/web", "name": "web"},
    "restore_version": {"version": 11},
    "retry_job": {"start": "records"},
    "set_in_recipe": {"settings": ["stages.gopher_quality.min_words=80"], "note": "shorter pages go"},
    "update_project": {"roots": ["s3://text/web"]},
    "update_schedule": {"cron": "0 4 * * *"},
    "update_webhook": {"events": ["job.failed", "job.crashed"]},
    "vacuum_corpus": {"dry_run": True, "keep": 30},
}
"""By operation."""

_JOB = {
    "id": "job_01k5zq8v3e7h2m9c4r6t8w0xya",
    "project": "default",
    "state": "SUCCEEDED",
    "mode": "refresh",
    "recipe_name": "web",
    "recipe_revision": 3,
    "corpus": "web",
    "corpus_url": "s3://text/corpora/web",
    "run": "job_01k5zq8v3e7h2m9c4r6t8w0xya-1",
    "labels": {"team": "search"},
    "created": "2026-01-02T02:30:00Z",
    "created_by": "key:key_01k5zq8v3e7h2m9c4r6t8w0xyb",
    "started": "2026-01-02T02:30:02Z",
    "finished": "2026-01-02T02:41:40Z",
    "updated": "2026-01-02T02:41:40Z",
    "attempt": 1,
    "version": 12,
    "published": True,
    "documents_read": 104857,
    "documents_kept": 31870,
    "revision": 5,
}
_ENTRY = {
    "id": "cor_01k5zq8v3e7h2m9c4r6t8w0xyc",
    "name": "web",
    "url": "s3://text/corpora/web",
    "created": "2026-01-02T02:30:00Z",
}

ANSWERS: Mapping[str, Any] = {
    "CorpusEntry": _ENTRY,
    "Job": _JOB,
    "Page_CorpusEntry_": {"items": [_ENTRY], "next_page": None},
    "Page_Job_": {"items": [_JOB], "next_page": None},
}
"""By model."""
