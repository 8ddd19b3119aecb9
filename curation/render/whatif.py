"""What other thresholds would keep, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.render import NAME_WIDTH, bar, new_table, number, shortened, size, visible, why
from curation.whatif.model import Amount, Curve, Group, Kept, Neighbour, Sweep, WhatIf

SHOWN_GROUPS = 12
SHOWN_MOVES = 12
SHOWN_POINTS = 24
FULL_AND_LIGHT = "full: kept at least; light: up to what may be kept"


def show_what_if(console: Console, answer: WhatIf) -> None:
    """What changes, by source, language and rule; the documents at the edges; what limits the answer."""
    settings = ", ".join(f"{each.path} {_value(each.before)} → {_value(each.after)}" for each in answer.settings)
    console.print()
    console.print(Text(f"{answer.corpus}, version {answer.version}: {settings or 'as it is'}", style="bold"))
    console.print(_amounts(answer))
    for what, groups in (("source", answer.sources), ("language", answer.languages)):
        concerned = [group for group in groups if group.before.documents or group.after.high.documents]
        if len(concerned) > 1:
            console.print()
            console.print(_by(what, concerned))
    if changed := [rule for rule in answer.rules if rule.before != rule.after]:
        table = new_table("Dropped, where the fate is known", "reason", ">before", ">after", ">change")
        for rule in changed:
            table.add_row(rule.reason, f"{rule.before:,}", f"{rule.after:,}", f"{rule.after - rule.before:+,}")
        console.print()
        console.print(table)
    if answer.moves:
        console.print()
        console.print(_moves(answer))
    _show_edges(console, answer)
    show_notes(console, answer.notes)


def show_sweep(console: Console, sweep: Sweep) -> None:
    """A line for each value, and the documents nearest to each."""
    has_tokens = sweep.before.tokens is not None
    what = ">tokens" if has_tokens else ">text"
    table = new_table("", ">value", "", ">kept at least", ">at most", ">probably", what, "")
    highest = max(point.answer.after.high.documents for point in sweep.points)
    for point in sweep.points:
        _add_point(table, point.value, point.answer.after, highest, is_current=point.is_current)
    console.print()
    console.print(Text(f"{sweep.corpus}, version {sweep.version}: {sweep.path}", style="bold"))
    console.print(table)
    console.print(Text(FULL_AND_LIGHT, style="dim"))
    console.print()
    for point in sweep.points:
        for edge in point.answer.edges:
            console.print(Text(f"{_value(point.value)}, {why(edge.reason)}", style="cyan"))
            _show_side(console, "passes", edge.passing[:1])
            _show_side(console, "dropped", edge.dropped[:1])
    others = [point for point in sweep.points if not point.is_current]
    show_notes(console, tuple(dict.fromkeys(_general(note) for point in others for note in point.answer.notes)))


def show_curve(console: Console, curve: Curve) -> None:
    """Some of the points, evenly among them; the version's own always."""
    what = ">tokens" if curve.before.tokens is not None else ">text"
    table = new_table("", ">value", "", ">kept at least", ">at most", ">probably", what, "")
    every = -(-len(curve.points) // SHOWN_POINTS)
    highest = max(point.after.high.documents for point in curve.points)
    for index, point in enumerate(curve.points):
        if index % every == 0 or point.is_current or point is curve.points[-1]:
            _add_point(table, point.value, point.after, highest, is_current=point.is_current)
    console.print()
    console.print(Text(f"{curve.corpus}, version {curve.version}: {curve.path}", style="bold"))
    console.print(table)
    console.print(Text(FULL_AND_LIGHT, style="dim"))


def show_notes(console: Console, notes: Sequence[str]) -> None:
    """What limits the figures, a line each."""
    if notes:
        console.print()
    for note in notes:
        console.print(Text(f"Note: {visible(note)}", style="yellow"))


def _add_point(table: Table, value: object, after: Kept, highest: int, *, is_current: bool) -> None:
    amount = after.estimate or after.low
    table.add_row(
        Text(_value(value), style="bold" if is_current else ""),
        Text("now" if is_current else "", style="cyan"),
        f"{after.low.documents:,}",
        f"{after.high.documents:,}",
        "?" if after.estimate is None else f"{after.estimate.documents:,}",
        f"{amount.tokens:,}" if amount.tokens is not None else size(amount.bytes),
        _range_bar(after, highest),
    )


def _amounts(answer: WhatIf) -> Table:
    rows: list[tuple[str, Amount | None]] = [
        ("kept by the version", answer.before),
        ("would be kept at least", answer.after.low),
        ("… probably", answer.after.estimate),
        ("… at most", answer.after.high),
        ("let through, later verdicts unknown", answer.unknown),
        ("duplicates whose copy would go", answer.freed),
    ]
    tokens_too = [">tokens"] if answer.before.tokens is not None else []
    table = new_table("", "", ">documents", ">change", ">text", *tokens_too)
    for index, (name, amount) in enumerate(rows):
        if amount is None:
            table.add_row(name, "?", "", "", "")
            continue
        change = amount.documents - answer.before.documents
        tokens = [f"{amount.tokens:,}"] if amount.tokens is not None else []
        shown = f"{change:+,}" if 1 <= index <= 3 else ""
        table.add_row(name, f"{amount.documents:,}", shown, size(amount.bytes), *tokens)
    return table


def _by(what: str, groups: Sequence[Group]) -> Table:
    table = new_table(f"By {what}", what, ">before", ">at least", ">probably", ">at most", ">change")
    for group in groups[:SHOWN_GROUPS]:
        after = group.after
        table.add_row(
            Text(visible(group.name) or "(not told)"),
            f"{group.before.documents:,}",
            f"{after.low.documents:,}",
            "?" if after.estimate is None else f"{after.estimate.documents:,}",
            f"{after.high.documents:,}",
            _change(group.before.documents, after),
        )
    if len(groups) > SHOWN_GROUPS:
        table.add_row(f"{len(groups) - SHOWN_GROUPS} more: --json", "", "", "", "", "")
    return table


def _change(before: int, after: Kept) -> str:
    if not before or after.estimate is None:
        return ""
    return f"{after.estimate.documents / before - 1:+.1%}"


def _moves(answer: WhatIf) -> Table:
    table = new_table("Documents that change sides", "from", "to", ">documents", ">text")
    for move in answer.moves[:SHOWN_MOVES]:
        end = move.after if move.fate == "dropped" else move.fate
        table.add_row(move.before or "kept", end, f"{move.amount.documents:,}", size(move.amount.bytes))
    if len(answer.moves) > SHOWN_MOVES:
        table.add_row(f"{len(answer.moves) - SHOWN_MOVES} more: --json", "", "", "")
    return table


def _show_edges(console: Console, answer: WhatIf) -> None:
    for edge in answer.edges:
        limits = sorted({near.threshold for near in (*edge.passing, *edge.dropped)})
        console.print()
        console.print(Text(f"Nearest to {edge.reason}, {', '.join(map(number, limits))}", style="bold"))
        _show_side(console, "passes", edge.passing)
        _show_side(console, "dropped", edge.dropped)


def _show_side(console: Console, side: str, neighbours: Iterable[Neighbour]) -> None:
    for near in neighbours:
        before = "kept" if not near.before else f"dropped, {why(near.before)}"
        fate = f"{before} → {near.fate if near.fate != 'dropped' else why(near.after)}"
        line = Text(f"  {side:<8}{number(near.value):>9}  {shortened(visible(near.id), NAME_WIDTH):{NAME_WIDTH}}  ")
        line.append(f"{fate}  ", style="cyan")
        line.append(visible(near.excerpt), style="dim")
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)


def _range_bar(after: Kept, highest: int) -> Text:
    low, high = (bar(amount.documents / max(1, highest)) for amount in (after.low, after.high))
    text = Text(low, style="green", no_wrap=True)
    text.append("░" * max(0, len(high) - len(low)), style="green dim")
    return text


def _general(note: str) -> str:
    """A note without its numbers, which are of one point of a sweep."""
    return " ".join("some" if word.replace(",", "").isdecimal() else word for word in note.split())


def _value(value: object) -> str:
    return "off" if value is None else visible(str(value))
