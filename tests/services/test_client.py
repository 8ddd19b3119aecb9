"""The Python client: against a real service, and against servers that misbehave."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from curation.errors import RecipeError
from services.client import Client, NotSettledError, ProblemError, UnreachableError
from services.client.transport import checked_url
from services.identity.principal import Permission, Role
from services.jobs.job import JobFilter, Submission
from services.jobs.states import State
from services.schedules.schedule import NewSchedule
from services.webhooks.webhook import NewWebhook
from tests.services.served import Served, recipe, serving

JOB = {
    "id": "job_1",
    "project": "default",
    "state": "QUEUED",
    "recipe_name": "r",
    "corpus": "c",
    "corpus_url": "/corpora/c",
    "run": "job_1-1",
    "created": "2026-01-01T00:00:00Z",
    "created_by": "key:k",
    "updated": "2026-01-01T00:00:00Z",
    "revision": 1,
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("client")) as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with served.client() as opened:
        yield opened


def test_the_client_brings_no_web_framework_and_no_database() -> None:
    program = (
        "import sys, services.client\n"
        "print([name for name in ('fastapi', 'starlette', 'sqlalchemy', 'uvicorn', 'ray') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


# ------------------------------------------------------------------------ a real service


def test_a_job_is_estimated_submitted_awaited_and_its_corpus_asked(served: Served, client: Client) -> None:
    submission = Submission(recipe=recipe(served.folder), labels={"team": "a"})
    assert client.me().is_installation_admin
    estimate = client.jobs.estimate(submission)
    assert (estimate.files, estimate.newest_version, estimate.is_nothing_new) == (1, 0, False)

    job = client.jobs.submit(submission)
    states = [seen.state for seen in client.jobs.watch(job.id)]
    done = client.jobs.wait(job.id, timeout_s=60)
    assert states[-1] is State.SUCCEEDED
    assert (done.version, done.published, done.documents_read, done.documents_kept) == (1, True, 30, 29)
    assert client.jobs.report(job.id).documents_read == 30
    assert client.jobs.recipe(job.id)["name"] == "small"
    assert [line.sequence for line in client.jobs.logs(job.id)] == [line.sequence for line in follow(client, job.id)]

    events = list(client.jobs.events(job.id))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert list(client.jobs.events(job.id, after=events[-3].sequence)) == events[-2:]
    assert list(client.jobs.events(job.id, after=events[-1].sequence)) == []

    (corpus,) = client.corpora.list()
    assert corpus.name == "small"
    newest = client.corpora.get("small").newest
    assert newest is not None
    assert newest.documents == 29
    assert [version.version for version in client.corpora.versions("small")] == [1]
    assert [step.documents_out for step in client.corpora.funnel("small").steps] == [30, 29]
    (reason,) = client.corpora.reasons("small", 1).reasons
    (sample,) = client.corpora.samples("small", reason.reason).samples
    (decision,) = client.corpora.explain("small", str(sample.id)).decisions
    assert decision.reason == reason.reason == "exact_dedup.duplicate"
    assert client.corpora.statistics("small").total.documents == 29
    assert client.corpora.mixture("small").parts[0].share_documents == 1
    assert client.corpora.manifest("small")["documents"] == 29
    assert client.recipes.preview(submission, sample=10).sampled == 10


def test_other_thresholds_are_asked_and_saved(served: Served, client: Client) -> None:
    rules = {**recipe(served.folder, "ruled"), "stages": [{"kind": "gopher_quality", "min_words": 1}]}
    client.recipes.put("ruled", rules)
    client.jobs.wait(client.jobs.submit(Submission(recipe={**rules, "name": "ruled"})).id, timeout_s=60)
    (corpus,) = [each.name for each in client.corpora.list() if each.url.endswith("/ruled")]
    words = "stages.gopher_quality.min_words"
    assert words in {each.path for each in client.corpora.thresholds(corpus).thresholds}
    answer = client.corpora.what_if(corpus, [f"{words}=3", "stages.gopher_quality.min_stop_words=1"], examples=1)
    assert {setting.path for setting in answer.settings} == {words, "stages.gopher_quality.min_stop_words"}
    curve, sweep = client.corpora.curve(corpus, f"{words}=1,9"), client.corpora.sweep(corpus, f"{words}=1,9", version=1)
    assert [point.after for point in curve.points] == [point.answer.after for point in sweep.points]
    saved = client.recipes.set("ruled", [f"{words}=3"], note="as asked")
    assert (saved.revision, saved.recipe["stages"][0]["min_words"], saved.note) == (2, 3, "as asked")


def follow(client: Client, job_id: str) -> list[Any]:
    return list(client.jobs.follow_logs(job_id))


def test_the_same_idempotency_key_gives_the_same_job(served: Served, client: Client) -> None:
    submission = Submission(recipe=recipe(served.folder, "twice"))
    one = client.jobs.submit(submission, idempotency_key="mine")
    assert client.jobs.submit(submission, idempotency_key="mine").id == one.id
    with pytest.raises(ProblemError) as refused:
        client.jobs.submit(submission.model_copy(update={"priority": 3}), idempotency_key="mine")
    assert (refused.value.status, refused.value.exit_code) == (422, 2)
    client.jobs.wait(one.id, timeout_s=60)


def test_lists_are_read_page_by_page(served: Served, client: Client) -> None:
    made = [
        client.jobs.submit(Submission(recipe=recipe(served.folder, f"page-{n}"), labels={"page": "y"}))
        for n in range(3)
    ]
    which = JobFilter(labels={"page": "y"})
    assert [job.id for job in client.jobs.list(which, page_size=1)] == [job.id for job in reversed(made)]
    for job in made:
        client.jobs.cancel(job.id)
        assert client.jobs.wait(job.id, timeout_s=60).state in (State.CANCELLED, State.SUCCEEDED)


def test_a_held_job_is_discarded_retried_approved_and_forgotten(served: Served, client: Client) -> None:
    job = client.jobs.submit(Submission(recipe=recipe(served.folder, "held"), hold=True))
    assert client.jobs.wait(job.id, timeout_s=60).state is State.HELD
    assert client.jobs.report(job.id).is_draft
    assert client.jobs.discard(job.id).state is State.CANCELLED
    client.jobs.retry(job.id)
    assert client.jobs.wait(job.id, timeout_s=60).state is State.HELD
    with pytest.raises(ProblemError) as refused:
        client.jobs.delete(job.id)
    assert refused.value.status == 409
    client.jobs.approve(job.id)
    assert client.jobs.wait(job.id, timeout_s=60).state is State.SUCCEEDED
    client.jobs.delete(job.id)
    with pytest.raises(ProblemError) as gone:
        client.jobs.get(job.id)
    assert (gone.value.status, gone.value.exit_code) == (404, 4)


def test_recipes_have_revisions(served: Served, client: Client) -> None:
    body = recipe(served.folder, "kept")
    assert client.recipes.put("kept", body, note="first", if_revision=0).revision == 1
    with pytest.raises(ProblemError) as refused:
        client.recipes.put("kept", body, if_revision=0)
    assert (refused.value.status, refused.value.exit_code) == (412, 5)
    assert client.recipes.put("kept", {**body, "seed": 7}, if_revision=1).revision == 2
    assert [one.revision for one in client.recipes.revisions("kept")] == [2, 1]
    assert [change.path for change in client.recipes.diff("kept", 1).changes] == ["seed"]
    assert client.recipes.get("kept", 1).recipe == body
    assert "kept" in [one.name for one in client.recipes.list()]
    assert client.recipes.put("kept", body).revision == 3
    assert "exact_dedup" in [stage.kind for stage in client.recipes.stages()]
    client.recipes.delete("kept")
    with pytest.raises(ProblemError, match="kept"):
        client.recipes.get("kept")


def test_schedules_keys_projects_and_webhooks_are_managed(served: Served, client: Client) -> None:
    client.recipes.put("nightly", recipe(served.folder, "nightly"))
    new = NewSchedule(name="every-night", recipe_name="nightly", cron="30 2 * * *", timezone="Europe/London")
    assert len(client.schedules.preview_of(new)) == 20
    schedule = client.schedules.create(new)
    assert [one.id for one in client.schedules.list()] == [schedule.id]
    assert len(client.schedules.preview("every-night", 5)) == 5
    assert client.schedules.pause("every-night").paused is not None
    assert client.schedules.resume("every-night").paused is None
    client.schedules.delete(schedule.id)

    made = client.keys.create("reader", Role.VIEWER, scopes=[Permission.JOBS_READ])
    with Client(served.url, made.secret) as reader:
        list(reader.jobs.list())
        with pytest.raises(ProblemError) as refused:
            list(reader.corpora.list())
        assert (refused.value.status, refused.value.exit_code) == (403, 4)
        client.keys.revoke(made.key.id)
        with pytest.raises(ProblemError) as revoked:
            reader.me()
        assert revoked.value.status == 401
    assert made.key.id in [key.id for key in client.keys.list()]
    assert [project.name for project in client.projects.list()] == ["default"]

    with pytest.raises(ProblemError):
        client.webhooks.create(NewWebhook(name="inward", url="https://127.0.0.1/hook"))
    assert list(client.webhooks.list()) == []


# --------------------------------------------------------------------- servers that fail


class _Scripted(BaseHTTPRequestHandler):
    """Answers with what the test says, one answer a request, and keeps what was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server.asked.append((self.command, self.path, dict(self.headers), body))
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        if answer is None:  # the connection breaks
            self.close_connection = True
            return
        status, headers, payload = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(payload)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def answering(*answers: Any) -> Iterator[tuple[str, list[Any]]]:
    """A server that gives these answers, the last one for ever; its URL, and what it was asked."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Scripted)
    server.answers, server.asked = list(answers), []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(data: object, status: int = 200, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(data).encode()


BUSY = answer({"type": "urn:curation:problem:unavailable", "detail": "busy"}, 503, **{"Retry-After": "0"})


def test_a_submission_is_repeated_with_the_same_key_until_it_is_answered() -> None:
    with answering(None, BUSY, answer(JOB, 201)) as (url, asked), Client(url, "k") as client:
        assert client.jobs.submit(Submission(recipe_name="r")).id == "job_1"
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in asked}) == 1
    assert len(asked) == 3
    assert len({body for *_, body in asked}) == 1


@pytest.mark.parametrize("verb", ["cancel", "pause", "retry", "approve"])
def test_other_changes_are_sent_once(verb: str) -> None:
    with answering(BUSY) as (url, asked), Client(url, "k") as client:
        with pytest.raises(ProblemError, match="busy"):
            getattr(client.jobs, verb)("job_1")
        assert len(asked) == 1
    with answering(None) as (url, asked), Client(url, "k") as client:
        with pytest.raises(UnreachableError, match="whether it was done is not known"):
            getattr(client.jobs, verb)("job_1")
        assert len(asked) == 1


def test_reading_is_repeated_and_given_up() -> None:
    with answering(BUSY, None, answer(JOB)) as (url, asked), Client(url, "k") as client:
        assert client.jobs.get("job_1").id == "job_1"
        assert len(asked) == 3
    with answering(BUSY) as (url, asked), Client(url, "k", retry_s=0.5) as client:
        with pytest.raises(ProblemError, match="busy"):
            client.jobs.get("job_1")
        assert len(asked) > 1
    with Client(url, "k", retry_s=0.3) as client, pytest.raises(UnreachableError, match="is the service running"):
        client.jobs.get("job_1")


def test_a_stream_that_breaks_is_taken_up_where_it_was() -> None:
    def stream(*sequences: int) -> tuple[int, dict[str, str], bytes]:
        said = b"retry: 10\n\n"
        for number in sequences:
            event = {"sequence": number, "at": "2026-01-01T00:00:01Z", "kind": "progress", "data": {}}
            said += f"id: {number}\nevent: progress\ndata: {json.dumps(event)}\n\n".encode()
        return 200, {"Content-Type": "text/event-stream"}, said

    done = answer({**JOB, "state": "SUCCEEDED"})
    with answering(stream(1, 2), answer(JOB), None, BUSY, stream(3), done) as (url, asked), Client(url, "k") as client:
        assert [event.sequence for event in client.jobs.events("job_1", give_up_s=5)] == [1, 2, 3]
    resumed = [headers["Last-Event-ID"] for _, path, headers, _ in asked if path.endswith("/events")]
    assert resumed == ["0", "2", "2", "2"]


def test_a_stream_that_stays_away_is_given_up() -> None:
    with answering(BUSY) as (url, _), Client(url, "k", retry_s=0.1) as client, pytest.raises(UnreachableError) as lost:
        list(client.jobs.events("job_1", give_up_s=0.2))
    assert "events of job_1 stopped" in str(lost.value)


def test_waiting_ends_in_time() -> None:
    with answering(answer(JOB)) as (url, _), Client(url, "k") as client, pytest.raises(NotSettledError) as late:
        client.jobs.wait("job_1", timeout_s=0.1)
    assert "still QUEUED" in str(late.value)


def test_a_newer_service_may_say_more() -> None:
    newer = {**JOB, "novel": 1, "progress": [], "attempts": []}
    with answering(answer(newer)) as (url, _), Client(url, "k") as client:
        assert client.jobs.get("job_1").id == "job_1"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (answer([1]), "not the service's"),
        ((200, {"Content-Type": "text/html"}, b"<html>login</html>"), "not the service's"),
        (answer({"id": 3}), "does not fit Job"),
        ((404, {}, b"<html>\x1b[31m"), "status 404"),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), "status 302"),
    ],
)
def test_what_is_not_the_service_is_not_believed(said: Any, message: str) -> None:
    with answering(said) as (url, asked), Client(url, "k", retry_s=0.1) as client:
        with pytest.raises(ProblemError, match=message):
            client.jobs.get("job_1")
        assert len(asked) == 1


def test_every_problem_is_told_by_its_path() -> None:
    body = {"detail": "the recipe is wrong", "errors": [{"path": "recipe.stages.0", "message": "unknown"}, 3]}
    with answering(answer(body, 422)) as (url, _), Client(url, "k") as client, pytest.raises(ProblemError) as refused:
        client.jobs.submit(Submission(recipe={}))
    assert str(refused.value) == "the recipe is wrong:\n  recipe.stages.0: unknown"


# ------------------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8321", "http://localhost:1/", "http://[::1]:8321", "https://curation.example.com/api"]
)
def test_good_addresses(url: str) -> None:
    assert checked_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://curation.example.com", "in clear"),
        ("http://127.0.0.1.example.com", "in clear"),
        ("http://10.0.0.7:8321", "in clear"),
        ("https://user:secret@example.com", "no user"),
        ("https://example.com/?key=1", "no user, query"),
        ("ftp://example.com", "expected https"),
        ("example.com:80", "expected https"),
        ("", "expected https"),
    ],
)
def test_addresses_that_the_key_is_not_sent_to(url: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        checked_url(url)
    with pytest.raises(RecipeError, match=message):
        Client(url, "k")


def test_clear_text_must_be_asked_for() -> None:
    assert checked_url("http://10.0.0.7:8321", allow_clear=True) == "http://10.0.0.7:8321"


@pytest.mark.parametrize("key", ["", "two words", "new\nline", "ключ"])
def test_a_key_that_is_no_key_is_not_shown(key: str) -> None:
    with pytest.raises(RecipeError) as refused:
        Client("http://127.0.0.1:1", key)
    assert not key or key not in str(refused.value)


def test_hostile_ids_stay_in_their_place(client: Client) -> None:
    for hostile in ("../recipes", "a/b", "x?y=1", "%2e%2e", "nul\0"):
        with pytest.raises(ProblemError) as refused:
            client.jobs.get(hostile)
        assert refused.value.status in (404, 422)
