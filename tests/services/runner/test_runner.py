"""Jobs, executed by a runner in real processes, to each of their ends."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from curation.pipeline import curate, held
from curation.runner.local import LocalRunner
from services.jobs.states import State
from services.runner.logs import JobLog
from tests.pipeline.inputs import recipe
from tests.services.runner.conftest import STAGES, Site
from tests.texts import essay, write_jsonl

one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_job_succeeds_and_the_same_again_finds_nothing_new(site: Site) -> None:
    job_id = site.submit()
    with site.runner():
        job = site.wait(job_id)
        again = site.wait(site.submit())
    assert (job.state, job.reason, job.version, job.published) == (State.SUCCEEDED, "", 1, True), job
    assert (job.documents_read, job.attempt, job.attempts[0].ended) == (25, 1, State.SUCCEEDED)
    assert [step.step for step in job.progress] == ["filter", "deduplicate", "finish", "index", "publish"]
    assert all(step.shards_done == step.shards_total for step in job.progress)
    assert job.progress[0].documents == 25
    true = [condition.type for condition in job.conditions if condition.is_true]
    assert true == ["InputListed", "Filtered", "Deduplicated", "Finished", "Indexed", "Published"]
    assert len(site.store.logs(site.project, job_id)) > 5
    assert [version.run for version in site.corpus.versions()] == [f"{job_id}-1"]
    assert (again.state, again.reason, again.version, again.published) == (State.SUCCEEDED, "nothing-new", 1, False)


@one_database
def test_what_is_wrong_with_a_job_is_its_reason(site: Site) -> None:
    folder = str(site.folder)
    changes: dict[str, dict[str, Any]] = {
        "recipe": {"stages": [{"kind": "no such stage"}]},
        "input": {"sources": [{"name": "web", "uri": f"{folder}/nothing/*.jsonl"}]},
        "forbidden_uri": {"sources": [{"name": "web", "uri": "/etc/*.conf"}]},
        "model": {"stages": [{"kind": "language", "keep": ["en"], "model": f"{folder}/no.model"}]},
    }
    jobs = {
        reason: site.submit(change | {"output": f"{folder}/corpus-{reason}"}, priority=-number)
        for number, (reason, change) in enumerate(changes.items())
    }
    with site.runner(max_running_jobs=2):
        found = {reason: site.wait(job_id) for reason, job_id in jobs.items()}
    assert {job.state for job in found.values()} == {State.FAILED}
    assert {reason: job.reason for reason, job in found.items()} == {reason: reason for reason in changes}
    assert all(job.message for job in found.values())


@one_database
def test_a_registry_may_be_a_folder_within_the_roots(site: Site) -> None:
    text = write_jsonl(site.folder / "in/web/new.jsonl", [{"id": "new", "text": essay(78)}])
    item = {"benchmark": "essays", "id": "78", "question": essay(78)}
    write_jsonl(site.folder / "sets/deep/items.jsonl", [item])
    job_id = site.submit({"stages": [{"kind": "contamination", "registry": f"{site.folder}/sets"}]})
    with site.runner():
        job = site.wait(job_id)
    assert (job.state, job.published) == (State.SUCCEEDED, True), job
    rows = site.corpus.decisions().to_table().to_pylist()
    dropped = [(row["shard"], row["reason"]) for row in rows if row["outcome"] == "dropped"]
    assert dropped == [(str(text), "contamination.cluster")]


@one_database
def test_a_held_job_publishes_what_was_approved_or_is_held_again(site: Site) -> None:
    discarded, job_id = site.submit(hold=True), site.submit(hold=True)
    with site.runner():
        job = site.wait(discarded, State.HELD)
        assert (job.reason, job.documents_read) == ("approval", 25)
        manifest, report, _ = held(site.corpus, f"{discarded}-1")
        assert (manifest.version, report.documents("kept")) == (1, job.documents_kept)
        assert site.store.discard(site.project, discarded, "test").state is State.CANCELLED

        site.wait(job_id, State.HELD)
        write_jsonl(site.folder / "in/web/new.jsonl", [{"id": "new", "text": essay(77)}])
        site.store.approve(site.project, job_id, "test")
        site.wait(job_id, State.STARTING, State.RUNNING)
        job = site.wait(job_id, State.HELD)
        assert job.documents_read == 26
        assert "InputChanged" in {condition.type for condition in job.conditions}
        assert not site.corpus.versions()

        draft, _, _ = held(site.corpus, f"{job_id}-2")
        site.store.approve(site.project, job_id, "test")
        job = site.wait(job_id)
    assert (job.state, job.version) == (State.SUCCEEDED, 1)
    assert site.corpus.manifest() == draft


@one_database
def test_a_held_jobs_records_are_gone_and_it_is_held_again(site: Site) -> None:
    """Another run publishes, which sweeps them: what was approved is not there any more, and nothing else goes out."""
    job_id = site.submit(hold=True)
    with site.runner():
        site.wait(job_id, State.HELD)
        write_jsonl(site.folder / "in/web/new.jsonl", [{"id": "new", "text": essay(77)}])
        curate(recipe(site.folder / "in", site.folder / "corpus", stages=STAGES), LocalRunner())
        write_jsonl(site.folder / "in/web/unseen.jsonl", [{"id": "unseen", "text": essay(78)}])
        site.store.approve(site.project, job_id, "test")
        site.wait(job_id, State.STARTING, State.RUNNING)
        job = site.wait(job_id, State.HELD)
    assert (job.run, job.documents_read) == (f"{job_id}-2", 27)
    assert "RecordsGone" in {condition.type for condition in job.conditions}
    assert len(site.corpus.versions()) == 1


@one_database
def test_a_gate_holds_a_job_that_nobody_asked_to_hold(site: Site) -> None:
    gates = [{"metric": "documents", "min": 1000}, {"metric": "source_share", "of": "web", "min": 0.1}]
    passing, job_id = site.submit({"gates": gates[1:], "output": f"{site.folder}/other"}), site.submit({"gates": gates})
    with site.runner():
        job = site.wait(job_id, State.HELD)
        message = f"gates.0: documents over version is {job.documents_kept}, below min 1,000"
        assert (job.reason, message in job.message) == ("gate", True)
        found = {condition.type: condition for condition in job.conditions}
        gate = found["GatePassed"]
        assert (gate.is_true, gate.reason, gate.message, found["Held"].is_true) == (False, "breach", message, True)
        assert not site.corpus.versions()

        manifest, _, change = held(site.corpus, job.run)
        assert [breach.message for breach in change.breaches] == [message]
        site.store.approve(site.project, job_id, "test")
        job = site.wait(job_id)
        assert (job.state, job.version, site.corpus.manifest()) == (State.SUCCEEDED, 1, manifest), job
        gate = next(condition for condition in job.conditions if condition.type == "GatePassed")
        assert (gate.is_true, gate.reason) == (False, "approved")
        job = site.wait(passing)
    gate = next(condition for condition in job.conditions if condition.type == "GatePassed")
    assert (job.state, gate.is_true, gate.message) == (State.SUCCEEDED, True, "1 of 1")


@one_database
def test_what_was_approved_is_not_what_another_gate_held(site: Site) -> None:
    """The input changes while the job is held by a gate: its approval lets nothing else through."""
    job_id = site.submit({"gates": [{"metric": "documents", "min": 1000}]})
    with site.runner():
        site.wait(job_id, State.HELD)
        write_jsonl(site.folder / "in/web/new.jsonl", [{"id": "new", "text": essay(77)}])
        site.store.approve(site.project, job_id, "test")
        site.wait(job_id, State.STARTING, State.RUNNING)
        job = site.wait(job_id, State.HELD)
        assert (job.run, job.reason, job.documents_read) == (f"{job_id}-2", "gate", 26)
        assert site.store.discard(site.project, job_id, "test").state is State.CANCELLED
    assert not site.corpus.versions()


@one_database
def test_what_is_approved_is_the_content(site: Site) -> None:
    """Even where the drafts under the run's id have become others."""
    job_id = site.submit(hold=True)
    with site.runner():
        site.wait(job_id, State.HELD)
        draft = site.folder / f"corpus/_runs/{job_id}-1/manifest.json"
        content = json.loads(draft.read_text())
        content["shards"][0]["rows"] += 1
        draft.write_text(json.dumps(content))
        site.store.approve(site.project, job_id, "test")
        site.wait(job_id, State.STARTING, State.RUNNING)
        site.wait(job_id, State.HELD)
    assert not site.corpus.versions()


@one_database
def test_a_store_that_refuses_for_good_fails_the_job(site: Site) -> None:
    (site.folder / "corpus").write_text("a file, where a folder must be")
    job_id = site.submit()
    with site.runner():
        job = site.wait(job_id)
    assert (job.state, job.reason, job.attempt) == (State.FAILED, "storage", 1), job


@one_database
def test_a_job_log_that_cannot_be_kept_ends_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kept = JobLog(site.store, "job_none")
    logger = logging.getLogger("tests.job_log")
    logger.addHandler(kept)
    try:
        logger.warning("nobody keeps this")
        kept.flush()
    finally:
        logger.removeHandler(kept)
        kept.close()
    assert "1 log lines are dropped: NotFound" in capsys.readouterr().err
