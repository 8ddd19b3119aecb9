"""Tags name versions, and move; what happened to them stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.corpus import Corpus
from curation.errors import ConflictError, MissingError, RecipeError
from curation.retention import vacuum
from curation.tags import delete_tag, put_tag, resolve, tag_history, tags
from tests.moments import at_moment
from tests.nights import LATER, publish_night


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = Corpus(str(tmp_path / "corpus"))
    for documents in ("ab", "bc", "cd"):
        publish_night(corpus, documents)
    return corpus


def test_a_tag_stands_for_its_version_wherever_a_number_does(corpus: Corpus) -> None:
    put_tag(corpus, "production", 2, who="ada")
    assert resolve(corpus, "production").version == 2
    assert [resolve(corpus, wanted).version for wanted in ("1", "newest", None)] == [1, 3, 3]
    with pytest.raises(MissingError, match="no tag 'staging'; there are production"):
        resolve(corpus, "staging")
    with pytest.raises(MissingError, match="no version 9"):
        resolve(corpus, "9")


def test_a_tag_moves_and_goes_and_its_history_stays(corpus: Corpus) -> None:
    put_tag(corpus, "production", 1, who="ada")
    assert put_tag(corpus, "production", 1).who == "ada"
    put_tag(corpus, "production", 3, who="bob")
    put_tag(corpus, "v1.0", 1)
    assert [(tag.name, tag.version) for tag in tags(corpus)] == [("production", 3), ("v1.0", 1)]
    delete_tag(corpus, "production", who="eve")
    assert [tag.name for tag in tags(corpus)] == ["v1.0"]
    history = [(tag.version, tag.previous, tag.who) for tag in tag_history(corpus, "production")]
    assert history == [(1, None, "ada"), (3, 1, "bob"), (None, 3, "eve")]
    with pytest.raises(MissingError, match="no tag 'production'"):
        delete_tag(corpus, "production")
    put_tag(corpus, "production", 2)
    assert resolve(corpus, "production").version == 2


@pytest.mark.parametrize("name", ["", "12", "newest", ".hidden", "../x", "a/b", "a b", "ä", "-x", "x" * 81])
def test_what_cannot_be_a_tag_is_refused(corpus: Corpus, name: str) -> None:
    with pytest.raises(RecipeError, match="expected letters, digits"):
        put_tag(corpus, name, 1)


def test_there_is_no_tag_without_a_version(corpus: Corpus) -> None:
    with pytest.raises(MissingError, match="no version 9"):
        put_tag(corpus, "production", 9)
    vacuum(corpus, keep=1, grace_days=0, now=LATER)
    with pytest.raises(MissingError, match="version 1 was vacuumed on"):
        put_tag(corpus, "production", 1)
    assert tags(corpus) == []


def test_of_two_writers_one_wins(corpus: Corpus) -> None:
    put_tag(corpus, "production", 1)
    with at_moment(1, lambda: _put(corpus, 2)), pytest.raises(ConflictError, match="first"):
        put_tag(corpus, "production", 3)
    assert resolve(corpus, "production").version == 2


def test_who_saw_an_older_record_is_told(corpus: Corpus) -> None:
    put_tag(corpus, "production", 1, after=0)
    put_tag(corpus, "production", 2, after=1)
    with pytest.raises(ConflictError, match="record 2 is in force, not 1"):
        put_tag(corpus, "production", 3, after=1)
    with pytest.raises(ConflictError, match="record 2 is in force, not 1"):
        delete_tag(corpus, "production", after=1)


def _put(corpus: Corpus, number: int) -> None:
    put_tag(corpus, "production", number)
