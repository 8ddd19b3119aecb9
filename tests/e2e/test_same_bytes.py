"""The same recipe and input give the same bytes: on any engine, with any number of workers, on any store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml

from curation.corpus import Corpus
from curation.pipeline import curate, refresh
from curation.runner.local import LocalRunner
from curation.runner.ray import RayRunner
from tests.e2e import night
from tests.pipeline.inputs import recipe
from tests.storage.servers import S3Server


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_ray_gives_the_same_bytes(inputs: Path, digest: str, tmp_path: Path, ray_cluster: str, workers: int) -> None:
    wanted = recipe(inputs, tmp_path / "corpus")
    with RayRunner(workers) as runner:
        curate(wanted, runner)
    assert Corpus(wanted.output).manifest().digest == digest


@pytest.mark.parametrize("seed", ["0", "12345"])
def test_no_hash_seed_and_no_order_of_files_matters(inputs: Path, digest: str, tmp_path: Path, seed: str) -> None:
    wanted = recipe(inputs, tmp_path / "corpus")
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(wanted.model_dump(mode="json")))
    shuffled = (
        "import os, random; names = os.listdir; "
        f"os.listdir = lambda *a: random.Random({seed}).sample(names(*a), len(names(*a))); "
        "from curation.cli import main; main()"
    )
    command = [sys.executable, "-c", shuffled, "run", str(path), "--engine", "local"]
    environment = os.environ | {"PYTHONHASHSEED": seed}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    assert Corpus(wanted.output).manifest().digest == digest


@pytest.mark.parametrize("server", ["moto", pytest.param("ceph", marks=pytest.mark.ceph)])
def test_s3_gives_the_same_bytes_and_answers_the_same_questions(
    inputs: Path, digest: str, server: str, request: pytest.FixtureRequest
) -> None:
    store: S3Server = request.getfixturevalue(server)
    with store.used():
        wanted = recipe(inputs, f"{store.make_bucket(f'b-{uuid.uuid4()}')}/corpora/small")
        first = curate(wanted, LocalRunner())
        corpus = Corpus(wanted.output)
        assert corpus.manifest().digest == digest
        assert corpus.storage.list("_runs/") == []
        assert corpus.explain("near")[0]["survivor"] == "w2"
        assert corpus.documents().count_rows() == first.report.documents("kept")
        for part in corpus.manifest().shards:
            assert corpus.read(part)
        assert not curate(wanted, LocalRunner()).published


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of three nights, whose input has changed since."""
    return night.prepare(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def refreshed(evening: Path) -> str:
    """The digest of what a refresh on the local engine makes of it."""
    wanted = night.recipe(evening.parent, shutil.copytree(evening, evening.parent / "expected"))
    refresh(wanted, LocalRunner())
    return Corpus(wanted.output).manifest().digest


@pytest.mark.parametrize("workers", [1, 2])
def test_a_refresh_on_ray_gives_the_same_bytes(
    evening: Path, refreshed: str, tmp_path: Path, ray_cluster: str, workers: int
) -> None:
    wanted = night.recipe(evening.parent, shutil.copytree(evening, tmp_path / "corpus"))
    with RayRunner(workers) as runner:
        outcome = refresh(wanted, runner)
    assert (outcome.version, outcome.change.promoted) == (night.NIGHTS + 1, 3)
    assert Corpus(wanted.output).manifest().digest == refreshed


@pytest.mark.parametrize("server", ["moto", pytest.param("ceph", marks=pytest.mark.ceph)])
def test_a_refresh_on_s3_gives_the_same_bytes(
    evening: Path, refreshed: str, server: str, request: pytest.FixtureRequest
) -> None:
    store: S3Server = request.getfixturevalue(server)
    with store.used():
        url = f"{store.make_bucket(f'b-{uuid.uuid4()}')}/corpora/nightly"
        night.copy(evening, url)
        wanted, corpus = night.recipe(evening.parent, url), Corpus(url)
        assert refresh(wanted, LocalRunner()).published
        assert corpus.manifest().digest == refreshed
        assert corpus.verify() > 0
        assert night.kept(corpus) == night.AFTER
        assert corpus.storage.list("_runs/") == []
        assert not refresh(wanted, LocalRunner()).published
