"""Draw the versions of a corpus as an SVG: which pieces each night wrote, and which it named again.

    .venv/bin/python docs/nights.py CORPUS docs/nights.svg

Figures only, no text of the documents. Readable on light and dark pages.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from curation.corpus import Corpus
from curation.dedup.index import segments_of
from curation.manifest import Manifest

WIDTH, MARGIN, LABEL, ROW, BAR = 960, 28, 150, 18, 12
WRITTEN, CARRIED, SEGMENT, AGAIN = "#2f7d5b", "#b9dccb", "#3b6ea5", "#c3d5e8"
INK, QUIET, RULE = "#1c2430", "#4a5565", "#d7dbe0"
TITLE = "Six nights of one corpus"
SAID = "A night writes what is new (dark) and names the rest again by size and SHA-256 (light): each version is whole."


class Band(NamedTuple):
    """One file or segment, from the column where it is written to the last one that names it."""

    first: int
    last: int
    documents: int


def main() -> None:
    corpus, target = Corpus(sys.argv[1]), Path(sys.argv[2])
    target.write_text(draw([corpus.manifest_of(version) for version in corpus.versions()]), encoding="utf-8")


def draw(nights: Sequence[Manifest]) -> str:
    """A column a version; a bar for each piece, and below for each segment of the index."""
    pieces = _bands([{part.path: part.rows for part in night.shards} for night in nights])
    segments = _bands([{each.folder: each.documents for each in segments_of(night.index)} for night in nights])
    column = (WIDTH - 2 * MARGIN - LABEL) / len(nights)
    top = MARGIN + 112
    middle = top + ROW * len(pieces) + 26
    height = middle + ROW * len(segments) + MARGIN
    heads = "\n".join(_head(night, _left(index, column), height) for index, night in enumerate(nights))
    bars = "\n".join(_bar(b, top + ROW * row, column, WRITTEN, CARRIED) for row, b in enumerate(pieces))
    index = "\n".join(_bar(b, middle + ROW * row, column, SEGMENT, AGAIN) for row, b in enumerate(segments))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"
 aria-label="{escape(SAID)}"
 font-family="ui-sans-serif, system-ui, Segoe UI, Helvetica, Arial, sans-serif">
<rect width="{WIDTH}" height="{height}" rx="12" fill="#ffffff" stroke="{RULE}"/>
<text x="{MARGIN}" y="{MARGIN + 18}" font-size="20" font-weight="600" fill="{INK}">{TITLE}</text>
<text x="{MARGIN}" y="{MARGIN + 44}" font-size="14" fill="{QUIET}">{SAID}</text>
{heads}
<text x="{MARGIN}" y="{top + 10}" font-size="13" fill="{INK}">pieces, with how</text>
<text x="{MARGIN}" y="{top + 26}" font-size="13" fill="{INK}">many documents</text>
<text x="{MARGIN}" y="{middle + 10}" font-size="13" fill="{INK}">segments of the</text>
<text x="{MARGIN}" y="{middle + 26}" font-size="13" fill="{INK}">index</text>
{bars}
{index}
</svg>
"""


def _left(index: int, column: float) -> float:
    return MARGIN + LABEL + index * column


def _bands(nights: Sequence[Mapping[str, int]]) -> list[Band]:
    """What the nights name, in the order in which it came; what is empty is left out."""
    names = dict.fromkeys(name for night in nights for name, count in night.items() if count)
    seen = {name: [index for index, night in enumerate(nights) if name in night] for name in names}
    return [Band(seen[name][0], seen[name][-1], nights[seen[name][0]][name]) for name in names]


def _head(night: Manifest, x: float, height: int) -> str:
    y = MARGIN + 76
    return f"""<line x1="{x - 8:.1f}" x2="{x - 8:.1f}" y1="{y - 12}" y2="{height - MARGIN + 8}" stroke="{RULE}"/>
<text x="{x:.1f}" y="{y}" font-size="14" font-weight="600" fill="{INK}">version {night.version}</text>
<text x="{x:.1f}" y="{y + 17}" font-size="12" fill="{QUIET}">{night.kind}, {night.documents:,} kept</text>"""


def _bar(band: Band, y: int, column: float, written: str, carried: str) -> str:
    x, width = _left(band.first, column), column - 16
    whole = (band.last - band.first) * column + width
    return f"""<rect x="{x:.1f}" y="{y}" width="{whole:.1f}" height="{BAR}" rx="3" fill="{carried}"/>
<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3" fill="{written}"/>
<text x="{x + 6:.1f}" y="{y + 10}" font-size="10" fill="#ffffff">{band.documents:,}</text>"""


main()
