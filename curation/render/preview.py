"""A preview of a recipe, for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.render import NAME_WIDTH, SHOWN_REASONS, bar, new_table, number, shortened, size, visible, why
from curation.render.whatif import show_notes
from curation.whatif.interval import Share
from curation.whatif.preview import Preview, PreviewGroup, PreviewStep
from curation.whatif.sampling import SourceRead

SHOWN_LANGUAGES = 12


def show_preview(console: Console, preview: Preview) -> None:
    """What was read, the funnel of the sample, examples by rule, and what a run would take."""
    for table in (
        _sources(preview.sources),
        _funnel(preview),
        _groups("source", preview.groups),
        _groups("language", preview.languages[:SHOWN_LANGUAGES]),
    ):
        console.print()
        console.print(table)
    _show_examples(console, preview)
    _show_estimate(console, preview)
    show_notes(console, preview.notes)


def _sources(sources: Sequence[SourceRead]) -> Table:
    table = new_table("Read", "source", ">files", ">of", ">bytes", ">of", ">documents", ">there are", ">in the sample")
    for source in sources:
        about = "" if source.is_whole else "~"
        table.add_row(
            Text(visible(source.source)),
            f"{source.files_read:,}",
            f"{source.files:,}",
            size(source.bytes_read),
            size(source.bytes),
            f"{source.documents_read:,}",
            f"{about}{source.documents:,}",
            f"{source.sampled:,}",
        )
    return table


def _funnel(preview: Preview) -> Table:
    title = f"{preview.recipe}: {preview.sampled:,} documents, seed {preview.seed} (in brackets: 95 % confidence)"
    table = new_table(title, "stage", ">left", "", "of all", ">docs/s a core", "of which dropped")
    for step in preview.steps:
        table.add_row(
            step.stage,
            f"{step.documents_out:,}",
            Text(bar(step.left.value), style="green", no_wrap=True),
            _share(step.left) if step.documents_out < preview.sampled else "100.0%",
            "" if step.documents_a_second is None else f"{step.documents_a_second:,.0f}",
            Text(_rules(step), style="dim"),
        )
    return table


def _rules(step: PreviewStep) -> str:
    rules = [f"{why(rule.reason)} {rule.documents:,} {_share(rule.share)}" for rule in step.rules]
    if len(rules) > SHOWN_REASONS + 1:
        rules[SHOWN_REASONS:] = [f"{len(rules) - SHOWN_REASONS} more"]
    return ", ".join(rules)


def _groups(what: str, groups: Sequence[PreviewGroup]) -> Table:
    table = new_table(f"By {what}", what, ">sampled", "kept")
    for group in groups:
        table.add_row(Text(visible(group.name) or "(not told)"), f"{group.sampled:,}", _share(group.kept))
    return table


def _share(share: Share) -> str:
    if share.low == share.high:
        return f"{share.value:.1%}"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _show_examples(console: Console, preview: Preview) -> None:
    last = ""
    for example in preview.examples:
        if example.reason != last:
            console.print()
            console.print(Text(example.reason, style="cyan"))
            last = example.reason
        name = shortened(visible(example.id or f"{example.shard}, record {example.row}"), NAME_WIDTH)
        line = Text(f"{number(example.value):>9}  {name:{NAME_WIDTH}}  ")
        line.append(visible(" ".join(filter(None, (example.detail, example.excerpt)))), style="dim")
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)


def _show_estimate(console: Console, preview: Preview) -> None:
    estimate = preview.estimate
    console.print()
    kept = f"{estimate.kept_documents:,} ({estimate.kept_low:,} to {estimate.kept_high:,})"
    console.print(
        Text(
            f"The whole: about {estimate.documents:,} documents ({size(estimate.text_bytes)} of text), of which "
            f"{kept} would be left ({size(estimate.kept_bytes)})."
        )
    )
    cost = "" if estimate.cost is None else f", cost {estimate.cost:,.2f}"
    console.print(
        Text(
            f"Reading, stages and fingerprints: {estimate.documents_a_second:,.0f} documents/s a core, so "
            f"{_duration(estimate.elapsed_s)} with {estimate.workers} workers, {estimate.core_hours:,.2f} core "
            f"hours{cost}."
        )
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h"
