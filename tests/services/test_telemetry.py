"""Traces arrive at a receiver of OTLP, if the settings name one; else nothing is imported."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from services import telemetry
from tests.services.conftest import make_settings
from tests.services.control_plane.conftest import migrated_app

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """A receiver of OTLP over HTTP."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.port = 0

    @property
    def spans(self) -> list[Span]:
        scopes = [scope for r in self.requests for spans in r.resource_spans for scope in spans.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    @property
    def services(self) -> set[str]:
        resources = [spans.resource for request in self.requests for spans in request.resource_spans]
        return {a.value.string_value for r in resources for a in r.attributes if a.key == "service.name"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            import gzip

            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield collector
        server.shutdown()
        thread.join()


def test_a_request_s_span_arrives_and_jobs_go_on_from_it(collector: Collector, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, otlp_endpoint=f"http://127.0.0.1:{collector.port}")
    with TestClient(migrated_app(settings)) as client:
        stranger = {"Authorization": f"Bearer cur_{'0' * 26}_{'x' * 43}"}
        assert client.get("/v1/status", headers=stranger).status_code == 401
        client.get("/livez")
        with telemetry.span("job", PARENT):
            assert str(telemetry.current_traceparent()).split("-")[1] == PARENT.split("-")[1]
    assert collector.services == {"curation-api"}
    names = {span.name for span in collector.spans}
    assert "GET /v1/status" in names
    assert "job" in names
    assert any(name.startswith("SELECT") for name in names)
    assert not any("livez" in name for name in names)
    [job] = [span for span in collector.spans if span.name == "job"]
    assert job.trace_id.hex() == PARENT.split("-")[1]
    assert job.parent_span_id.hex() == PARENT.split("-")[2]


def test_without_an_endpoint_nothing_is_imported_or_sent(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from services import telemetry
from services.settings import Settings
telemetry.set_up(Settings(data=Path({str(tmp_path)!r})), "driver")()
assert "opentelemetry.sdk" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_missing_extra_says_what_to_install(tmp_path: Path) -> None:
    program = f"""
import sys
sys.modules["opentelemetry.sdk"] = None
from pathlib import Path
from services import telemetry
from services.errors import SettingsError
from services.settings import Settings
with telemetry.span("job"):
    pass
try:
    telemetry.set_up(Settings(data=Path({str(tmp_path)!r}), otlp_endpoint="http://127.0.0.1:9"), "driver")
except SettingsError as error:
    assert "pip install curation[telemetry]" in str(error)
else:
    raise SystemExit("it went on without the extra")
"""
    subprocess.run([sys.executable, "-c", program], check=True)
