"""What stays and what goes: whatever happens, a version that is not gone is whole."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.change import Change
from curation.corpus import Corpus
from curation.errors import ConflictError, MissingError, RecipeError
from curation.pipeline.held import draft
from curation.pipeline.restore import restore
from curation.report import Report
from curation.retention import held_versions, hold_history, holds, put_hold, release_hold, remove, vacuum
from curation.tags import delete_tag, put_tag, tags
from curation.vacuums import RemovedFile, RemovedFiles, vacuums
from curation.work import Work
from tests.moments import Killed, at_moment
from tests.nights import LATER, check, data_files, named, publish, publish_night, write_night
from tests.storage.servers import S3Server

NIGHTS = ("ab", "bc", "cde", "ef")


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of four versions, to be copied."""
    folder = tmp_path_factory.mktemp("four") / "corpus"
    for documents in NIGHTS:
        publish_night(Corpus(str(folder)), documents)
    return folder


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smaller one, to be copied for every moment."""
    folder = tmp_path_factory.mktemp("three") / "corpus"
    for documents in ("a", "ab", "b"):
        publish_night(Corpus(str(folder)), documents)
    return folder


@pytest.fixture(autouse=True, scope="module")
def no_disk() -> Iterator[None]:
    """Nothing here is about a loss of power, and thousands of files are written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture
def corpus(four: Path, tmp_path: Path) -> Corpus:
    return copy(four, tmp_path / "corpus")


def copy(folder: Path, to: Path) -> Corpus:
    shutil.copytree(folder, to)
    return Corpus(str(to))


def clean(corpus: Corpus, keep: int = 1) -> tuple[int, ...]:
    """Vacuum when everything is old; the versions that went."""
    return vacuum(corpus, keep=keep, grace_days=0, now=LATER).versions


# ------------------------------------------------------------------------ vacuum


def test_what_only_old_versions_name_goes_and_the_rest_stays_readable(corpus: Corpus) -> None:
    corpus.storage.write("README.md", b"ours")
    wanted, before = named(corpus, [3, 4]), data_files(corpus)
    done = vacuum(corpus, keep=2, grace_days=0, who="ada", now=LATER)
    assert done.versions == (1, 2)
    assert data_files(corpus) == wanted
    assert {file.path for file in done.files} == before - wanted
    assert check(corpus) == {3, 4}
    assert corpus.storage.read("README.md") == b"ours"
    assert corpus.report(1) == Report()
    assert corpus.manifest(2).documents == 2
    with pytest.raises(MissingError, match=r"version 1 was vacuumed on 20\d\d-"):
        corpus.documents(1)
    with pytest.raises(MissingError, match="version 1 was vacuumed on"):
        corpus.explain("a", 1)
    assert corpus.explain("c", 3)[0]["version"] == 2
    table = DeltaTable(f"{corpus.url}/_decisions").to_pyarrow_table()
    assert sorted(table["id"].to_pylist()) == ["c", "d", "e", "f"]

    record = vacuums(corpus.storage).read(done.record)
    assert (record.who, record.versions, record.files, record.bytes) == ("ada", (1, 2), len(done.files), done.bytes)
    assert RemovedFiles.model_validate_json(corpus.storage.read(record.listing)).files == done.files


def test_again_is_the_same_as_once(corpus: Corpus) -> None:
    clean(corpus)
    before = corpus.storage.list()
    again = vacuum(corpus, keep=1, grace_days=0, now=LATER)
    assert (again.record, again.versions, again.files) == (0, (), ())
    assert [gone.version for gone in again.gone] == [1, 2, 3]
    assert corpus.storage.list() == before


def test_a_dry_run_says_what_would_go_and_removes_nothing(corpus: Corpus) -> None:
    before = corpus.storage.list()
    look = vacuum(corpus, keep=1, grace_days=0, dry_run=True, now=LATER)
    assert corpus.storage.list() == before
    assert look.versions == (1, 2, 3)
    done = vacuum(corpus, keep=1, grace_days=0, now=LATER)
    assert look == done.model_copy(update={"record": 0})


def test_the_recipe_says_how_many_stay(corpus: Corpus) -> None:
    assert vacuum(corpus, now=LATER).versions == ()
    assert vacuum(corpus, keep=3, now=LATER).versions == (1,)


@pytest.mark.parametrize("wrong", [{"keep": 0}, {"grace_days": -1.0}])
def test_numbers_that_cannot_be_are_refused(corpus: Corpus, wrong: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match=r"--keep|--grace-days"):
        vacuum(corpus, **wrong)  # type: ignore[arg-type]


def test_tagged_and_held_versions_stay(corpus: Corpus) -> None:
    put_tag(corpus, "production", 1)
    put_hold(corpus, 2, "matter 7")
    look = vacuum(corpus, keep=1, grace_days=0, dry_run=True, now=LATER)
    assert look.stays == {1: ("tag production",), 2: ("held: matter 7",), 4: ("among the newest 1",)}
    assert clean(corpus) == (3,)
    assert check(corpus) == {1, 2, 4}
    delete_tag(corpus, "production")
    release_hold(corpus, 2)
    assert clean(corpus) == (1, 2)
    assert data_files(corpus) == named(corpus, [4])


def test_what_was_in_use_within_the_grace_period_stays(corpus: Corpus) -> None:
    soon = datetime.now(UTC) + timedelta(days=5)
    look = vacuum(corpus, keep=1, grace_days=6, dry_run=True, now=soon)
    assert sorted(look.stays) == [1, 2, 3, 4]
    corpus.storage.write("source=web/stray.parquet", b"of a run that died")
    assert vacuum(corpus, keep=1, grace_days=6, now=soon).spared == 1
    assert vacuum(corpus, keep=1, grace_days=4, now=soon).versions == (1, 2, 3)
    assert data_files(corpus) == named(corpus, [4])


def test_a_version_whose_files_others_need_is_not_gone(corpus: Corpus) -> None:
    restore(corpus, 2)
    assert clean(corpus) == (1, 3, 4)
    assert check(corpus) == {2, 5}


def test_the_work_of_a_run_in_progress_stays(corpus: Corpus) -> None:
    corpus.storage.write("_runs/night-5/run.json", b"{}")
    going = write_night(corpus, "night-5", "az")
    clean(corpus)
    assert named(corpus, [4]) | {part.path for part in going.parts} <= data_files(corpus)

    draft(Work(corpus.url, "_runs/night-5"), going, Report(), Change(base=4))
    clean(corpus)
    assert data_files(corpus) == named(corpus, [4]) | {part.path for part in going.parts}
    publish(corpus, going)
    corpus.storage.delete_prefix("_runs/")
    assert check(corpus) == {4, 5}


def test_a_run_that_was_given_up_may_come_again(corpus: Corpus) -> None:
    given_up = write_night(corpus, "night-5", "az")
    with at_moment(3), pytest.raises(Killed):  # after its decisions' commit, before its manifest
        publish(corpus, given_up)
    clean(corpus)
    assert data_files(corpus) == named(corpus, [4])
    publish(corpus, write_night(corpus, "night-5", "az"))
    assert check(corpus) == {4, 5}


def test_an_empty_corpus_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no version has been published"):
        vacuum(Corpus(str(tmp_path)))


def test_in_a_bucket(moto: S3Server) -> None:
    with moto.used():
        corpus = Corpus(f"{moto.make_bucket(f'b-{uuid.uuid4()}')}/corpus")
        for documents in NIGHTS[:3]:
            publish_night(corpus, documents)
        put_tag(corpus, "production", 1)
        assert clean(corpus) == (2,)
        assert data_files(corpus) == named(corpus, [1, 3])
        restore(corpus, 1)
        assert check(corpus) == {1, 3, 4}


def test_erasing_spares_nothing_but_what_is_held(corpus: Corpus) -> None:
    file = corpus.manifest(2).shards[0]
    put_tag(corpus, "production", 2)
    put_hold(corpus, 1, "matter 7")
    with pytest.raises(ConflictError, match="version 1 is under a legal hold; nothing is erased"):
        remove(corpus, [1, 2], [RemovedFile(path=file.path, bytes=file.bytes)])
    release_hold(corpus, 1)
    record = remove(corpus, [1, 2], [RemovedFile(path=file.path, bytes=file.bytes)])
    assert remove(corpus, [1, 2], [RemovedFile(path=file.path, bytes=file.bytes)]) == record
    assert file.path not in data_files(corpus)
    with pytest.raises(MissingError, match="version 2 was erased on"):
        corpus.documents(2)
    assert check(corpus) == {3, 4}


def test_a_hold_that_comes_at_any_moment_of_an_erasure_is_kept_or_refused(three: Path, tmp_path: Path) -> None:
    def erase(corpus: Corpus) -> None:
        files = [part for number in (1, 2) for part in corpus.manifest(number).shards]
        remove(corpus, [1, 2], [RemovedFile(path=file.path, bytes=file.bytes) for file in files])

    with at_moment() as moments:
        erase(copy(three, tmp_path / "whole"))
    for moment in range(1, moments.count + 1):
        corpus = copy(three, tmp_path / f"met-{moment}")

        def comes(corpus: Corpus = corpus) -> None:
            outcome_of(lambda corpus: put_hold(corpus, 2, "matter 7"), corpus)

        with at_moment(moment, comes):
            was_erased = outcome_of(erase, corpus)
        assert was_erased == (held_versions(corpus) == {})
        assert was_erased or corpus.verify(2)


# ------------------------------------------------------------------------- holds


def test_a_hold_has_a_reason_and_a_history(corpus: Corpus) -> None:
    put_hold(corpus, 2, " matter 7 ", who="ada")
    assert put_hold(corpus, 2, "matter 7", who="bob").who == "ada"
    with pytest.raises(ConflictError, match="version 2 is held already: matter 7; release it first"):
        put_hold(corpus, 2, "matter 8")
    assert held_versions(corpus) == {2: "matter 7"}
    release_hold(corpus, 2, who="eve")
    assert holds(corpus) == []
    assert [(hold.reason, hold.who) for hold in hold_history(corpus, 2)] == [("matter 7", "ada"), (None, "eve")]
    with pytest.raises(MissingError, match="version 2 is not held"):
        release_hold(corpus, 2)
    with pytest.raises(RecipeError, match="say why"):
        put_hold(corpus, 2, "  ")
    clean(corpus)
    with pytest.raises(MissingError, match="version 2 was vacuumed"):
        put_hold(corpus, 2, "matter 7")


# ---------------------------------------------------------- at every moment

ACTS: dict[str, Callable[[Corpus], object]] = {
    "tag": lambda corpus: put_tag(corpus, "production", 2),
    "hold": lambda corpus: put_hold(corpus, 2, "matter 7"),
    "vacuum": clean,
    "restore": lambda corpus: restore(corpus, 2),
}
OTHERS = ACTS | {"publish": lambda corpus: publish_night(corpus, "xy")}


@pytest.mark.parametrize("act", ACTS)
def test_killed_at_any_moment_nothing_is_lost_and_a_second_call_finishes(act: str, three: Path, tmp_path: Path) -> None:
    whole = copy(three, tmp_path / "whole")
    with at_moment() as moments:
        ACTS[act](whole)
    for kill in range(1, moments.count + 1):
        corpus = copy(three, tmp_path / f"killed-{kill}")
        with at_moment(kill), pytest.raises(Killed):
            ACTS[act](corpus)
        check(corpus)
        ACTS[act](corpus)
        assert check(corpus) == check(whole)
        assert data_files(corpus) == data_files(whole)
        assert [tag.version for tag in tags(corpus)] == [tag.version for tag in tags(whole)]
        assert held_versions(corpus) == held_versions(whole)
        assert corpus.storage.list("_runs/") == []


@pytest.mark.parametrize("other", OTHERS)
def test_whoever_comes_at_any_moment_of_a_vacuum_is_served_or_refused(other: str, three: Path, tmp_path: Path) -> None:
    with at_moment() as moments:
        clean(copy(three, tmp_path / "whole"))
    for moment in range(1, moments.count + 1):
        corpus = copy(three, tmp_path / f"met-{moment}")
        served: list[bool] = []

        def comes(corpus: Corpus = corpus, served: list[bool] = served) -> None:
            served.append(outcome_of(OTHERS[other], corpus))

        with at_moment(moment, comes):
            outcome_of(clean, corpus)
        there = check(corpus)
        assert {3, corpus.version().version} <= there
        if served[0] and other in ("tag", "hold"):
            assert 2 in there
        clean(corpus)
        assert data_files(corpus) == named(corpus, check(corpus))


@pytest.mark.parametrize("act", ["tag", "hold", "restore"])
def test_a_vacuum_may_come_at_any_moment(act: str, three: Path, tmp_path: Path) -> None:
    with at_moment() as moments:
        ACTS[act](copy(three, tmp_path / "whole"))
    for moment in range(1, moments.count + 1):
        corpus = copy(three, tmp_path / f"met-{moment}")

        def comes(corpus: Corpus = corpus) -> None:
            outcome_of(clean, corpus)

        with at_moment(moment, comes):
            was_served = outcome_of(ACTS[act], corpus)
        there = check(corpus)
        assert not was_served or act == "restore" or 2 in there
        assert was_served or (tags(corpus) == [] and holds(corpus) == [])


def outcome_of(act: Callable[[Corpus], object], corpus: Corpus) -> bool:
    """Whether it was done; False where it was refused, as a version was gone or somebody else was first."""
    try:
        act(corpus)
    except (MissingError, ConflictError):
        return False
    return True


# ------------------------------------------------------------- any sequence

STEPS = st.one_of(
    st.tuples(st.just("publish"), st.sets(st.sampled_from("abcde"), min_size=1)),
    st.tuples(st.sampled_from(["tag", "hold", "release", "restore", "vacuum"]), st.integers(1, 4)),
)


@settings(max_examples=15)
@given(steps=st.lists(STEPS, min_size=4, max_size=9))
def test_after_any_sequence_what_stays_is_whole_and_the_rest_is_gone(steps: list[tuple[str, object]]) -> None:
    with TemporaryDirectory() as folder:
        corpus = Corpus(f"{folder}/corpus")
        publish_night(corpus, "ab")
        for what, value in steps:
            take(corpus, what, value)
            wanted = {tag.version for tag in tags(corpus)} | held_versions(corpus).keys() | {corpus.version().version}
            assert wanted <= check(corpus)
        clean(corpus)
        assert data_files(corpus) == named(corpus, check(corpus))
        kept = {tag.version for tag in tags(corpus)} | held_versions(corpus).keys() | {corpus.version().version}
        assert data_files(corpus) == named(corpus, [number for number in kept if number])


def take(corpus: Corpus, what: str, value: object) -> None:
    """One step; where there is no such version, hold, or it is gone, it is refused."""
    if isinstance(value, set):
        publish_night(corpus, value)
        return
    assert isinstance(value, int)
    acts: dict[str, Callable[[], object]] = {
        "tag": lambda: put_tag(corpus, f"t{value % 2}", value),
        "hold": lambda: put_hold(corpus, value, "matter 7"),
        "release": lambda: release_hold(corpus, value),
        "restore": lambda: restore(corpus, value),
        "vacuum": lambda: clean(corpus, keep=value),
    }
    with suppress(MissingError):
        acts[what]()
