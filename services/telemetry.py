"""Traces by OpenTelemetry, where the settings say where they go; without that nothing here is imported or done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, cast

from sqlalchemy import Engine

from services.errors import SettingsError
from services.settings import Settings

EXPORT_TIMEOUT_S = 5


def set_up(
    settings: Settings, role: str, *, app: object | None = None, engine: Engine | None = None
) -> Callable[[], None]:
    """Trace this process's requests and queries. Returns what sends the rest at the end of the process.

    Raises SettingsError where the settings ask for traces and the extra is not installed."""
    if settings.otlp_endpoint is None:
        return lambda: None
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise SettingsError("CURATION_OTLP_ENDPOINT needs the extra: pip install curation[telemetry]") from None
    about = {
        "service.name": f"curation-{role}",
        "service.namespace": "curation",
        "service.version": version("curation"),
        "service.instance.id": settings.runner_name,
    }
    provider = TracerProvider(resource=Resource.create(about))
    exporter = OTLPSpanExporter(endpoint=_traces_url(settings.otlp_endpoint), timeout=EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _instrument(provider, app, engine)
    return provider.shutdown


def current_traceparent() -> str | None:
    """The present span as a W3C `traceparent`, for a job to go on with; None without telemetry."""
    try:
        from opentelemetry.propagate import inject
    except ImportError:
        return None
    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: str, traceparent: str | None = None) -> Iterator[None]:
    """A span around what happens in it, below `traceparent` if there is one; nothing without telemetry."""
    try:
        from opentelemetry import trace
        from opentelemetry.propagate import extract
    except ImportError:
        yield
        return
    parent = extract({"traceparent": traceparent}) if traceparent else None
    with trace.get_tracer("curation").start_as_current_span(name, context=parent):
        yield


def _traces_url(endpoint: str) -> str:
    return endpoint if endpoint.endswith("/v1/traces") else endpoint.rstrip("/") + "/v1/traces"


def _instrument(provider: Any, app: object | None, engine: Engine | None) -> None:
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    if app is not None:
        FastAPIInstrumentor.instrument_app(
            cast(Any, app),
            tracer_provider=provider,
            excluded_urls="livez,readyz,metrics",
            exclude_spans=["receive", "send"],
        )
    if engine is not None:
        # It declares SQLAlchemy below 2.1, whose events have not changed; a test sees its spans.
        SQLAlchemyInstrumentor().instrument(engine=engine, tracer_provider=provider, skip_dep_check=True)
