"""What all tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# No deadline and the same examples every time: a slow machine or an unlucky draw breaks no build.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
# For looking further: `pytest --hypothesis-profile=search`.
hypothesis.settings.register_profile("search", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("ci")


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
