"""What all tests share."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from services.runner.forks import Forks
from tests.services.postgres import PostgresServer, postgres_server
from tests.storage.ceph import ceph_server, why_not
from tests.storage.servers import S3Server, moto_server

REPOSITORY = Path(__file__).resolve().parent.parent

# No deadline and the same examples every time: a slow machine or an unlucky draw breaks no build.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
# For looking further: `pytest --hypothesis-profile=search`.
hypothesis.settings.register_profile("search", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("ci")


LONG = "tests/e2e/test_service_kill.py", "tests/services/control_plane/test_fuzz.py"
"""Files that begin first, so that no process of `pytest -n` is left with one of them at the end."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ceph: needs a Ceph gateway (tests/install_debian.sh)")


def pytest_itemcollected(item: pytest.Item) -> None:
    """What `pytest -n --dist loadgroup` does in one process: a file, or what shares a Ray cluster or a Ceph gateway."""
    if item.get_closest_marker("xdist_group") is None:
        group = item.nodeid.partition("::")[0]
        if "ray_cluster" in getattr(item, "fixturenames", ()):
            group = "ray"
        elif item.get_closest_marker("ceph") is not None:
            group = "ceph"
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real texts that lies beside the repository where it was built; the test is skipped elsewhere."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("NOT RUN: this test needs the texts in ../shared/data, beside the repository; they are not here")
    return folder


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """A Ray cluster of four CPUs on this machine, for the whole run of the tests; its address.

    While it is up, every RayRunner of this process uses it. One is enough: each costs seconds and a gigabyte.
    """
    import ray

    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=128 << 20,
    )
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Where the tests' runners have their drivers from: what those need is loaded once."""
    forks = Forks(dict(os.environ))
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    """A moto server, an imitation of S3."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for the whole run of the tests."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def ceph() -> Iterator[S3Server]:
    """A Ceph RADOS gateway, a real S3 server; the test is skipped where Debian's packages are not installed."""
    reason = why_not()
    if reason:
        pytest.skip(f"CEPH GATEWAY NOT TESTED: {reason}")
    with ceph_server() as server:
        yield server
