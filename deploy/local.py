"""Starts on this machine what compose.yaml starts in containers, and stops it: PostgreSQL, an S3 store, Ray's head with
a token, API, scheduler and runner, each a process of its own. Needs the environment of `make setup`.

    .venv/bin/python -m deploy.local FOLDER        # until Ctrl-C; prints the URL and where the first key is
    .venv/bin/python -m deploy.local FOLDER -- curation jobs    # until the command ends, with its exit code

The S3 store is moto's: it keeps nothing. PostgreSQL is the one that the tests use.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3

from tests.services.postgres import postgres_server

BIN = Path(sys.executable).parent
BUCKETS = ("corpora", "sources")
START_S = 120.0
STOP_S = 35.0


class LocalError(Exception):
    """A process ended, or did not answer in time."""


def main() -> int:
    """Run until interrupted, or until the command has ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for secrets and logs")
    parser.add_argument("command", nargs="*", help="what to run against the service, after --")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with installation(asked.folder.absolute()) as environment:
        print(f"URL: {environment['CURATION_URL']}; the first key is in {asked.folder / 'first.key'}", flush=True)
        if asked.command:
            return subprocess.run(asked.command, env=environment, check=False).returncode
        try:
            signal.pause()
        except KeyboardInterrupt:
            return 0
    return 0


@contextmanager
def installation(folder: Path) -> Iterator[dict[str, str]]:
    """A running installation; gives the environment of its clients. All of it is gone at the end."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    s3_port, ray_port, api_port = free_ports(3)
    environment = _environment(folder, s3_port, ray_port)
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        environment["CURATION_DATABASE_URL"] = postgres.new_database()
        processes = [stack.enter_context(_running(folder, "s3", _s3(s3_port), environment))]
        _wait_for_port(s3_port, processes)
        _make_buckets(environment)
        stack.enter_context(_ray(folder, ray_port, environment))
        subprocess.run([BIN / "curation", "admin", "migrate"], env=environment, check=True)
        key = folder / "first.key"
        key.unlink(missing_ok=True)
        serve = [str(BIN / "curation"), "serve", "--only"]
        api = [*serve, "api", "--port", str(api_port), "--key-file", str(key)]
        for name, command in (("api", api), ("scheduler", [*serve, "scheduler"]), ("runner", [*serve, "runner"])):
            processes.append(stack.enter_context(_running(folder, name, command, environment)))
        url = f"http://127.0.0.1:{api_port}"
        _wait_until_ready(url, processes)
        yield {**environment, "CURATION_URL": url, "CURATION_KEY": key.read_text().strip()}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [found.getsockname()[1] for found in sockets]


def _environment(folder: Path, s3_port: int, ray_port: int) -> dict[str, str]:
    secret, token = folder / "secret.key", folder / "ray.token"
    for path in (secret, token):
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CURATION_", "AWS_", "RAY_"))}
    return {
        **kept,
        "PATH": f"{BIN}:{kept.get('PATH', os.defpath)}",
        "CURATION_DATA": str(folder / "data"),
        "CURATION_SECRET_KEY_FILE": str(secret),
        "CURATION_ROOTS": ",".join(f"s3://{name}" for name in BUCKETS),
        "CURATION_RAY_ADDRESS": f"127.0.0.1:{ray_port}",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3_port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def _s3(port: int) -> list[str]:
    return [str(BIN / "moto_server"), "--host", "127.0.0.1", "--port", str(port)]


def _make_buckets(environment: Mapping[str, str]) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    for name in BUCKETS:
        client.create_bucket(Bucket=name)


@contextmanager
def _ray(folder: Path, port: int, environment: Mapping[str, str]) -> Iterator[None]:
    """Ray's head, which is also the only node; it stops with the process in front."""
    options = ["--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}", "--include-dashboard=false"]
    command = [str(BIN / "ray"), "start", *options, "--disable-usage-stats"]
    with _running(folder, "ray", command, environment) as process:
        _wait_for_port(port, [process])
        yield


@contextmanager
def _running(
    folder: Path, name: str, command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, its output in `<name>.log`; asked to stop at the end, then killed."""
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command, env=dict(environment), cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _check(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is not None:
            raise LocalError(f"{process.args!r} ended with {process.returncode}; see its log")


def _wait_for_port(port: int, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        _check(processes)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise LocalError(f"nothing listens on port {port} after {START_S:.0f} s")


def _wait_until_ready(url: str, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        _check(processes)
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=8) as answer:
                if b'"state":"ok"' in answer.read().split(b'"components"')[0]:
                    return
        except OSError:
            pass
        time.sleep(0.5)
    raise LocalError(f"{url} is not ready after {START_S:.0f} s; see the logs")


if __name__ == "__main__":
    raise SystemExit(main())
