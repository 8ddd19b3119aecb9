"""The comment that a source file begins with, and the file without it."""

from __future__ import annotations

import re

# What stays in front: an interpreter's line, an encoding, a declaration.
_FRONT = re.compile(r"\ufeff?(?:#![^\n]*\n)?(?:[ \t]*#[^\n]*coding[:=][^\n]*\n)?(?:<\?(?:php|xml[^>]*\?>)[^\S\n]*\n?)?")
_BLOCK = re.compile(
    r"\s*(?:/\*.*?\*/|<!--.*?-->|\(\*.*?\*\)|\{-.*?-\}|\"\"\".*?\"\"\"|'''.*?''')[^\S\n]*\n?", re.DOTALL
)
_LINES = re.compile(r"\s*(?:[^\S\n]*(?P<mark>#|//|--|;|%|!|\*|dnl\b|rem\b)[^\n]*(?:\n|\Z))+", re.IGNORECASE)
_LEGAL = re.compile(r"licen[cs]e|copyright|spdx", re.IGNORECASE)


def without_header(text: str) -> str:
    """The text without the comments at its beginning that speak of a licence or of copyright.

    Only whole comments go: block comments one by one, comments of single lines together. What an interpreter reads in
    front of them stays, blank lines behind them go. A text that is nothing else is left as it is.
    """
    front = _FRONT.match(text)
    start = front.end() if front else 0
    place = start
    while (found := _BLOCK.match(text, place) or _LINES.match(text, place)) and found.end() > place:
        if not _LEGAL.search(found[0]):
            break
        place = found.end()
    if place == start:
        return text
    rest = text[place:].lstrip("\n\r")
    return text[:start] + rest if rest.strip() else text
