"""Texts of copies are read again only where they are what was compared, and nobody has taken them down."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.clusters import Asked, Reading, precision
from curation.clusters.reading import READ_BYTES, Record, Text, Unreadable, kept_texts
from curation.pipeline.takedown import takedown
from curation.recipe import Recipe
from curation.runner.local import LocalRunner
from curation.tombstones import Criteria, WantedId
from tests.clusters.conftest import MAIL, Made, make
from tests.texts import edited, essay, write_jsonl


def reading(
    made: Made,
    recipe: Recipe | None = None,
    may_read: Callable[[str], bool] = lambda _: True,
    read_bytes: int = READ_BYTES,
) -> Reading:
    tombstones = made.corpus.manifest().tombstones
    recipe = recipe or made.recipe
    return Reading(made.corpus.storage, made.manifest, recipe, tombstones, may_read, read_bytes=read_bytes)


def record(made: Made, document_id: str) -> Record:
    row = next(row for row in made.rows() if row["id"] == document_id)
    return Record(row["source"], row["shard"], row["row"], row["id"])


def why(made: Made, document_id: str, read_bytes: int = READ_BYTES) -> str:
    wanted = record(made, document_id)
    found = reading(made, read_bytes=read_bytes).texts([wanted])[wanted]
    assert isinstance(found, Unreadable)
    return found.why


def test_a_dropped_text_stands_as_it_was_compared(made: Made) -> None:
    wanted = [record(made, name) for name in ("near-3", "letter", "again-1")]
    found = reading(made).texts(wanted)
    assert found[wanted[0]] == Text(edited(essay(3, 24), 3, 4), None)
    letter = found[wanted[1]]
    assert isinstance(letter, Text)
    assert letter.text.endswith("Write to <EMAIL>.")
    assert found[wanted[2]] == Text(essay(1, 24).lower(), None)


def test_what_is_only_tagged_is_not_shown(made: Made) -> None:
    tagging = made.recipe.model_dump()
    tagging["stages"][1]["action"] = "tag"
    recipe = Recipe.model_validate(tagging)
    wanted = record(made, "letter")
    found = reading(made, recipe).texts([wanted])[wanted]
    assert isinstance(found, Text)
    assert MAIL in found.text
    assert MAIL not in reading(made, recipe).shown(found.text)


def test_a_kept_text_is_the_version_s(made: Made) -> None:
    wanted = [record(made, name) for name in ("web-0", "web-19", "near-3")]
    assert kept_texts(made.corpus.storage, made.manifest, wanted) == {
        wanted[0]: Text(essay(0, 24), None),
        wanted[1]: Text(essay(19, 24), None),
    }


def test_what_may_not_be_read_is_not(made: Made) -> None:
    near = record(made, "near-3")
    assert reading(made, may_read=lambda _: False).texts([near]) == {
        near: Unreadable("its input file is outside of what this project may read")
    }
    assert "more than is read for one answer" in why(made, "near-3", read_bytes=100)
    other = near._replace(id="near-4")
    assert reading(made).texts([other]) == {other: Unreadable("its input file has another document in this place")}


def test_a_file_that_changed_or_went_is_not_shown(tmp_path: Path) -> None:
    made = make(tmp_path)
    write_jsonl(tmp_path / "mail/0.jsonl", [{"id": "near-3", "text": "something else"}] * 20)
    assert why(made, "near-3") == "its input file has other content by now"
    (tmp_path / "mail/0.jsonl").unlink()
    assert why(made, "near-3") == "its input file is not there any more"


def test_what_was_taken_down_since_is_not_shown(tmp_path: Path) -> None:
    made = make(tmp_path)
    criteria = Criteria(ids=(WantedId(id="letter"),))
    takedown(Recipe.model_validate(made.manifest.recipe).output, criteria, LocalRunner())
    assert why(made, "letter") == "it was taken down since"


def test_the_copies_of_a_run_are_copies(made: Made) -> None:
    found = precision(made.corpus.storage, made.manifest, made.recipe, Asked(), reading(made), size=5)
    assert found.unread == {}
    stages = {each.stage: each for each in found.stages}
    for stage, each in stages.items():
        dropped = sum(row["stage"] == stage and row["survivor"] is not None for row in made.rows())
        assert each.copies == dropped
        assert each.sampled == each.compared == each.alike == min(5, dropped)
        assert each.largest_error == pytest.approx(0, abs=1e-12)
    assert stages["exact_dedup"].share.low == 1.0
    assert stages["minhash_dedup"].share.low < 1.0
    again = precision(made.corpus.storage, made.manifest, made.recipe, Asked(), reading(made), size=5)
    assert again == found


def test_a_copy_that_is_none_is_told(made: Made) -> None:
    strict = made.recipe.model_dump()
    strict["stages"][-1]["min_similarity"] = 0.999
    found = precision(made.corpus.storage, made.manifest, Recipe.model_validate(strict), Asked(), reading(made))
    (near,) = [each for each in found.stages if each.stage == "minhash_dedup"]
    assert near.alike == 0
    assert near.share.value == 0


def test_what_cannot_be_compared_is_counted(made: Made) -> None:
    found = precision(
        made.corpus.storage, made.manifest, made.recipe, Asked(source="mail"), reading(made, may_read=lambda _: False)
    )
    (near,) = found.stages
    assert (near.compared, near.share.low, near.share.high) == (0, 0.0, 1.0)
    assert found.unread == {"its input file is outside of what this project may read": near.sampled}


@pytest.mark.skipif(os.geteuid() != 0, reason="only the files' owner may set their times")
def test_a_touched_file_is_another(tmp_path: Path) -> None:
    made = make(tmp_path)
    os.utime(tmp_path / "mail/0.jsonl", (1, 1))
    assert why(made, "near-3") == "its input file has other content by now"
