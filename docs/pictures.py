"""Draw the funnel of a corpus's newest version as an SVG.

    .venv/bin/python docs/pictures.py CORPUS docs/funnel.svg

Figures only, no text of the documents. Readable on light and dark pages.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from curation.corpus import Corpus
from curation.render import size
from curation.report import Report, Step

WIDTH, MARGIN, ROW, LABEL, BAR = 960, 28, 46, 150, 420
KEPT, LOST, FAILED = "#2f7d5b", "#d9a441", "#b3453c"
INK, QUIET = "#1c2430", "#4a5565"
LEGEND = ((KEPT, "goes on"), (LOST, "dropped here, and why"), (FAILED, "cannot be read"))
DIGIT = 8
"""So wide is a digit of a count, for whether it fits into its bar."""


def main() -> None:
    corpus, target = Corpus(sys.argv[1]), Path(sys.argv[2])
    target.write_text(draw(corpus.report(), str(corpus.manifest().recipe["name"])), encoding="utf-8")


def draw(report: Report, name: str) -> str:
    """The funnel: a bar a step, what goes on in green, what is dropped there in amber (unreadable in red)."""
    steps = report.funnel()
    top = MARGIN + 96
    height = top + ROW * len(steps) + MARGIN - 18
    kept, read = report.documents("kept"), report.documents()
    head = (
        f"{kept:,} of {read:,} documents kept ({kept / read:.0%}), "
        f"{size(report.bytes('kept'))} of {size(report.bytes())}. Every document is accounted for."
    )
    rows = "\n".join(_row(step, top + index * ROW, read) for index, step in enumerate(steps))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"
 aria-label="{escape(head)}"
 font-family="ui-sans-serif, system-ui, Segoe UI, Helvetica, Arial, sans-serif">
<rect width="{WIDTH}" height="{height}" rx="12" fill="#ffffff" stroke="#d7dbe0"/>
<text x="{MARGIN}" y="{MARGIN + 18}" font-size="20" font-weight="600" fill="{INK}">{escape(name)}: the funnel</text>
<text x="{MARGIN}" y="{MARGIN + 44}" font-size="14" fill="{QUIET}">{escape(head)}</text>
<text x="{MARGIN}" y="{MARGIN + 70}" font-size="14" fill="{QUIET}">{_legend(steps)}</text>
{rows}
</svg>
"""


def _legend(steps: Sequence[Step]) -> str:
    shown = LEGEND if any(step.stage == "read" and step.documents_dropped for step in steps) else LEGEND[:-1]
    return " \u2002 ".join(f'<tspan fill="{colour}">■</tspan> {what}' for colour, what in shown)


def _row(step: Step, top: int, everything: int) -> str:
    x, scale = MARGIN + LABEL, BAR / everything
    out, lost = step.documents_out * scale, step.documents_dropped * scale
    colour = FAILED if step.stage == "read" else LOST
    reasons = ", ".join(f"{reason.split('.', 1)[-1]} {count:,}" for reason, count in list(step.reasons.items())[:2])
    more = f", {len(step.reasons) - 2} more" if len(step.reasons) > 2 else ""
    dropped = f"−{step.documents_dropped:,}" if step.documents_dropped else ""
    count = f"{step.documents_out:,}"
    fits = out >= 16 + DIGIT * len(count)
    count_x, count_colour = (x + 10, "#ffffff") if fits else (x + out + lost + 6, INK)
    note_x = x + BAR + 16
    label = escape(step.stage)
    return f"""<text x="{x - 12}" y="{top + 19}" font-size="14" text-anchor="end" fill="{INK}">{label}</text>
<rect x="{x}" y="{top}" width="{out:.1f}" height="28" rx="3" fill="{KEPT}"/>
<rect x="{x + out:.1f}" y="{top}" width="{lost:.1f}" height="28" rx="3" fill="{colour}"/>
<text x="{count_x:.1f}" y="{top + 19}" font-size="13" fill="{count_colour}">{count}</text>
<text x="{note_x}" y="{top + 12}" font-size="13" font-weight="600" fill="#8a5b0a">{dropped}</text>
<text x="{note_x}" y="{top + 27}" font-size="11" fill="{QUIET}">{escape(reasons + more)}</text>"""


main()
