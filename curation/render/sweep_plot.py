"""A sweep as an SVG: what would be kept for each value, documents above, tokens or bytes below, from zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from curation.render import size, visible
from curation.whatif.model import Amount, Sweep

WIDTH, MARGIN, LABEL, PANEL, GAP = 960, 28, 78, 190, 56
SURE, OPEN, GUESS, NOW = "#2f7d5b", "#b9dccb", "#1c2430", "#3b6ea5"
INK, QUIET, RULE = "#1c2430", "#4a5565", "#d7dbe0"
LEGEND = (
    (SURE, "■", "kept at least"),
    (OPEN, "■", "up to what may be kept"),
    (GUESS, "—", "probably"),
    (NOW, "▬", "the version's own value"),
)
SAID = "What would be kept: at least (dark), at most (light), probably (line), for each value of a threshold."
SHOWN_VALUES = 12
GAP_BETWEEN = " \u2002 "


def draw_sweep(sweep: Sweep) -> str:
    """A bar a value, in two panels with a zero baseline each. Readable on light and dark pages."""
    has_tokens = sweep.before.tokens is not None
    panels: list[tuple[str, Callable[[Amount], int], Callable[[int], str]]] = [
        ("documents kept", lambda amount: amount.documents, lambda count: f"{count:,}"),
        ("tokens kept", lambda amount: amount.tokens or 0, lambda count: f"{count:,}")
        if has_tokens
        else ("text kept", lambda amount: amount.bytes, size),
    ]
    title = f"What version {sweep.version} would keep"
    top = MARGIN + 76
    height = top + len(panels) * (PANEL + GAP)
    drawn = "\n".join(
        _panel(sweep, name, measure, said, top + index * (PANEL + GAP))
        for index, (name, measure, said) in enumerate(panels)
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"
 aria-label="{escape(SAID)}"
 font-family="ui-sans-serif, system-ui, Segoe UI, Helvetica, Arial, sans-serif">
<rect width="{WIDTH}" height="{height}" rx="12" fill="#ffffff" stroke="{RULE}"/>
<text x="{MARGIN}" y="{MARGIN + 18}" font-size="20" font-weight="600" fill="{INK}">{escape(visible(title))}</text>
{_legend(MARGIN + 44)}
{drawn}
<text x="{(MARGIN + LABEL + WIDTH - MARGIN) / 2}" y="{height - 14}" font-size="13" font-weight="600"
 text-anchor="middle" fill="{INK}">{escape(visible(sweep.path.removeprefix("stages.")))}</text>
</svg>
"""


def _panel(sweep: Sweep, name: str, measure: Callable[[Amount], int], said: Callable[[int], str], top: int) -> str:
    left, right, bottom = MARGIN + LABEL, WIDTH - MARGIN, top + PANEL
    ticks = _ticks(max(measure(point.answer.after.high) for point in sweep.points), is_bytes=said is size)
    highest = ticks[-1]
    step = (right - left) / len(sweep.points)

    def y(value: int) -> float:
        return bottom - value / highest * (PANEL - 20)

    parts = [f'<text x="{MARGIN}" y="{top + 4}" font-size="13" font-weight="600" fill="{INK}">{name}</text>']
    parts += [
        f'<line x1="{left}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="{RULE}"/>'
        f'<text x="{left - 8}" y="{y(value) + 4:.1f}" font-size="11" text-anchor="end" '
        f'fill="{QUIET}">{said(value)}</text>'
        for value in ticks
    ]
    every = -(-len(sweep.points) // SHOWN_VALUES)
    guesses: list[tuple[float, float]] = []
    for index, point in enumerate(sweep.points):
        after, x, width = point.answer.after, left + index * step, step * 0.8
        low, high = y(measure(after.low)), y(measure(after.high))
        parts.append(_rectangle(x + step * 0.1, high, width, bottom - high, OPEN))
        parts.append(_rectangle(x + step * 0.1, low, width, bottom - low, SURE))
        if after.estimate is not None:
            guesses.append((x + step / 2, y(measure(after.estimate))))
        if point.is_current:
            parts.append(_rectangle(x + step * 0.1, bottom + 2, width, 4, NOW))
        if index % every == 0 or point.is_current:
            label = "off" if point.value is None else str(point.value)
            weight = ' font-weight="600"' if point.is_current else ""
            parts.append(
                f'<text x="{x + step / 2:.1f}" y="{bottom + 20}" font-size="11" text-anchor="middle"{weight} '
                f'fill="{NOW if point.is_current else QUIET}">{escape(label)}</text>'
            )
    parts.append(_line(guesses))
    return "\n".join(parts)


def _rectangle(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(0.0, height):.1f}" fill="{colour}"/>'


def _line(points: Sequence[tuple[float, float]]) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="{GUESS}" stroke-width="1.5"/>'


def _legend(y: int) -> str:
    marks = (f'<tspan fill="{colour}">{mark}</tspan> {what}' for colour, mark, what in LEGEND)
    return f'<text x="{MARGIN}" y="{y}" font-size="14" fill="{QUIET}">{GAP_BETWEEN.join(marks)}</text>'


def _ticks(most: int, *, is_bytes: bool) -> list[int]:
    """From zero to at or above the value in at most six round steps: 1, 2 or 5 times a power of ten, of two for bytes'
    units."""
    unit = 1 << (10 * (max(1, most).bit_length() // 10)) if is_bytes else 1
    steps = (round(unit * times * 10**power) for power in range(-3, 16) for times in (1, 2, 5))
    step = next(step for step in steps if step >= 1 and step * 5 >= most)
    return [*range(0, max(1, -(-most // step)) * step + 1, step)]
