"""Logs of the services: one JSON object a line on stderr, without secrets and without control characters."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from services.settings import Settings

HIDDEN = "[hidden]"
_SECRETS = (
    (re.compile(r"\b(cur_[A-Za-z0-9]{1,40}_)[A-Za-z0-9_-]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+"), f"whsec_{HIDDEN}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{1,4000}\.[A-Za-z0-9_-]*"), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s{1,9}[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(://[^\s:/@]{0,200}:)[^\s@]{1,500}@"), rf"\1{HIDDEN}@"),
    (
        re.compile(
            r"(?i)((?:password|passwd|secret_access_key|session_token|token|signature)"
            r"[\"']?\s{0,9}[=:]\s{0,9}[\"']?)[^\s,;&\"'}]+"
        ),
        rf"\1{HIDDEN}",
    ),
)
"""Every repetition is bounded: what is logged is text of strangers, and must not cost its length's square."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
MAX_MESSAGE_CHARS = 20_000


class Traced(logging.Filter):
    """Puts the present trace's id on every record; without telemetry there is none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.trace_id = _trace_id()
        return True


class JsonLines(logging.Formatter):
    """`{"ts", "level", "role", "logger", "message", "fields"?, "trace_id"?, "error"?}`; more comes as
    `extra={"fields": {...}}`."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "role": self._role,
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            line["fields"] = _cleaned(fields)
        if trace_id := getattr(record, "trace_id", None):
            line["trace_id"] = trace_id
        if record.exc_info:
            line["error"] = clean(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=lambda value: clean(str(value)))


def set_up_logging(settings: Settings, role: str, stream: TextIO | None = None) -> None:
    """Send every logger's records to stderr as JSON lines, those of libraries from WARNING on."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonLines(role))
    handler.addFilter(Traced())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("services", "curation", "uvicorn.error"):
        logging.getLogger(name).setLevel(settings.log_level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def clean(text: str) -> str:
    """Text without secrets, its control characters (terminal sequences, reversed writing) shown by number."""
    if len(text) > MAX_MESSAGE_CHARS:
        text = text[:MAX_MESSAGE_CHARS] + "…"
    for pattern, hidden in _SECRETS:
        text = pattern.sub(hidden, text)
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _cleaned(value: object) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): _cleaned(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(inner) for inner in value]
    return value if isinstance(value, int | float | bool | None) else clean(str(value))


def _trace_id() -> str | None:
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
