"""A recipe as the text of an editor."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from curation.recipe import validate_recipe
from services.dashboard.recipe_text import MAX_TEXT, UnreadableError, difference, read_recipe, write_recipe

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("*.yaml"))
BOMB = "a: &a [x, x]\n" + "".join(f"{two}: &{two} [*{one}, *{one}]\n" for one, two in pairwise("abcdefghi"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_what_is_written_is_read_again(path: Path) -> None:
    read = read_recipe(path.read_text())
    written = write_recipe(read.body)
    again = read_recipe(written)
    assert again.body == read.body
    assert list(again.body) == list(read.body), "keys stay in their order"
    assert validate_recipe(again.body) == validate_recipe(read.body)
    assert all("*" in line or "&" not in line for line in written.splitlines())


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("name: web\nsources: [\n", 3, "not YAML"),
        ("name: web\nname: web\n", 2, "stands twice"),
        ("- name\n", None, "a recipe is a mapping"),
        ("", None, "a recipe is a mapping"),
        ('{"name": "web",\n "name": "x"}', None, "stands twice"),
        ("name: &n web\noutput: *n\n", 2, "alias"),
        (BOMB, 2, "alias"),
        ("a: {x: 1}\nb:\n  <<: *a\n", 3, "alias"),
        ("name: !!binary aGk=\n", None, "bytes"),
        ("a: 1\nb: .inf\n", 2, "is not a number in JSON"),
        ('a: "\\ud800"\n', 1, "surrogate"),
        (f'{{"a": {"1" * 5000}}}', None, "4300 digits"),
        ("[" * 5000, None, "nested too deeply"),
        ("x" * (MAX_TEXT + 1), None, f"expected at most {MAX_TEXT:,}"),
        ("a: !!python/object/apply:os.system ['true']\n", 1, "could not determine a constructor"),
    ],
)
def test_what_cannot_be_read_says_why_and_where(text: str, line: int | None, said: str) -> None:
    with pytest.raises(UnreadableError, match=said) as caught:
        read_recipe(text)
    assert caught.value.findings[0].line == line


def test_problems_have_the_line_of_their_path_or_of_what_is_around_it() -> None:
    read = read_recipe("name: web\nstages:\n  - kind: pii\n  - kind: language\n    keep: [en]\n")
    paths = ["stages.1.keep.0", "stages.1.min_score", "stages.7", "output", ""]
    found = read.placed({"path": path, "message": "wrong"} for path in paths)
    assert [finding.line for finding in found] == [5, 4, 2, None, None]


def test_a_long_key_is_not_repeated_for_all_that_is_below_it() -> None:
    text = f"{{? {'k' * 1000} : [{'a,' * 2000}]}}"
    assert sum(map(len, read_recipe(text).lines)) < 2 * len(text)


def test_dates_become_text_as_json_has_them() -> None:
    assert read_recipe("first: 2019-01-31\n").body == {"first": "2019-01-31"}


def test_characters_that_hide_are_escaped() -> None:
    body = {"name": "a\u202eb", "what": "é"}
    assert write_recipe(body).isascii()
    assert read_recipe(write_recipe(body)).body == body
    assert "é" in write_recipe({"what": "é"})


def test_a_difference_shows_what_changes_and_where() -> None:
    before = {"name": "web", "stages": [{"kind": "gopher_quality", "min_words": 50}, {"kind": "pii"}]}
    after = {"name": "web", "stages": [{"kind": "gopher_quality", "min_words": 80}, {"kind": "pii"}]}
    lines = difference(before, after)
    assert [(line.kind, line.text) for line in lines if line.kind in ("added", "removed")] == [
        ("removed", "-    min_words: 50"),
        ("added", "+    min_words: 80"),
    ]
    assert lines[0].kind == "place"
    assert difference(before, before) == ()
