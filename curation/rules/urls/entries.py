"""A list file of domains, addresses or words, made ready to look things up in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.errors import ModelError
from curation.rules.urls import kernels
from curation.storage.pinned import read_pinned
from curation.text.arrow import Bytes, Offsets, text_buffers

MOST_BYTES = 4 << 30

_HOST = r"^(?:[^\s/?#@:\\\[\]*]+|\[[0-9a-f:.]+\])$"


class Entries(NamedTuple):
    """What stands in a list, each once, and the table of `kernels`."""

    names: pa.LargeStringArray
    data: Bytes
    offsets: Offsets
    table: np.ndarray[Any, np.dtype[np.int32]]


class Substrings(NamedTuple):
    """What stands in a list, each once, and the index of `kernels.find_substrings`."""

    names: pa.LargeStringArray
    data: Bytes
    offsets: Offsets
    begins: np.ndarray[Any, np.dtype[np.int64]]
    order: np.ndarray[Any, np.dtype[np.int64]]


def read_entries(url: str, sha256: str | None, parse: Callable[[bytes], Any]) -> Any:
    """What one of the functions below makes of the list at this address, and its SHA-256. Raises ModelError."""
    return read_pinned(url, sha256, parse, MOST_BYTES)


def domains(data: bytes) -> Entries:
    """Domains, one a line, in any case; `*.` or a dot before one, and a dot behind it, are taken off. Raises ModelError
    for what no host could be equal to."""
    lines = _lines(data)
    names = pc.replace_substring_regex(pc.ascii_lower(lines), r"^\*?\.|\.$", "")
    is_host = pc.match_substring_regex(names, _HOST)
    if not pc.all(is_host).as_py():
        wrong = lines.filter(pc.invert(is_host))[0].as_py()
        raise ModelError(
            f"{wrong!r:.200} is no domain, and no document's host could be equal to it: write one domain a line, as in "
            "example.com, and whole addresses in a list of `addresses`"
        )
    return _entries(_once(names))


def addresses(data: bytes) -> Entries:
    """Web addresses, one a line, in any case."""
    return _entries(_once(pc.ascii_lower(_lines(data))))


def words(data: bytes) -> Entries:
    """Words, one a line; letters and digits of ASCII count, in any case."""
    return _entries(_plain(data))


def substrings(data: bytes) -> Substrings:
    """Parts of words, one a line, of two letters or digits at least."""
    names = _plain(data)
    if short := names.filter(pc.less(pc.binary_length(names), 2)).to_pylist():
        raise ModelError(f"{short[0]!r}: what is looked for inside of words has at least two letters or digits")
    data_, offsets = text_buffers(names)
    if len(names) == 0:
        return Substrings(names, data_, offsets, np.zeros((1 << 16) + 1, np.int64), np.zeros(0, np.int64))
    firsts = data_[offsets[:-1]].astype(np.int64) << 8 | data_[offsets[:-1] + 1]
    order = np.argsort(firsts, kind="stable")
    begins = np.searchsorted(firsts[order], np.arange((1 << 16) + 1))
    return Substrings(names, data_, offsets, begins.astype(np.int64), order.astype(np.int64))


def _plain(data: bytes) -> pa.LargeStringArray:
    lines = _lines(data)
    plain = pc.replace_substring_regex(pc.ascii_lower(lines), r"[^a-z0-9]+", "")
    if pc.any(pc.equal(plain, "")).as_py():
        lost = lines.filter(pc.equal(plain, ""))[0].as_py()
        raise ModelError(f"{lost!r} has no letter or digit of ASCII, which is what words in web addresses are made of")
    return _once(plain)


def _lines(data: bytes) -> pa.LargeStringArray:
    """The lines without blanks around; empty ones, and those that begin with `#`, are left out. Raises ModelError where
    none is left, for a list without entries is most likely the wrong file."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"a list is UTF-8 text: {error}") from None
    lines = pc.utf8_trim_whitespace(pc.split_pattern(pa.array([text], pa.large_string()), "\n").flatten())
    lines = lines.filter(pc.invert(pc.or_(pc.equal(lines, ""), pc.starts_with(lines, "#"))))
    if len(lines) == 0:
        raise ModelError("there is no entry in this list")
    return lines


def _once(lines: pa.LargeStringArray) -> pa.LargeStringArray:
    return pc.unique(lines).cast(pa.large_string())


def _entries(names: pa.LargeStringArray) -> Entries:
    data, offsets = text_buffers(names)
    return Entries(names, data, offsets, kernels.make_set(data, offsets))
