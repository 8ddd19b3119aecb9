"""Globs as regular expressions."""

from __future__ import annotations

import glob
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import StorageError
from curation.storage.find import glob_regex

CASES = [
    ("*.gz", "a.gz", True),
    ("*.gz", "a/b.gz", False),
    ("*.gz", ".a.gz", False),
    (".*.gz", ".a.gz", True),
    ("**/*.gz", "a.gz", True),
    ("**/*.gz", "a/b/c.gz", True),
    ("**/*.gz", "a/.b/c.gz", False),
    ("a/**", "a/b/c", True),
    ("a/**", "a", False),
    ("a/**", "a/.b", False),
    ("a/**", "a/b/.c", False),
    ("a/**/b", "a/b", True),
    ("a/**/b", "a/x/y/b", True),
    ("a/**/b", "ab", False),
    ("**.gz", "a/b.gz", True),
    ("?.gz", "/.gz", False),
    ("a?c", "a/c", False),
    ("[ab].gz", "b.gz", True),
    ("[!ab].gz", "b.gz", False),
    ("[!ab].gz", "c.gz", True),
    ("x[!a]y", "x/y", False),
    ("[0-9][0-9]", "42", True),
    ("[*]", "*", True),
    ("[]]", "]", True),
    ("[", "[", True),
    ("a[b", "a[b", True),
    ("a.c", "abc", False),
    ("a+(b)|c^$", "a+(b)|c^$", True),
    ("*", "line\nbreak", True),
    ("ümläut*", "ümläut-1", True),
]


@pytest.mark.parametrize(("pattern", "key", "matches"), CASES)
def test_globs(pattern: str, key: str, matches: bool) -> None:
    assert (glob_regex(pattern).fullmatch(key) is not None) == matches


def test_a_set_that_runs_backwards_is_refused() -> None:
    with pytest.raises(StorageError, match=r"set '\[z-a\]' is wrong"):
        glob_regex("x[z-a]")


@given(st.text("ab/.*?[]!-^\\", max_size=12))
def test_every_pattern_compiles_or_is_refused(pattern: str) -> None:
    try:
        glob_regex(pattern)
    except StorageError:
        assert "[" in pattern


def test_as_the_standard_library_globs(tmp_path: Path) -> None:
    names = ["a", "b.gz", "d/a", "d/b.gz", "d/e/b.gz", "d/.h", "d/.h2/x", ".z/b.gz", "d/e/f/g/a"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    for pattern in ("*", "*.gz", "**/*.gz", "d/**/a", "d/*/*", "?", "**/[ab]*", "**/.h", "**/e/**/a"):
        regex = glob_regex(pattern)
        found = glob.glob(pattern, root_dir=tmp_path, recursive=True)  # noqa: PTH207 - Path.glob finds hidden names
        expected = {name for name in found if (tmp_path / name).is_file()}
        assert {name for name in names if regex.fullmatch(name)} == expected, pattern
