"""What became of a document is what the versions said, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.corpus import Corpus
from curation.errors import MissingError
from curation.history import Chain, history, survivors
from tests.test_difference import FILES
from tests.versions import Files, Record, publish


def chain(corpus: Corpus, document_id: str, number: int | None = None) -> Chain:
    manifest = corpus.manifest(number)
    (found,) = corpus.decisions_about(manifest, document_id)
    return survivors(corpus, manifest, found)


def copy_of(name: str, file: str, row: int, reason: str = "dedup.duplicate") -> tuple[str, tuple[str, str, int]]:
    return reason, (name, file, row)


def test_copies_are_followed_to_where_they_end(tmp_path: Path) -> None:
    corpus = Corpus(str(tmp_path))
    old = [Record("first", "one"), Record("copy", "one", *copy_of("first", "f", 0)), Record("far", "two", "rule.low")]
    publish(corpus, {"f": old})
    replaced = [Record("first", "one", *copy_of("better", "g", 0, "dedup.replaced")), *old[1:]]
    publish(corpus, {"f": replaced, "g": [Record("better", "one!")]})
    publish(corpus, {"f": replaced, "g": [Record("better", "one!", "takedown.ids")]})
    publish(corpus, {"f": replaced})
    assert [(link.id, link.outcome) for link in chain(corpus, "copy", 1).links] == [("first", "kept")]
    followed = chain(corpus, "copy", 2)
    assert [(link.id, link.reason, link.version) for link in followed.links] == [
        ("first", "dedup.replaced", 2),
        ("better", None, 2),
    ]
    assert [chain(corpus, "copy", number).end for number in (1, 2, 3, 4)] == ["kept", "kept", "dropped", "gone"]
    assert chain(corpus, "first", 1) == Chain(links=(), end="kept")
    assert chain(corpus, "far") == Chain(links=(), end="dropped")


def test_a_circle_ends(tmp_path: Path) -> None:
    corpus = Corpus(str(tmp_path))
    publish(corpus, {"f": [Record("a", "one", *copy_of("b", "f", 1)), Record("b", "one", *copy_of("a", "f", 0))]})
    found = chain(corpus, "a")
    assert ([link.id for link in found.links], found.end) == (["b"], "circular")


def test_a_history_has_every_change_and_nothing_else(tmp_path: Path) -> None:
    corpus = Corpus(str(tmp_path))
    own, other = [Record("x", "one"), Record("y", "two")], [Record("z", "three")]
    publish(corpus, {"f": own})
    publish(corpus, {"f": own, "g": other})
    publish(corpus, {"f": [Record("x", "one", *copy_of("z", "g", 0)), own[1]], "g": other})
    publish(corpus, {"g": other})
    publish(corpus, {"f": own, "g": other})
    publish(corpus, {"f": [Record("y", "two")], "g": other})
    found = history(corpus, "x")
    assert [(moment.version, moment.outcome, moment.why, moment.survivor) for moment in found.moments] == [
        (1, "kept", None, None),
        (3, "dropped", None, "z"),
        (4, "gone", "input_left", None),
        (5, "kept", None, None),
        (6, "gone", "input_changed", None),
    ]
    assert found.unknown == ()
    newest = history(corpus, "x", corpus.versions()[3:])
    assert [(moment.version, moment.outcome) for moment in newest.moments] == [(5, "kept"), (6, "gone")]
    assert [moment.version for moment in history(corpus, "z").moments] == [2]
    with pytest.raises(MissingError, match="no version that is there knows a document 'nobody'"):
        history(corpus, "nobody")
    with pytest.raises(MissingError, match="no version has been published"):
        history(Corpus(str(tmp_path / "elsewhere")), "x")


@settings(max_examples=25)
@given(st.lists(FILES, min_size=1, max_size=4))
def test_replaying_a_history_gives_every_version(
    tmp_path_factory: pytest.TempPathFactory, versions: list[Files]
) -> None:
    corpus = Corpus(str(tmp_path_factory.mktemp("history")))
    for files in versions:
        publish(corpus, files)
    wanted = {record.id for files in versions for records in files.values() for record in records}
    for document_id in wanted:
        state: dict[tuple[str, int], str | None] = {}
        moments = history(corpus, document_id).moments
        for number, files in enumerate(versions, 1):
            for moment in (moment for moment in moments if moment.version == number):
                if moment.outcome == "gone":
                    del state[moment.shard, moment.row]
                else:
                    state[moment.shard, moment.row] = moment.reason
            assert state == {
                (uri, row): record.reason
                for uri, records in files.items()
                for row, record in enumerate(records)
                if record.id == document_id
            }
