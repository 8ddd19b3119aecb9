"""Which licence the first lines of a source file state: an SPDX tag, else one of the common headers by its phrases."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.rules.code.phrases import HEAD_BYTES, Found

SPDX_TAG = "spdx license identifier"
COPYRIGHT = "copyright"

_GPL, _LGPL = "gnu general public license", "gnu lesser general public license"
_LIBRARY = "gnu library general public license"
_AGPL = "gnu affero general public license"
_LATER = "any later version"
_REDISTRIBUTION = "redistribution and use in source and binary forms"
_NEITHER = "neither the name"


def _gnu(name: str, phrase: str, versions: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for version in versions:
        words = f"version {version.removesuffix('.0').replace('.', ' ')}"
        yield f"{name}-{version}-or-later", (phrase, words, _LATER)
        yield f"{name}-{version}-only", (phrase, words)


# (SPDX id, the phrases that must all be there), of which the first that fits holds. The ids are those of the SPDX
# licence list 3.27, the phrases words of the headers that the licences themselves ask for.
_HEADERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    *_gnu("AGPL", _AGPL, ("3.0",)),
    *_gnu("LGPL", _LGPL, ("2.1", "3.0", "2.0")),
    *_gnu("LGPL", _LIBRARY, ("2.0",)),
    *_gnu("GPL", _GPL, ("3.0", "2.0", "1.0")),
    ("Apache-2.0", ("apache license version 2 0",)),
    ("Apache-2.0", ("apache org licenses license 2 0",)),
    ("MPL-2.0", ("mozilla public license v 2 0",)),
    ("MPL-2.0", ("mozilla public license version 2 0",)),
    ("MPL-1.1", ("mozilla public license version 1 1",)),
    ("EPL-2.0", ("eclipse public license v2 0",)),
    ("EPL-2.0", ("eclipse public license 2 0",)),
    ("EPL-2.0", ("eclipse public license v 2 0",)),
    ("EPL-1.0", ("eclipse public license v1 0",)),
    ("BSL-1.0", ("boost software license version 1 0",)),
    ("BSD-4-Clause", (_REDISTRIBUTION, "all advertising materials")),
    ("BSD-3-Clause", (_REDISTRIBUTION, _NEITHER)),
    ("BSD-3-Clause", (_REDISTRIBUTION, "may not be used to endorse")),
    ("BSD-2-Clause", (_REDISTRIBUTION,)),
    ("MIT", ("permission is hereby granted free of charge to any person obtaining a copy",)),
    ("MIT", ("licensed under the mit license",)),
    ("MIT", ("released under the mit license",)),
    ("ISC", ("permission to use copy modify and or distribute this software for any purpose with or without fee",)),
    ("ISC", ("permission to use copy modify and distribute this software for any purpose with or without fee",)),
    ("Zlib", ("this software is provided as is without any express or implied warranty",)),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    ("CC0-1.0", ("creativecommons org publicdomain zero 1 0",)),
    ("CC0-1.0", ("cc0 1 0 universal",)),
    ("LicenseRef-proprietary", ("proprietary and confidential",)),
    ("LicenseRef-proprietary", ("confidential and proprietary",)),
    ("LicenseRef-proprietary", ("unauthorized copying of this file",)),
)

PHRASES = frozenset({SPDX_TAG, COPYRIGHT, *(phrase for _, needed in _HEADERS for phrase in needed)})
IDS = frozenset(name for name, _ in _HEADERS)
"""What is told from a header; a tag may name any."""

_TAG = r"(?i)spdx-license-identifier:[ \t]*(?P<expression>[A-Za-z0-9.+() \t-]*[A-Za-z0-9+)])"
# The list's deprecated ids of the GNU licences: `GPL-2.0`, `GPL-2.0+`, `GPL-2.0-with-classpath-exception`.
_OLD_GNU = re.compile(r"((?:[al]?gpl|gfdl)-\d\.\d)(\+|-with-.*)?")


def licences(texts: pa.LargeStringArray, found: Found) -> pa.StringArray:
    """The licence that each text states, an SPDX expression; null where none is known."""
    which = np.full(len(texts), -1, np.int64)
    for index, (_, needed) in reversed([*enumerate(_HEADERS)]):
        which[np.logical_and.reduce([found.has(phrase) for phrase in needed])] = index
    names = pa.array([name for name, _ in _HEADERS], pa.string())
    stated = names.take(pa.array(which, mask=which < 0))
    tagged = pa.array(found.has(SPDX_TAG))
    heads = pc.binary_slice(texts.cast(pa.large_binary()), 0, HEAD_BYTES)
    expressions = pc.struct_field(pc.extract_regex(heads.filter(tagged), _TAG), "expression").cast(pa.string())
    expressions = pc.replace_substring_regex(expressions, r"[ \t]+", " ")
    return pc.replace_with_mask(stated, tagged, pc.coalesce(expressions, stated.filter(tagged)))


def canonical(licence: str) -> str:
    """An SPDX id as ids are compared: capitals do not matter, and an old id of a GNU licence is the new one that the
    SPDX list puts in its place."""
    name = licence.lower()
    if found := _OLD_GNU.fullmatch(name):
        return found[1] + ("-or-later" if found[2] == "+" else "-only")
    return name


def is_covered(expression: str, allows: Callable[[str], bool]) -> bool:
    """Whether an SPDX expression is met by licences that are allowed: of `A OR B` one must be, of `A AND B` both, and
    `A WITH exception` is as A. What is no expression is not met."""
    tokens = re.findall(r"[()]|[^\s()]+", expression)
    try:
        covered, rest = _any_of(tokens, allows)
    except IndexError:
        return False
    return covered and not rest


def _any_of(tokens: Sequence[str], allows: Callable[[str], bool]) -> tuple[bool, Sequence[str]]:
    """Whether alternatives that begin the tokens are covered, and the tokens behind them."""
    covered, tokens = _all_of(tokens, allows)
    while tokens and tokens[0].upper() == "OR":
        other, tokens = _all_of(tokens[1:], allows)
        covered |= other
    return covered, tokens


def _all_of(tokens: Sequence[str], allows: Callable[[str], bool]) -> tuple[bool, Sequence[str]]:
    covered, tokens = _one(tokens, allows)
    while tokens and tokens[0].upper() == "AND":
        other, tokens = _one(tokens[1:], allows)
        covered &= other
    return covered, tokens


def _one(tokens: Sequence[str], allows: Callable[[str], bool]) -> tuple[bool, Sequence[str]]:
    if tokens[0] == "(":
        covered, tokens = _any_of(tokens[1:], allows)
        if tokens[0] != ")":
            return False, tokens
        return covered, tokens[1:]
    covered, tokens = allows(tokens[0]), tokens[1:]
    return covered, tokens[2:] if tokens and tokens[0].upper() == "WITH" else tokens
