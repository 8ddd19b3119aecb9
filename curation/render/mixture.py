"""How a mixture is shown."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from curation.render import bar, new_table, visible
from curation.report import MixtureReport, MixtureShare

SHOWN_WARNINGS = 12
_NUMBERS = (">documents", ">tokens", ">natural", ">target", ">realised", "", ">seen", ">epochs", ">cap", ">worth")


def show_mixture(console: Console, report: MixtureReport) -> None:
    """The parts as a table, what the caps cost, and the warnings."""
    title = f"Mixture of version {report.version}: {report.scheme}, by {report.by}"
    has_tiers = any(part.tier for part in report.parts)
    tier = ("cluster size",) if report.scheme == "rehydrate" else ("bucket",)
    table = new_table(title, report.by, *(tier if has_tiers else ()), *_NUMBERS)
    most = max(part.realised for part in report.parts)
    for part in report.parts:
        named = [visible(part.group), *([visible(part.tier)] if has_tiers else [])]
        table.add_row(*named, *_numbers(part, most))
    console.print(table)
    for line in (
        f"{report.seen:,} of {report.budget:,} tokens are seen, of {report.tokens:,} that there are in "
        f"{report.documents:,} documents; counted by {visible(report.tokenizer)}.",
        f"They are worth {report.effective_tokens:,.0f} fresh ones "
        f"({report.effective_tokens_uncapped:,.0f} without caps).",
        f"KL from target {report.kl_target:.4f}, from natural {report.kl_natural:.4f}, from even {report.kl_even:.4f} "
        f"nats; as diverse as {report.effective_parts:.2f} equal parts.",
    ):
        console.print(Text(line))
    if report.moved:
        lost = f"no other gives {report.shortfall:,} of them" if report.shortfall else "others give them"
        more = f", seen up to {report.extra_epochs:.2f} times more" if report.extra_epochs else ""
        console.print(Text(f"The caps take {report.moved:,} tokens from their parts; {lost}{more}."))
    for warning in report.warnings[:SHOWN_WARNINGS]:
        console.print(Text(f"! {visible(warning)}", style="yellow"))
    if len(report.warnings) > SHOWN_WARNINGS:
        console.print(Text(f"! … and {len(report.warnings) - SHOWN_WARNINGS} more warnings (--json)", style="yellow"))


def _numbers(part: MixtureShare, most: float) -> list[str | Text]:
    return [
        f"{part.documents:,}",
        f"{part.tokens:,}",
        f"{part.natural:.1%}",
        f"{part.target:.1%}",
        f"{part.realised:.1%}",
        Text(bar(part.realised / most), style="green", no_wrap=True),
        f"{part.weight:,}",
        f"{part.epochs:,.2f}",
        "" if part.max_epochs is None else f"{part.max_epochs:g}{'!' if part.is_capped else ''}",
        f"{part.effective_tokens:,.0f}",
    ]
