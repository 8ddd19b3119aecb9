"""What the kernels of contamination do, in plain Python, from the definitions in their docstrings."""

from __future__ import annotations

import html.entities
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from curation.contamination.words import _ELEMENTS
from curation.text.words.kernels import UNSPACED
from curation.text.words.kinds import kinds

_ENTITY = re.compile(r"&(?:amp;)*(#[xX][0-9a-fA-F]{1,9};|#[0-9]{1,9};|[A-Za-z0-9]{1,32};)?")
_TAG = re.compile(r"</?([A-Za-z0-9]{1,10})(?=[\t\n\r />])[^<>]*>")
_NAMES = {name[:-1]: value for name, value in html.entities.html5.items() if name[-1] == ";" and len(value) == 1}


def characters(text: str) -> list[tuple[str, int, int]]:
    """What the text's characters stand for, with where each begins and ends; a tag is a blank."""
    found, i = [], 0
    while i < len(text):
        meaning, end = text[i], i + 1
        if text[i] == "&":
            meaning, end = _entity(text, i)
        elif text[i] == "<" and (tag := _TAG.match(text, i)):
            is_short = len(tag[0].encode()) <= 512
            if is_short and tag[1].lower() in _ELEMENTS.split():
                meaning, end = " ", tag.end()
        found.append((meaning, i, end))
        i = end
    return found


def _entity(text: str, i: int) -> tuple[str, int]:
    match = _ENTITY.match(text, i)
    assert match is not None
    name = match[1]
    if name and name[0] == "#":
        code = int(name[2:-1], 16) if name[1] in "xX" else int(name[1:-1])
        if code < 0x110000:
            return chr(code), match.end()
    elif name and name[:-1] in _NAMES:
        return _NAMES[name[:-1]], match.end()
    amps = re.compile(r"&(?:amp;)*").match(text, i)
    assert amps is not None
    return "&", amps.end()


def fold(character: str) -> tuple[str | None, bool]:
    """(what the character is compared as, whether it is a word of its own); "" separates, None is nothing."""
    if unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf"):
        return None, False
    if not character.isalnum():
        return "", False
    base = [c for c in unicodedata.normalize("NFKD", character) if unicodedata.category(c)[0] != "M"]
    form = character
    if len(base) == 1:
        form = next((c for c in base[0].lower() if c.isalnum()), character)
    form = form.lower() if len(form.lower()) == 1 else form
    form = "σ" if form == "ς" else form
    return form, bool(kinds()[ord(form)] & UNSPACED)


def words(text: str) -> list[tuple[str, int, int]]:
    """The words, with the code points where each begins and ends."""
    found: list[tuple[str, int, int]] = []
    word, begin, stop = "", 0, 0
    for meaning, start, end in [*characters(text), (" ", len(text), len(text))]:
        form, alone = fold(meaning)
        if form is None:
            continue
        if word and (form == "" or alone):
            found.append((word, begin, stop))
            word = ""
        if alone:
            found.append((form, start, end))
        elif form:
            begin = begin if word else start
            word, stop = word + form, end
    return found


@dataclass
class Cluster:
    """Runs of equal words: (place in the document, place in the item, length), both ascending."""

    runs: list[tuple[int, int, int]] = field(default_factory=list)

    @property
    def stop(self) -> tuple[int, int]:
        at, place, length = self.runs[-1]
        return at + length, place + length

    @property
    def words(self) -> int:
        return sum(length for _, _, length in self.runs)


Match = tuple[int, int, int, int, int]


def clusters(document: Sequence[str], item: Sequence[str], size: int, misses: int) -> list[Match]:
    """Every cluster: the words of the document from and to, the places of the item from and to, how many words."""
    told, current = [], None
    for at in range(len(document) - size + 1):
        if current is not None and at < current.stop[0]:
            continue
        places = [p for p in range(len(item) - size + 1) if item[p : p + size] == document[at : at + size]]
        is_near = misses > 0 and current is not None and at - current.stop[0] <= misses
        choices = [
            (is_near and current is not None and 0 <= p - current.stop[1] <= misses, _run(document, item, at, p), -p)
            for p in places
        ]
        if not choices:
            continue
        goes_on, length, negative = max(choices)
        place = -negative
        if goes_on and current is not None:
            back = _back(document, item, at, place, *current.stop)
            current.runs.append((at - back, place - back, length + back))
        elif is_near and current is not None and length <= current.words:
            continue
        else:
            if current is not None:
                told.append(current)
            back = _back(document, item, at, place, 0, 0)
            current = Cluster([(at - back, place - back, length + back)])
            _widen(current, document, item, misses)
        _go_on(current, document, item, misses)
    if current is not None:
        told.append(current)
    return [(c.runs[0][0], c.stop[0], c.runs[0][1], c.stop[1], c.words) for c in told]


def _run(document: Sequence[str], item: Sequence[str], at: int, place: int) -> int:
    length = 0
    while at + length < len(document) and place + length < len(item) and document[at + length] == item[place + length]:
        length += 1
    return length


def _back(document: Sequence[str], item: Sequence[str], at: int, place: int, least: int, least_place: int) -> int:
    back = 0
    while at - back > least and place - back > least_place and document[at - back - 1] == item[place - back - 1]:
        back += 1
    return back


def _go_on(cluster: Cluster, document: Sequence[str], item: Sequence[str], misses: int) -> None:
    """Runs of two and more to the right on the same diagonal, at most `misses` words apart."""
    gap = 0
    while gap < misses:
        at, place = (stop + gap for stop in cluster.stop)
        if _run(document, item, at, place) >= 2:
            cluster.runs.append((at, place, _run(document, item, at, place)))
            gap = 0
        else:
            gap += 1


def _widen(cluster: Cluster, document: Sequence[str], item: Sequence[str], misses: int) -> None:
    """The same to the left."""
    gap = 0
    while gap < misses:
        at, place = (start - gap for start in cluster.runs[0][:2])
        if at < 1 or place < 1:
            break
        back = _back(document, item, at, place, 0, 0)
        if back >= 2:
            cluster.runs.insert(0, (at - back, place - back, back))
            gap = 0
        else:
            gap += 1
