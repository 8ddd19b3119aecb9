"""A real Ceph: one monitor, one object store in memory and the S3 gateway, on free ports of the loopback.

Needs Debian's ceph-mon, ceph-osd and radosgw (`tests/install_debian.sh`) and root, for nothing of it runs as a service.
It takes some 350 MB of memory and all of it is gone afterwards.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.storage.servers import S3Server

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "monmaptool", "ceph-authtool")
STARTS = 3
"""A start on a busy machine may run into a timeout of Ceph's own, so it is tried this often."""
STEP_TIMEOUT_S = 60

_CONF = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}]
ms bind msgr1 = false
public network = 127.0.0.0/8
keyring = {folder}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 2147483648
mon allow pool size one = true
mon allow pool delete = true
mon data avail crit = 1
mon data = {folder}/mon
osd data = {folder}/osd
run dir = {folder}
admin socket =
pid file =
log file = {folder}/$name.log
mon cluster log file = {folder}/cluster.log
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw thread pool size = 64
"""

_KEYS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
}

_WATCHED = 'exec 3<&0; "$@" <&- 3<&- & read -r _ <&3; kill -KILL $!; wait'
"""Runs a command until its own input ends: when it is stopped, or this process is gone, however it went."""


def why_not() -> str | None:
    """Why Ceph cannot run here; None if it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (tests/install_debian.sh installs them on Debian, as root)"
    return "not root" if os.geteuid() else None


@contextmanager
def ceph_server() -> Iterator[S3Server]:
    """The gateway, with one user. Raises RuntimeError with the end of the logs when it does not come up."""
    with ExitStack() as stack:
        for attempt in range(STARTS):
            try:
                server = stack.enter_context(_started())
                break
            except (RuntimeError, subprocess.SubprocessError):
                if attempt == STARTS - 1:
                    raise
        yield server


@contextmanager
def _started() -> Iterator[S3Server]:
    with TemporaryDirectory(prefix="ceph-", ignore_cleanup_errors=True) as name, ExitStack() as stack:
        folder, fsid = Path(name), str(uuid.uuid4())
        server = S3Server(f"http://127.0.0.1:{_free_port()}", secrets.token_hex(10), secrets.token_hex(20))
        port = server.endpoint.rpartition(":")[2]
        conf = folder / "ceph.conf"
        conf.write_text(_CONF.format(fsid=fsid, folder=folder, mon_port=_free_port(), port=port))
        cluster = _Cluster(folder, conf, stack)
        cluster.start_monitor(fsid)
        cluster.start_object_store()
        cluster.start_gateway(server, int(port))
        yield server


class _Cluster:
    """The steps of a start; every process ends with `stack`, and with this process even if that is killed."""

    def __init__(self, folder: Path, conf: Path, stack: ExitStack) -> None:
        self._folder, self._conf, self._stack = folder, conf, stack

    def start_monitor(self, fsid: str) -> None:
        address = next(line for line in self._conf.read_text().splitlines() if line.startswith("mon host"))
        monmap = self._folder / "monmap"
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address.split(" = ")[1], str(monmap))
        keyring = str(self._folder / "keyring")
        for number, (name, capabilities) in enumerate(_KEYS.items()):
            caps = [word for service in capabilities.items() for word in ("--cap", *service)]
            self._run("ceph-authtool", *["--create-keyring"][number:], keyring, "--gen-key", "-n", name, *caps)
        (self._folder / "mon").mkdir()
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(monmap), "--keyring", keyring)
        self._start("ceph-mon", "-f", "-i", "a")
        self._wait("the monitor", lambda: "leader" in self._ceph("quorum_status"))

    def start_object_store(self) -> None:
        identity = str(uuid.uuid4())
        (self._folder / "osd").mkdir()
        self._ceph("osd", "new", identity)
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", identity)
        self._start("ceph-osd", "-f", "-i", "0")
        self._wait("the object store", lambda: "1 up" in self._ceph("osd", "stat"))

    def start_gateway(self, server: S3Server, port: int) -> None:
        (self._folder / "rgw").mkdir()
        keys = ("--access-key", server.access_key, "--secret-key", server.secret_key)
        self._run("radosgw-admin", "user", "create", "--uid", "tester", "--display-name", "tester", *keys)
        self._start("radosgw", "-f", "-n", "client.admin")
        self._wait("the gateway", lambda: _answers(port))

    def _ceph(self, *arguments: str) -> str:
        return self._run("ceph", "--connect-timeout", "20", *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [program, "--conf", str(self._conf), *arguments],
            capture_output=True,
            text=True,
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(arguments[:2])}: {done.stderr[-500:]}\n{self._logs()}")
        return done.stdout + done.stderr

    def _start(self, *command: str) -> None:
        with (self._folder / f"{command[0]}.out").open("wb") as output:
            process = subprocess.Popen(
                ["sh", "-c", _WATCHED, "sh", *command, "--conf", str(self._conf)],
                stdout=output,
                stderr=output,
                stdin=subprocess.PIPE,
            )
        self._stack.callback(_stop, process)

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + STEP_TIMEOUT_S
        while not ready():
            if time.monotonic() > end:
                raise RuntimeError(f"{what} did not come up in {STEP_TIMEOUT_S} s\n{self._logs()}")
            time.sleep(0.2)

    def _logs(self) -> str:
        files = [*self._folder.glob("*.out"), *self._folder.glob("*.log")]
        return "\n".join(f"{file.name}: {file.read_text(errors='replace')[-500:]}" for file in files)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.communicate()  # closes the pipe


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
