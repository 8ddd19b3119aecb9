"""What the API says of a corpus is what the corpus says."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import decision
from curation.corpus import Corpus
from curation.difference import difference
from curation.history import history
from curation.manifest import Manifest, part
from curation.pipeline import curate
from curation.runner.local import LocalRunner
from curation.storage import open_storage
from services.catalogue import Catalogue
from services.confinement import Confinement
from services.database import Database, open_database
from services.database.tables import metadata
from services.errors import Forbidden, IllegalState, NotFound, Unavailable
from services.identity.projects import Projects
from services.insights.histograms import histograms
from services.insights.insights import Insights
from services.insights.memory import Memory
from services.insights.models import Histogram
from services.jobs.job import Job
from services.jobs.states import State
from tests.pipeline.inputs import COUNTED, recipe
from tests.services.conftest import make_settings
from tests.services.corpora import JOB, make_corpora


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("insights")
    make_corpora(folder)
    return folder


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[Database]:
    """One database for all: what is asked here is asked of corpora."""
    opened = open_database(make_settings(folder))
    metadata.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def project(database: Database, folder: Path) -> str:
    return Projects(database, make_settings(folder)).ensure_default().id


@pytest.fixture(scope="module")
def insights(database: Database, project: str, folder: Path) -> Insights:
    catalogue = Catalogue(database)
    for name in ("small", "empty", "gone"):
        catalogue.register(project, str(folder / "corpora" / name))
    return Insights(catalogue)


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return Corpus(str(folder / "corpora/small"))


@pytest.fixture(scope="module")
def decisions(corpus: Corpus) -> pa.Table:
    table: pa.Table = corpus.decisions().to_table()
    return table


def test_a_corpus_shows_its_newest_version(insights: Insights, project: str, corpus: Corpus) -> None:
    newest = corpus.version()
    shown = insights.corpus(project, "small")
    assert shown.newest is not None
    assert (shown.newest.version, shown.newest.documents, shown.newest.bytes) == (2, newest.documents, newest.bytes)
    assert shown.newest.tokens is None, "its recipe counts none"
    assert insights.corpus(project, "empty").newest is None
    assert insights.corpus(project, "gone").newest is None


def test_versions_are_newest_first(insights: Insights, project: str) -> None:
    assert [version.version for version in insights.versions(project, "small")] == [2, 1]
    assert [version.version for version in insights.versions(project, "small", limit=1)] == [2]
    assert [version.version for version in insights.versions(project, "small", after=2)] == [1]
    assert insights.versions(project, "empty") == []


def test_a_version_says_what_it_was_made_from(insights: Insights, project: str, corpus: Corpus) -> None:
    manifest = corpus.manifest(1)
    version = insights.version(project, "small", 1)
    assert (version.digest, version.parent, version.inputs) == (manifest.digest, 0, len(manifest.inputs))
    assert insights.manifest(project, "small", 1) == manifest
    assert insights.version(project, "small").version == 2


def test_what_is_not_there_is_not_found(insights: Insights, project: str) -> None:
    for ask, message in (
        (lambda: insights.version(project, "small", 9), "corpus 'small' has no version 9"),
        (lambda: insights.version(project, "empty"), "corpus 'empty' has no version yet"),
        (lambda: insights.corpus(project, "other"), "knows no corpus 'other'"),
        (lambda: insights.corpus("prj_other", "small"), "knows no corpus 'small'"),
        (lambda: insights.explain(project, "small", None, "nobody"), "knows no document 'nobody'"),
        (lambda: insights.explain(project, "small", None, "w1", source="notes"), "in source 'notes'"),
        (lambda: insights.samples(project, "small", None, "c4.nothing"), "dropped nothing for the reason"),
        (lambda: insights.histogram(project, "small", None, "reason"), "has no number 'reason'; there are language."),
        (lambda: insights.histogram(project, "small", None, "row"), "has no number 'row'"),
    ):
        with pytest.raises(NotFound, match=message):
            ask()


def test_the_funnel_adds_up(insights: Insights, project: str, corpus: Corpus) -> None:
    steps = insights.funnel(project, "small").steps
    report = corpus.report()
    assert [step.stage for step in steps] == ["read", *report.stages]
    assert steps[0].documents_in == report.documents()
    assert steps[-1].documents_out == report.documents("kept")
    for step, following in pairwise(steps):
        assert step.documents_in - step.documents_dropped == step.documents_out == following.documents_in
        assert sum(step.reasons.values()) == step.documents_dropped


def test_reasons_are_those_of_the_decisions(insights: Insights, project: str, decisions: pa.Table) -> None:
    lost = decisions.filter(pc.not_equal(decisions["outcome"], "kept"))
    expected = {row["values"]: row["counts"] for row in lost["reason"].value_counts().to_pylist()}
    shown = insights.reasons(project, "small")
    assert {reason.reason: reason.documents for reason in shown.reasons} == expected
    assert shown.documents_read == len(decisions)
    assert sum(reason.share for reason in shown.reasons) == pytest.approx(len(lost) / len(decisions))


def test_samples_are_of_their_reason_and_fewer_are_the_first(
    insights: Insights, project: str, decisions: pa.Table
) -> None:
    for reason in insights.reasons(project, "small").reasons:
        found = insights.samples(project, "small", None, reason.reason)
        assert (found.seed, found.documents) == (1, reason.documents)
        assert len(found.samples) == reason.samples == min(50, reason.documents)
        assert insights.samples(project, "small", None, reason.reason, limit=1).samples == found.samples[:1]
        rows = decisions.filter(pc.equal(decisions["reason"], reason.reason))
        addresses = set(zip(rows["shard"].to_pylist(), rows["row"].to_pylist(), strict=True))
        assert {(sample.shard, sample.row) for sample in found.samples} <= addresses


def test_groups_add_up_to_the_whole(insights: Insights, project: str, corpus: Corpus) -> None:
    statistics, report = insights.statistics(project, "small"), corpus.report()
    assert statistics.total.documents == report.documents("kept")
    for groups in (statistics.sources, statistics.languages):
        assert sum(group.documents for group in groups) == report.documents("kept")
        assert sum(group.bytes for group in groups) == report.bytes("kept")
        assert sum(group.documents_read for group in groups) == report.documents()
    assert [group.name for group in statistics.sources] == ["notes", "web"]


def test_histograms_are_those_of_the_decisions(insights: Insights, project: str, decisions: pa.Table) -> None:
    statistics = insights.statistics(project, "small")
    numbers = [f.name for f in decisions.schema if "." in f.name and not pa.types.is_string(f.type)]
    assert sorted(histogram.column for histogram in statistics.values) == sorted(numbers)
    for found in [statistics.lengths, *statistics.values]:
        values = decisions[found.column]
        assert sum(found.kept) + sum(found.dropped) + found.missing == len(decisions)
        assert found.missing == values.null_count
        kept = values.filter(pc.equal(decisions["outcome"], "kept"))
        assert sum(found.kept) == len(kept) - kept.null_count
        counted = [
            sum(low <= value < high or (value == high == found.edges[-1]) for value in kept.drop_null().to_pylist())
            for low, high in pairwise(found.edges)
        ]
        assert list(found.kept) == counted
    assert statistics.lengths.edges[:4] == (0.0, 1.0, 2.0, 4.0)


def test_a_histogram_has_as_many_bins_as_asked(insights: Insights, project: str) -> None:
    found = insights.histogram(project, "small", None, "language.score", bins=7)
    assert len(found.kept) == len(found.dropped) == 7
    assert len(found.edges) == 8


@settings(max_examples=40)
@given(
    values=st.lists(st.none() | st.floats() | st.sampled_from([0.0, -0.0, 1e308, -1e308]), min_size=1, max_size=30),
    bins=st.integers(1, 9),
)
def test_any_numbers_make_a_histogram(
    tmp_path_factory: pytest.TempPathFactory, values: list[float | None], bins: int
) -> None:
    found = histogram_of(tmp_path_factory.mktemp("histogram"), values, bins)
    finite = [value for value in values if value is not None and abs(value) < float("inf")]
    assert sum(found.kept) == len(finite)
    assert found.missing == len(values) - len(finite)
    assert list(found.edges) == sorted(set(found.edges))


def test_a_distribution_of_lengths_doubles_and_of_shares_does_not(insights: Insights, project: str) -> None:
    columns = insights.columns(project, "small")
    assert columns[-1] == "bytes"
    lengths = insights.distribution(project, "small", None, "bytes")
    assert lengths == insights.statistics(project, "small").lengths
    shares = [column for column in columns if column.endswith("_ratio")]
    assert shares
    for column in shares:
        assert insights.distribution(project, "small", None, column) == insights.histogram(
            project, "small", None, column
        )
    with pytest.raises(NotFound, match=r"has no number 'no\.number'"):
        insights.distribution(project, "small", None, "no.number")


def histogram_of(folder: Path, values: list[float | None], bins: int) -> Histogram:
    schema = decision.decision_schema(pa.schema([("rule.x", pa.float64())]))
    rows = len(values)
    columns = {
        "source": pa.array(["s"] * rows),
        "shard": pa.array(["f"] * rows),
        "row": pa.array(range(rows)),
        "outcome": pa.array(["kept"] * rows),
        "rule.x": pa.array(values, pa.float64()),
    }
    data = decision.encode(decision.ordered([decision.fill(schema, rows, columns)], schema))
    storage = open_storage(str(folder))
    storage.write("d.parquet", data)
    manifest = Manifest(
        version=1, run="r", parent=0, created=datetime.now(UTC), recipe={}, fingerprint="", meaning={}, inputs=(),
        pieces=(), shards=(), decisions=(part("d.parquet", data, rows),), ids=(), documents=rows, bytes=0,
    )  # fmt: skip
    (found,) = histograms(storage, manifest, ["rule.x"], bins)
    return found


def test_a_mixture_is_the_sources_shares(insights: Insights, project: str) -> None:
    found = insights.mixture(project, "small")
    parts = found.parts
    assert [part.source for part in parts] == ["notes", "web"]
    for shares in zip(*((p.share_documents, p.share_bytes) for p in parts), strict=True):
        assert sum(shares) == pytest.approx(1)
    assert {part.share_tokens for part in parts} == {None}
    assert (found.plan, "add {kind: tokens}" in (found.problem or "")) == (None, True)
    assert {part.target for part in parts} == {None}


def test_a_recipes_mixture_is_planned(database: Database, project: str, folder: Path, tmp_path: Path) -> None:
    """… with targets by source; one that does not fit is said, and shares are there all the same."""
    even = {"scheme": "fixed", "weights": {"web": 1, "notes": 1}, "max_epochs": 1}
    curate(recipe(folder, tmp_path / "mixed", stages=COUNTED, mixture=even), LocalRunner())
    bucket = {"by": "bucket", "bucket": "language.label", "scheme": "fixed", "weights": {"de": 1}}
    curate(recipe(folder, tmp_path / "unfit", stages=COUNTED, mixture=bucket), LocalRunner())
    catalogue = Catalogue(database)
    for name in ("mixed", "unfit"):
        catalogue.register(project, str(tmp_path / name))
    asked = Insights(catalogue)
    found = asked.mixture(project, "mixed")
    assert found.plan is not None
    assert found.plan.scheme == "fixed"
    assert [part.target for part in found.parts] == [0.5, 0.5]
    assert sum(part.realised or 0 for part in found.parts) == pytest.approx(1)
    assert [part.epochs for part in found.parts] == [1, 1]
    assert [part.tokens for part in found.parts] == [part.tokens for part in found.plan.parts]
    assert sum(part.share_tokens or 0 for part in found.parts) == pytest.approx(1)
    unfit = asked.mixture(project, "unfit")
    assert (unfit.plan, [part.target for part in unfit.parts]) == (None, [None, None])
    assert "no weight for en" in (unfit.problem or "")


def test_a_dropped_document_is_explained(insights: Insights, project: str) -> None:
    (near,) = insights.explain(project, "small", None, "near").decisions
    assert (near.outcome, near.reason, near.survivor) == ("dropped", "minhash_dedup.duplicate", "w2")
    assert near.similarity is not None
    assert near.similarity > 0.7
    assert near.excerpt is None
    assert list(near.values)[:2] == ["language", "gopher_repetition"]
    assert near.values["language"]["label"] == "en"
    (german,) = insights.explain(project, "small", 1, "german").decisions
    assert list(german.values) == ["language"]


def test_a_kept_document_is_explained_with_its_beginning(insights: Insights, project: str, corpus: Corpus) -> None:
    (kept,) = insights.explain(project, "small", None, "w2", source="web").decisions
    (text,) = corpus.documents().to_table(filter=pc.field("id") == "w2")["text"].to_pylist()
    assert kept.outcome == "kept"
    assert kept.excerpt == text[:200]
    assert (kept.cluster_size, kept.url) == (2, "https://example.org/2")


def test_versions_are_compared_and_documents_followed(insights: Insights, project: str, corpus: Corpus) -> None:
    found = insights.diff(project, "small", None, None)
    assert (found.a.version, found.b.version) == (1, 2)
    assert found == difference(corpus, 1, 2)
    assert insights.diff(project, "small", 1, 2) is found
    assert insights.diff(project, "small", 2, 1).b.version == 1
    assert insights.history(project, "small", "near") == history(corpus, "near")
    with pytest.raises(NotFound, match="version 1 is the first"):
        insights.diff(project, "small", None, 1)
    with pytest.raises(NotFound, match="has no version 9"):
        insights.diff(project, "small", 9, None)
    with pytest.raises(NotFound, match="'nobody'"):
        insights.history(project, "small", "nobody")


def job(folder: Path, state: State, **changes: object) -> Job:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    values = {"id": JOB, "run": f"{JOB}-2", "project": "default", "state": state, "recipe_name": "small"}
    values |= {"corpus": "small", "corpus_url": str(folder / "corpora/small")}
    return Job.model_validate(
        {**values, "created": now, "created_by": "test", "updated": now, "revision": 1, "attempt": 1, **changes}
    )


def test_a_held_job_shows_what_it_would_publish(insights: Insights, project: str, folder: Path) -> None:
    held = job(folder, State.HELD)
    report = insights.job_report(project, held)
    assert (report.is_draft, report.version, report.run) == (True, 3, f"{JOB}-2")
    published = insights.job_report(project, job(folder, State.SUCCEEDED, version=2))
    assert (published.is_draft, published.version) == (False, 2)
    assert published.steps == report.steps == insights.funnel(project, "small").steps
    assert published.reasons == insights.reasons(project, "small").reasons
    reason = report.reasons[0]
    assert insights.job_samples(project, held, reason.reason).documents == reason.documents
    with pytest.raises(IllegalState, match="is RUNNING"):
        insights.job_report(project, job(folder, State.RUNNING))
    with pytest.raises(NotFound):
        insights.job_report(project, job(folder, State.HELD, id="job_other", run="job_other-1"))


def test_a_jobs_report_is_of_its_own_corpus_and_version(folder: Path, project: str, database: Database) -> None:
    """Another corpus has taken the name since, and then the address."""
    first, second = folder / "corpora/own", folder / "elsewhere/own"
    id_of = {output: f"job_{index:026d}" for index, output in enumerate((first, second))}
    for output, job_id in id_of.items():
        curate(recipe(folder, output), LocalRunner(), f"{job_id}-1")
    catalogue = Catalogue(database)
    insights = Insights(catalogue)
    catalogue.register(project, str(second), "own")
    done = job(folder, State.SUCCEEDED, id=id_of[first], corpus="own", corpus_url=str(first), version=1, published=True)
    assert insights.job_report(project, done).run == f"{id_of[first]}-1"
    assert insights.version(project, "own").job_id == id_of[second]
    shutil.rmtree(first)
    shutil.copytree(second, first)
    with pytest.raises(NotFound, match="there is another one now"):
        insights.job_report(project, done)
    confined = Insights(catalogue, lambda _, url: Confinement([str(second)]).check([url]))
    with pytest.raises(Forbidden, match="not within this project's roots"):
        confined.job_report(project, done)


def test_a_new_version_is_seen_at_once_and_damage_is_said(folder: Path, project: str, database: Database) -> None:
    copied = folder / "corpora/copied"
    catalogue = Catalogue(database)
    insights = Insights(catalogue)
    catalogue.register(project, str(copied))
    assert insights.corpus(project, "copied").newest is None
    shutil.copytree(folder / "corpora/small", copied)
    assert insights.version(project, "copied").version == 2
    for index in (copied / "_ids").rglob("*.ids"):
        index.write_bytes(b"short")
    with pytest.raises(Unavailable, match="the corpus is damaged"):
        insights.explain(project, "copied", None, "w2")
    next((copied / "_reports").glob("1-*")).unlink()
    with pytest.raises(NotFound):
        insights.funnel(project, "copied", 1)
    shutil.rmtree(copied)
    assert insights.corpus(project, "copied").newest is None


def test_a_memory_is_bounded_and_makes_a_value_once() -> None:
    memory: Memory[int] = Memory(2, lambda value: value // 10 or 1)
    made: list[int] = []
    started = threading.Barrier(4)

    def make(value: int) -> int:
        made.append(value)
        return value

    def ask() -> None:
        started.wait()
        memory.get("one", lambda: make(1))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    for value in (2, 3):
        memory.get(value, lambda value=value: make(value))  # type: ignore[misc]
    memory.get("one", lambda: make(1))
    assert made == [1, 2, 3, 1]
    for _ in range(2):
        assert memory.get("large", lambda: make(30)) == 30  # larger than all of it: the others stay
    memory.get("one", lambda: make(1))
    assert made == [1, 2, 3, 1, 30, 30]
