"""A proxy before an HTTP server that spoils chosen answers."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit

from tests.storage.servers import S3Server


@dataclass(frozen=True)
class Fault:
    """What happens to one request."""

    status: int | None = None
    """Answer with this status; the server never sees the request."""
    code: str = "SlowDown"
    """The S3 error code that goes with it."""
    lost_answer: bool = False
    """The server does its work, but the connection is cut before the answer."""
    keep: int | None = None
    """Only so many bytes of the answer's body arrive…"""
    honest_length: bool = True
    """…with the true Content-Length (so that the cut shows), or one rewritten to fit."""
    pause_s: float = 0
    """A wait before every byte of the answer's body."""
    without_header: str = ""
    """A header of the request that is removed."""


class Proxy:
    """`faults` are used up in order by the requests of their method; those beyond the last pass unspoilt."""

    def __init__(self, server: S3Server) -> None:
        self.target = server
        self.requests: list[tuple[str, str]] = []
        self.always: Callable[[str, str], Fault | None] = lambda method, path: None
        self._faults: dict[str, list[Fault]] = {}
        self._lock = Lock()

    def spoil(self, method: str, *faults: Fault) -> None:
        with self._lock:
            self._faults.setdefault(method, []).extend(faults)
            self.requests.clear()

    def next_fault(self, method: str, path: str) -> Fault:
        with self._lock:
            self.requests.append((method, path))
            waiting = self._faults.get(method)
            return waiting.pop(0) if waiting else self.always(method, path) or Fault()


@contextmanager
def proxy_before(server: S3Server) -> Iterator[tuple[Proxy, S3Server]]:
    """A proxy, and the server as it is reached through it."""
    proxy = Proxy(server)
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    http_server.daemon_threads = True
    thread = Thread(target=http_server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy, replace(server, endpoint=f"http://127.0.0.1:{http_server.server_port}")
    finally:
        http_server.shutdown()
        http_server.server_close()
        thread.join()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.next_fault(self.command, self.path)
            if fault.status is not None:
                answer = f"<Error><Code>{fault.code}</Code></Error>".encode()
                self.send_response(fault.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                return
            response, content = self.ask(body, fault)
            if fault.lost_answer:
                self.close_connection = True
                return
            kept = content if fault.keep is None else content[: fault.keep]
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("content-length", "connection", "date", "server", "transfer-encoding"):
                    self.send_header(name, value)
            length = len(content if fault.honest_length else kept)
            is_head = self.command == "HEAD"
            self.send_header("Content-Length", response.getheader("Content-Length", "0") if is_head else str(length))
            self.end_headers()
            self.send(kept, fault.pause_s)
            self.close_connection = fault.keep is not None

        def ask(self, body: bytes, fault: Fault) -> tuple[http.client.HTTPResponse, bytes]:
            connection = http.client.HTTPConnection(urlsplit(proxy.target.endpoint).netloc)
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("expect", "connection", fault.without_header.lower()):
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            content = response.read()
            connection.close()
            return response, content

        def send(self, content: bytes, pause_s: float) -> None:
            if not pause_s:
                self.wfile.write(content)
                return
            try:
                for byte in content:
                    time.sleep(pause_s)
                    self.wfile.write(bytes([byte]))
            except OSError:
                self.close_connection = True  # the client gave up

        def log_message(self, *_: object) -> None:
            """Nothing."""

    for method in ("GET", "PUT", "HEAD", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.forward)
    return Handler
