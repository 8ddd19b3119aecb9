"""How the report of a version against a set of benchmarks is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from curation.render import new_table, size, visible

if TYPE_CHECKING:
    from curation.pipeline.contaminated import ContaminationReport, Hit

SHOWN = 10


def show_contamination(console: Console, report: ContaminationReport) -> None:
    """A report for people: totals, the benchmarks, the worst documents, what is just below the threshold."""
    where = f"version {report.version}" if report.stage is None else f"version {report.version}, stage {report.stage}"
    digest = f" ({report.registry_sha256[:12]})" if report.registry_sha256 else ""
    console.print(Text(f"{visible(report.corpus)}, {where}, against {visible(report.registry)}{digest}", style="bold"))
    kept = f", {report.contaminated_kept:,} of them kept" if report.stage else ""
    console.print(
        f"{report.contaminated:,} of {report.documents:,} documents ({size(report.bytes)}) are contaminated{kept}: "
        f"rule {report.rule}, score {report.threshold:g} or more.",
        highlight=False,
    )
    columns = ("items", "findable", "too short", "too common", "items hit", "documents", "chance items", "in documents")
    table = new_table("By benchmark", "benchmark", *(f">{name}" for name in columns))
    for each in report.benchmarks:
        numbers = (each.items, each.findable, each.too_short, each.too_common, each.items_hit, each.documents)
        cells = ("" if n is None else f"{n:,}" for n in (*numbers, each.chance_items, each.chance_documents))
        table.add_row(visible(each.benchmark), *cells)
    console.print(table)
    _show_hits(console, "Worst documents", report.worst)
    _show_hits(console, "Chance hits, below the threshold", report.chance)
    if report.unlisted:
        console.print(f"{report.unlisted:,} more items stand in documents whose lists are full.", highlight=False)


def _show_hits(console: Console, title: str, hits: Sequence[Hit]) -> None:
    if not hits:
        return
    title = f"{title}, {SHOWN} of {len(hits)}" if len(hits) > SHOWN else title
    table = new_table(title, "document", "source", "outcome", ">items", "benchmark", "item", ">score", ">characters")
    for hit in hits[:SHOWN]:
        name = hit.id if hit.id is not None else f"{hit.shard} {hit.row}"
        texts = [visible(text) for text in (name, hit.source, hit.outcome)]
        item = (visible(hit.benchmark), visible(hit.item), f"{hit.score:.2f}", f"{hit.start}-{hit.end}")
        table.add_row(*texts, f"{hit.items:,}", *item)
    console.print(table)
