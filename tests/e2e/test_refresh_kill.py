"""A refresh and an erasure, killed or met at any moment: readers see a whole version, and the same command ends it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import yaml

from curation.corpus import Corpus
from curation.dedup.index import segments_of
from curation.pipeline.certificate import checked_certificate
from tests.e2e import night
from tests.e2e.zygote import Job, Zygote
from tests.pipeline.test_takedown import where
from tests.storage.servers import S3Server
from tests.texts import essay, write_jsonl

TAKEN = ("a0", "d0")
ERASED = night.BEFORE - {*TAKEN} | {"a0-copy"}
UNPROMOTED = night.AFTER - {"old0-copy", "old1-copy", "mine0-copy"}
SECRETS = (essay(40)[:60], essay(40)[300:360])
"""What only `d0` says."""


@pytest.fixture(scope="module")
def whole(zygote: Zygote, folder: Path, evening: Path) -> dict[str, Any]:
    """How a refresh ends that nobody disturbs."""
    output = Path(shutil.copytree(evening, folder / "whole"))
    ended = zygote.run(Job.of("refresh", night.recipe(folder, output)))
    assert (ended["status"], ended["error"], ended["published"]) == (0, None, True)
    return ended


def test_the_night_has_everything_in_it(folder: Path, evening: Path, whole: dict[str, Any]) -> None:
    before, after = Corpus(str(evening)), Corpus(str(folder / "whole"))
    assert (night.kept(before), night.kept(after)) == (night.BEFORE, night.AFTER)
    change = after.change()
    looked = change.looked
    assert [len(files) for files in (looked.new, looked.changed, looked.vanished)] == [1, 1, 1]
    assert {cell.reason for cell in change.removed} == {
        "refresh.changed", "refresh.retired", "minhash_dedup.replaced"
    }  # fmt: skip
    assert change.promoted == 3
    assert change.read.documents("failed") == 1
    segments = [len(segments_of(corpus.manifest().index)) for corpus in (before, after)]
    assert segments == [night.NIGHTS, 1], "the index is merged tonight"


def test_a_refresh_killed_at_any_moment(
    zygote: Zygote, folder: Path, evening: Path, whole: dict[str, Any], tmp_path: Path
) -> None:
    old = Corpus(str(evening)).manifest().digest
    for kill in kills(whole, 42):
        output = Path(shutil.copytree(evening, tmp_path / f"killed-{kill}"))
        refresh = night.recipe(folder, output)
        assert zygote.run(Job.of("refresh", refresh, kill))["status"] == -signal.SIGKILL
        corpus = Corpus(str(output))
        check(corpus, {old: night.BEFORE, whole["digest"]: night.AFTER})
        is_published, done = corpus.manifest().digest == whole["digest"], records(output)
        again = zygote.run(Job.of("refresh", refresh))
        where_killed = f"killed at {kill} of {whole['moments']}"
        assert (again["status"], again["error"]) == (0, None), where_killed
        assert again["published"] != is_published, where_killed
        assert again["digest"] == whole["digest"], where_killed
        assert done.isdisjoint(again["steps"]), where_killed
        check(corpus, {whole["digest"]: night.AFTER})
        assert len(corpus.versions()) == night.NIGHTS + 1
        shutil.rmtree(output)


def test_a_refresh_killed_on_s3(
    zygote: Zygote, folder: Path, evening: Path, whole: dict[str, Any], moto: S3Server
) -> None:
    old = Corpus(str(evening)).manifest().digest
    with moto.used():
        environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}

        def refreshed(kill: int = 0) -> tuple[Corpus, dict[str, Any], Any]:
            url = f"{moto.make_bucket(f'b-{uuid.uuid4()}')}/nightly"
            night.copy(evening, url)
            job = Job.of("refresh", night.recipe(folder, url), environment=environment)
            return Corpus(url), zygote.run(job.model_copy(update={"kill": kill})), job

        corpus, undisturbed, _ = refreshed()
        assert (undisturbed["digest"], undisturbed["error"]) == (whole["digest"], None)
        last = undisturbed["commits"][-1]
        for kill in (last // 2, last + 1):  # while it works, and when it has published
            corpus, killed, job = refreshed(kill)
            assert killed["status"] == -signal.SIGKILL
            check(corpus, {old: night.BEFORE, whole["digest"]: night.AFTER})
            again = zygote.run(job)
            assert (again["status"], again["error"], again["digest"]) == (0, None, whole["digest"])
            check(corpus, {whole["digest"]: night.AFTER})
            assert len(corpus.versions()) == night.NIGHTS + 1


def test_an_erasure_killed_at_any_moment(zygote: Zygote, evening: Path, tmp_path: Path) -> None:
    assert all(where(Corpus(str(evening)), text) for text in SECRETS)

    def erased(name: str, kill: int = 0) -> tuple[Corpus, dict[str, Any], Job]:
        output = shutil.copytree(evening, tmp_path / name)
        job = Job(do="erase", output=str(output), ids=TAKEN, kill=kill)
        return Corpus(str(output)), zygote.run(job), job.model_copy(update={"kill": 0})

    corpus, undisturbed, _ = erased("whole")
    assert undisturbed["error"] is None
    content = shards(corpus)
    for kill in kills(undisturbed, 14):
        corpus, killed, job = erased(f"killed-{kill}", kill)
        where_killed = f"killed at {kill} of {undisturbed['moments']}"
        # Salts are random, so an erasure may have a moment less than another, and end before the last one comes.
        assert killed["status"] == -signal.SIGKILL or killed["moments"] < kill, where_killed
        corpus.verify()
        assert night.kept(corpus) == (night.BEFORE, ERASED)[corpus.version().version - night.NIGHTS], where_killed
        again = zygote.run(job)
        assert (again["status"], again["error"]) == (0, None), where_killed
        corpus.verify()
        assert shards(corpus) == content, where_killed
        assert night.kept(corpus) == ERASED
        assert [text for text in SECRETS if where(corpus, text)] == [], where_killed
        assert (checked_certificate(corpus).number, len(corpus.versions())) == (1, night.NIGHTS + 1)
        assert corpus.storage.list("_erasures/") == corpus.storage.list("_runs/") == []
        shutil.rmtree(corpus.url)


@pytest.mark.parametrize("attempt", range(3))
@pytest.mark.parametrize("is_same", [True, False])
def test_two_refreshes_at_once_and_a_reader(
    zygote: Zygote, folder: Path, evening: Path, whole: dict[str, Any], tmp_path: Path, is_same: bool, attempt: int
) -> None:
    """The second is the same run, or another one, which differs in its policy."""
    output = Path(shutil.copytree(evening, tmp_path / "corpus"))
    corpus, seen = Corpus(str(output)), set()
    policy = {} if is_same else {"refresh": {"vanished": "retire", "better_copies": "replace", "promote": False}}
    jobs = [
        Job.of("refresh", night.recipe(folder, output)),
        Job.of("refresh", night.recipe(folder, output, **policy)),
    ]

    def read() -> None:
        number = corpus.version().version
        corpus.verify(number)
        ids = night.kept(corpus, number)
        assert ids == night.BEFORE if number == night.NIGHTS else ids in (night.AFTER, UNPROMOTED)
        seen.add(number)

    ended = zygote.run_together(jobs, read)
    read()
    assert seen <= {night.NIGHTS, night.NIGHTS + 1}
    assert [one["status"] for one in ended] == [0, 0]
    if is_same:
        assert [(one["error"], one["digest"]) for one in ended] == 2 * [(None, whole["digest"])]
        assert night.kept(corpus) == night.AFTER
    else:
        first, second = ended
        winner, loser = (first, second) if first["published"] else (second, first)
        assert (winner["published"], winner["error"], loser["published"]) == (True, None, False)
        assert loser["error"] is None or loser["error"].startswith("ConflictError")
        assert night.kept(corpus) == (night.AFTER if winner is first else UNPROMOTED)
    assert len(corpus.versions()) == night.NIGHTS + 1
    assert [entry.key for entry in corpus.storage.list("_runs/") if entry.key.endswith("/run.json")] == []


def test_a_terminated_refresh_goes_on(folder: Path, evening: Path, tmp_path: Path) -> None:
    """By SIGTERM, while it reads a file that takes it some seconds."""
    output = Path(shutil.copytree(evening, tmp_path / "corpus"))
    long = write_jsonl(tmp_path / "long/1.jsonl", [{"id": f"{n}", "text": essay(1000 + n % 40)} for n in range(15_000)])
    wanted = night.recipe(folder, output).model_dump(mode="json")
    wanted["sources"].append(wanted["sources"][0] | {"name": "long", "uri": str(long)})
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(wanted))
    program = subprocess.Popen(
        [sys.executable, "-c", "from curation.cli import main; main()", "refresh", str(path), "--engine", "local"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stderr
        assert program.stderr.readline().startswith("filter")
        program.terminate()
        out, err = program.communicate(timeout=120)
    assert (out, program.returncode) == ("", 143), err
    assert err.endswith("curation: terminated; the same command goes on from what is recorded\n")
    corpus = Corpus(str(output))
    check(corpus, {Corpus(str(evening)).manifest().digest: night.BEFORE})
    subprocess.run(program.args, check=True, capture_output=True)
    assert len(corpus.versions()) == night.NIGHTS + 1
    assert corpus.verify() > 0
    assert night.kept(corpus) >= night.AFTER
    assert corpus.storage.list("_runs/") == []


def kills(undisturbed: dict[str, Any], count: int) -> list[int]:
    """Moments, in their order: all over, around the last commits, and the last ones."""
    moments, last = undisturbed["moments"], undisturbed["commits"][-1]
    chosen = {moment for commit in undisturbed["commits"][-3:] for moment in (commit, commit + 1)}
    chosen |= {last - 2, last - 1, last + 2, last + 3, moments - 1, moments}
    spread = count - len(chosen)
    chosen |= {1 + step * (moments - 1) // spread for step in range(spread)}
    return sorted(chosen)


def records(output: Path) -> set[str]:
    """The names of the records of the run in progress. A `merge.json` is none: it tells tasks what they merge."""
    found = (output / "_runs").rglob("*.json")
    return {str(path.relative_to(output)) for path in found if path.name != "merge.json"}


def check(corpus: Corpus, expected: dict[str, Collection[str]]) -> None:
    """The newest version is whole, and one of these: digest → its documents' ids."""
    assert corpus.verify() == len(corpus.manifest().parts)
    assert night.kept(corpus) == expected[corpus.manifest().digest]


def shards(corpus: Corpus) -> list[tuple[str, str]]:
    """The newest version's documents, by the names and digests of their files."""
    return sorted((part.path, part.sha256) for part in corpus.manifest().shards)
