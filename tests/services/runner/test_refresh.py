"""Jobs that refresh a corpus, and jobs that take documents down, executed by a runner in real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.pipeline.certificate import checked_certificate
from services.errors import Forbidden
from services.jobs.job import Mode, Takedown, WantedDocument
from services.jobs.states import State
from tests.services.runner.conftest import Site
from tests.texts import essay, write_jsonl

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_refresh_reads_what_is_new_and_says_what_it_looked_at(site: Site) -> None:
    with site.runner():
        first = site.wait(site.submit(mode=Mode.REFRESH))
        again = site.wait(site.submit(mode=Mode.REFRESH))
        write_jsonl(site.folder / "in/web/new.jsonl", [{"id": "new", "text": essay(77)}])
        third = site.wait(site.submit(mode=Mode.REFRESH))
        other = {"stages": [{"kind": "gopher_quality", "min_words": 60}, {"kind": "exact_dedup"}]}
        refused = site.wait(site.submit(other, mode=Mode.REFRESH))
        redone = site.wait(site.submit(other, mode=Mode.REFRESH, redo=True))
    assert (first.state, first.version, first.documents_read) == (State.SUCCEEDED, 1, 25), first
    files = len(site.corpus.manifest(1).inputs)
    assert (again.state, again.reason, again.version) == (State.SUCCEEDED, "nothing-new", 1), again
    assert again.message == f"nothing is new since version 1: looked at {files} files"
    assert (third.state, third.version, third.published) == (State.SUCCEEDED, 2, True), third
    assert (third.documents_read, third.documents_kept) == (1, 1)
    assert third.message.startswith("version 2: 1 new, 0 changed, 0 vanished files; ")
    assert (refused.state, refused.reason) == (State.FAILED, "redo_needed"), refused
    assert "stages" in refused.message
    assert (redone.state, redone.version, redone.documents_read) == (State.SUCCEEDED, 3, 26), redone


@pytest.fixture
def kept(site: Site) -> str:
    """The id of a kept document of the first version."""
    with site.runner():
        assert site.wait(site.submit()).state is State.SUCCEEDED
    found: str = site.corpus.documents().to_table()["id"][0].as_py()
    return found


def take_down(site: Site, document: str, **job: object) -> str:
    """A job that takes it down; its id."""
    asked = Takedown(ids=(WantedDocument(id=document),), reason="case 17", erase=bool(job.pop("erase", False)))
    recipe = {**site.corpus.manifest().recipe, "output": site.corpus.url}
    return site.submit(recipe, mode=Mode.TAKEDOWN, takedown=asked, **job)


def ids(site: Site) -> list[str]:
    found: list[str] = site.corpus.documents().to_table()["id"].to_pylist()
    return found


def test_a_takedown_publishes_a_version_without_the_documents(site: Site, kept: str) -> None:
    with site.runner():
        job = site.wait(take_down(site, kept))
        again = site.wait(take_down(site, kept))
        nothing = site.wait(take_down(site, "no such document"))
    assert (job.state, job.version, job.published) == (State.SUCCEEDED, 2, True), job
    assert job.message.startswith("version 2: 1 documents are taken down")
    assert kept not in ids(site)
    certificate = checked_certificate(site.corpus)
    assert (certificate.who, certificate.run, certificate.asked.reason) == ("test", f"{job.id}-1", "case 17")
    assert (again.state, again.reason, again.version) == (State.SUCCEEDED, "nothing-new", 2), again
    assert (nothing.state, nothing.reason) == (State.FAILED, "missing"), nothing


def test_a_held_refresh_says_what_it_has_read(site: Site) -> None:
    with site.runner():
        assert site.wait(site.submit(mode=Mode.REFRESH)).version == 1
        write_jsonl(site.folder / "in/web/new.jsonl", [{"id": "new", "text": essay(77)}])
        gates = [{"metric": "documents", "over": "new", "min": 1000}]
        held = site.wait(site.submit({"gates": gates}, mode=Mode.REFRESH), State.HELD)
    assert (held.reason, held.documents_read, held.documents_kept) == ("gate", 1, 1), held
    assert held.message.startswith("to be published: 1 new, 0 changed, 0 vanished files; 1 of 1 documents")
    assert "documents over new" in held.message, "the breach"


def test_a_takedown_waits_for_approval(site: Site, kept: str) -> None:
    job_id = take_down(site, kept, hold=True)
    with site.runner():
        held = site.wait(job_id, State.HELD)
        assert kept in ids(site)
        site.store.approve(site.project, job_id, "test")
        done = site.wait(job_id)
    assert (held.reason, done.state, done.version) == ("approval", State.SUCCEEDED, 2), done
    assert kept not in ids(site)


@pytest.mark.parametrize("point", ["driver.after_permit", "driver.published", "driver.erasing", "driver.erased"])
def test_an_erasure_that_is_cut_off_is_finished_by_another_attempt(site: Site, kept: str, point: str) -> None:
    """Whatever it had done: it is over when it is certified, not when its version is published."""
    table = site.corpus.documents().to_table()
    text = next(row["text"] for row in table.to_pylist() if row["id"] == kept)
    job_id = take_down(site, kept, erase=True)
    with site.runner(failpoint=f"{point}#{site.marker()}"):
        site.until(lambda: Path(site.marker()).exists(), bool)
        site.until(lambda: site.job(job_id).state, lambda state: state is State.QUEUED)
        site.hurry(job_id)
        job = site.wait(job_id)
    assert (job.state, job.version, job.attempt) == (State.SUCCEEDED, 2, 2), job
    certificate = checked_certificate(site.corpus)
    assert certificate.erasure is not None
    assert text not in site.corpus.documents().to_table()["text"].to_pylist()
    assert site.corpus.version(1).gone is not None


def test_an_erasure_that_finds_something_fails_at_once_and_is_finished_by_a_retry(site: Site, kept: str) -> None:
    table = site.corpus.documents().to_table()
    text = next(row["text"] for row in table.to_pylist() if row["id"] == kept)
    stray = site.folder / "corpus/notes.txt"
    stray.write_text(text)
    job_id = take_down(site, kept, erase=True)
    with site.runner():
        failed = site.wait(job_id)
        assert (failed.state, failed.reason, failed.attempt) == (State.FAILED, "storage", 1), failed
        assert (failed.version, failed.published) == (2, True)
        assert failed.message.startswith("version 2 is without the documents, but their texts are not erased")
        assert "notes.txt" in failed.message
        stray.unlink()
        site.store.retry(site.project, job_id, "test")
        done = site.wait(job_id)
    assert (done.state, done.version, done.attempt) == (State.SUCCEEDED, 2, 2), done
    assert checked_certificate(site.corpus).erasure is not None


def test_erasing_what_was_taken_down_before_waits_for_approval_and_cannot_be_stopped(site: Site, kept: str) -> None:
    """No version is published, but nothing brings the texts back, and half an erasure keeps everybody out."""
    with site.runner():
        assert site.wait(take_down(site, kept)).version == 2
        held = site.wait(take_down(site, kept, erase=True, hold=True), State.HELD)
        assert held.message == "to be erased: what version 2 took down"
        site.store.approve(site.project, held.id, "test")
        done = site.wait(held.id)
    states = [event.data["state"] for event in site.store.events(site.project, held.id) if event.kind == "state"]
    assert states[-2:] == [State.PUBLISHING, State.SUCCEEDED], states
    assert (done.state, done.reason, done.version) == (State.SUCCEEDED, "nothing-new", 2), done
    assert checked_certificate(site.corpus).erasure is not None
    assert site.corpus.version(1).gone is not None


def test_a_takedown_that_is_lost_before_it_has_records_goes_on_as_the_same_run(site: Site, kept: str) -> None:
    job_id = take_down(site, kept)
    with site.runner(failpoint=f"driver.looked#{site.marker()}"):
        site.until(lambda: site.job(job_id).state, lambda state: state is State.QUEUED)
        site.hurry(job_id)
        job = site.wait(job_id)
    assert (job.state, job.attempt, job.run) == (State.SUCCEEDED, 2, f"{job.id}-1"), job
    assert "RecordsGone" not in [condition.type for condition in job.conditions]


def test_who_could_not_ask_for_a_takedown_cannot_retry_it(site: Site, kept: str) -> None:
    job_id = take_down(site, kept)
    site.store.cancel(site.project, job_id, "test")
    with pytest.raises(Forbidden, match="corpora:govern"):
        site.store.retry(site.project, job_id, "editor", may_take_down=False)
    assert site.store.retry(site.project, job_id, "admin").state is State.QUEUED
