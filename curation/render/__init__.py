"""What the command line shows: tables and bars for people, plain data for programs."""

from __future__ import annotations

import math
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.render.steps import BAR, StepsDisplay, clock

if TYPE_CHECKING:  # what is only shown need not be loaded: the services' commands show tables, and no corpus
    from curation.corpus import Corpus
    from curation.pipeline import Progress
    from curation.report import Cuts, Outcome, Report, Step
    from curation.sample import Harvest
    from curation.stage import Stage
    from curation.storage import Check

WIDTH = 140
NAME_WIDTH = 48
SHOWN_REASONS = 3
SHOWN_EXAMPLES = 3
SHOWN_LANGUAGES = 12
DAYS = frozenset({"too_old", "too_new"})
"""Reasons of `period` of which value and threshold are days."""
MOST_ZEROS = 3
"""Of a stage's values, more that are 0 share a line."""
OUTCOMES: tuple[Outcome, ...] = ("kept", "dropped", "failed")


def visible(text: str) -> str:
    """The text on one line with every control and format character made visible, so that it cannot drive a terminal."""
    return "".join(_glyph(character) for character in " ".join(text.split()))


def _glyph(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return f"<{ord(character):04X}>"
    return character


def screen() -> Console:
    """Standard output: as wide as the terminal, or wide enough for the tables where it is none."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, WIDTH))


# ---------------------------------------------------------------------- progress


class ProgressDisplay(StepsDisplay):
    """Shows a run's progress, and the time that it will take."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._started: dict[str, float] = {}

    def watch(self, progress: Progress) -> None:
        """Show this."""
        now = time.monotonic()
        started = self._started.setdefault(progress.step, now)
        self.show(progress.step, progress.done, progress.total, _rate(progress, now - started))


def _rate(progress: Progress, seconds: float) -> str:
    """Documents a second so far, and the time left if the rest goes as fast."""
    if not progress.done or seconds <= 0:
        return ""
    left = seconds / progress.done * (progress.total - progress.done)
    text = f"{clock(left)} left" if progress.done < progress.total else f"{clock(seconds)}"
    if progress.documents:
        text = f"{progress.documents:,} documents  {progress.documents / seconds:,.0f}/s  {text}"
    return text


# ------------------------------------------------------------------------ report


def report_json(url: str, number: int | None) -> dict[str, Any]:
    """A version's report for programs: what it is, its funnel, and every count."""
    from curation.corpus import Corpus

    corpus = Corpus(url)
    manifest, report = corpus.manifest(number), corpus.report(number)
    return {
        "corpus": corpus.url,
        "version": manifest.version,
        "run": manifest.run,
        "created": manifest.created.isoformat(),
        "recipe": manifest.recipe,
        "fingerprint": manifest.fingerprint,
        "digest": manifest.digest,
        "funnel": [step.model_dump() for step in report.funnel()],
        "report": report.model_dump(mode="json"),
    }


def show_report(console: Console, url: str, number: int | None) -> None:
    """A version's report for people."""
    from curation.corpus import Corpus

    corpus = Corpus(url)
    manifest, report = corpus.manifest(number), corpus.report(number)
    for table in (
        funnel(report, f"{manifest.recipe['name']}, version {manifest.version}"),
        _by_source(report),
        _by_language(report),
    ):
        console.print()
        console.print(table)
    console.print()
    _show_examples(console, report)
    _show_clusters(console, report)
    kept, read = report.documents("kept"), report.documents()
    console.print(
        Text(f"{kept:,} of {read:,} documents kept ({size(report.bytes('kept'))}), every one of them accounted for.")
    )
    console.print(Text(f"Corpus: {corpus.url} (version {manifest.version}, run {manifest.run})"), soft_wrap=True)


def size(count: int) -> str:
    """A size in bytes with a decimal unit."""
    units = ("B", "kB", "MB", "GB", "TB")
    power = min(len(units) - 1, max(0, len(str(abs(count))) - 1) // 3)
    return f"{count} B" if power == 0 else f"{count / 1000**power:,.1f} {units[power]}"


def funnel(report: Report, title: str) -> Table:
    table = new_table(title, "stage", ">documents", "", ">dropped", "of which")
    everything = max(report.documents(), 1)
    for step in report.funnel():
        share = step.documents_dropped / max(step.documents_in, 1)
        dropped = f"{step.documents_dropped:,} ({share:.1%})" if step.documents_dropped else "0"
        table.add_row(
            step.stage,
            f"{step.documents_out:,}",
            Text(bar(step.documents_out / everything), style="green", no_wrap=True),
            dropped,
            Text(cut(step.cuts) or _reasons(step), style="dim"),
        )
    return table


def cut(cuts: Cuts | None) -> str:
    """What a step cut out of documents that went on; empty for one that does not cut."""
    if cuts is None:
        return ""
    stretches, documents = _counted(cuts.stretches, "stretch", "stretches"), _counted(cuts.documents, "document")
    told = f"{stretches} cut out of {documents} ({size(cuts.bytes)})"
    return f"{told}; {_counted(cuts.whole, 'document')} left whole" if cuts.whole else told


def _counted(count: int, one: str, several: str = "") -> str:
    """So many things, of which one is called this."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def _reasons(step: Step) -> str:
    """The commonest reasons of a step, and how many others there are."""
    reasons = [f"{why(reason)} {count:,}" for reason, count in step.reasons.items()]
    if len(reasons) > SHOWN_REASONS + 1:
        reasons[SHOWN_REASONS:] = [f"{len(reasons) - SHOWN_REASONS} more"]
    return ", ".join(reasons)


def bar(share: float) -> str:
    """A bar of `BAR` characters for a share from 0 to 1, to an eighth of a character."""
    eighths = round(share * BAR * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")


def why(reason: str) -> str:
    return reason.split(".", 1)[-1]


def _by_source(report: Report) -> Table:
    return _outcomes("source", ((name, _counts(outcomes)) for name, outcomes in report.by("source").items()))


def _by_language(report: Report) -> Table:
    return _outcomes("language", commonest({name: _counts(out) for name, out in report.by("language").items()}))


def _counts(outcomes: Mapping[Outcome, int]) -> tuple[int, ...]:
    """All that were read, and of these each outcome."""
    return (sum(outcomes.values()), *(outcomes[outcome] for outcome in OUTCOMES))


def commonest(languages: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, Sequence[int]]]:
    """The languages of which most was read (the first count), and the sums of all others."""
    rows = sorted(languages.items(), key=lambda row: -row[1][0])
    for name, counts in rows[:SHOWN_LANGUAGES]:
        yield name or "(not asked)", counts
    if rest := rows[SHOWN_LANGUAGES:]:
        yield f"{len(rest)} more", [sum(column) for column in zip(*(counts for _, counts in rest), strict=True)]


def _outcomes(what: str, rows: Iterable[tuple[str, Sequence[int]]]) -> Table:
    table = new_table(f"By {what}", what, ">read", ">kept", ">dropped", ">failed", ">kept %")
    for name, (read, kept, *others) in rows:
        counts = (f"{count:,}" for count in (read, kept, *others))
        table.add_row(Text(visible(name)), *counts, f"{kept / max(read, 1):.1%}")
    return table


def _show_examples(console: Console, report: Report) -> None:
    by_reason: dict[str, list[Any]] = {}
    for example in report.examples:
        by_reason.setdefault(example.reason, []).append(example)
    if not by_reason:
        return
    console.print(Text("Some of what was dropped or failed, by rule", style="bold"))
    for reason, examples in by_reason.items():
        limits = sorted({example.threshold for example in examples if example.threshold is not None})
        ends = dict.fromkeys((limits[0], limits[-1])) if limits else ()
        told = " to ".join(behind(limit, reason) for limit in ends)
        console.print(Text(f"{reason}{told and f', threshold {told}'}", style="cyan"))
        for example in examples[:SHOWN_EXAMPLES]:
            name = shortened(visible(example.id or f"{example.shard}, record {example.row}"), NAME_WIDTH)
            line = Text(f"{behind(example.value, reason):>9}  {name:{NAME_WIDTH}}  ")
            line.append(_about(example), style="dim")
            console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
    console.print()


def _about(example: Any) -> str:
    parts = []
    if example.survivor:
        parts.append(f"copy of {survivor(example.model_dump())}:")
    if example.detail:
        parts.append(f"{visible(example.detail)}:" if example.excerpt else visible(example.detail))
    parts.append(visible(example.excerpt))
    return " ".join(part for part in parts if part)


def _show_clusters(console: Console, report: Report) -> None:
    if report.clusters:
        clusters, largest = sum(report.clusters.values()), max(report.clusters)
        console.print(Text(f"{clusters:,} kept documents stand for copies; the largest cluster holds {largest:,}."))
    if report.dedup and report.dedup.candidates:
        candidates, verified = report.dedup.candidates, report.dedup.verified
        console.print(Text(f"Near-duplicates: {candidates:,} candidate pairs compared, {verified:,} alike enough."))


def number(value: float | None) -> str:
    """A measured value, short."""
    if value is None:
        return ""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def measured(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a stage measured, as names and values; where it found nothing of many things, they share a line."""
    zeros = [name for name, value in values.items() if value == 0 and not isinstance(value, bool)]
    gathered = zeros if len(zeros) > MOST_ZEROS else ()
    for name, value in values.items():
        if name not in gathered and value not in ("", None):
            yield name, _day(value) if name == "day" and "undated" in values else _shown(value)
    if gathered:
        yield ", ".join(gathered), number(0)


def behind(value: float | None, reason: str | None) -> str:
    """A value or threshold behind this reason, short; a day as its date."""
    return _day(value) if value is not None and why(reason or "") in DAYS else number(value)


def _day(value: float) -> str:
    """A date from the number that `period` stores (20240131); empty for NaN, which is none."""
    digits = f"{value:08.0f}"
    return "" if math.isnan(value) else f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def _shown(value: str | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(value) if isinstance(value, str) else number(value)


def shortened(text: str, width: int) -> str:
    """The text, cut to this many characters with an ellipsis."""
    return text if len(text) <= width else text[: width - 1] + "…"


def new_table(title: str, *columns: str) -> Table:
    """A table without lines; a column whose name begins with `>` is flush right."""
    table = Table(title=title or None, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        name = column.removeprefix(">")
        table.add_column(name, justify="right" if column != name else "left", header_style="dim", overflow="fold")
    return table


def survivor(row: dict[str, Any]) -> str:
    """The id of a duplicate's survivor; where that was read, too, if the document has the same id."""
    name = visible(row["survivor"])
    if row["survivor"] != row["id"] or row["survivor_shard"] is None:
        return name
    return f"{name} ({visible(row['survivor_shard'])}, record {row['survivor_row']})"


# ---------------------------------------------------------------------- versions


def versions_json(corpus: Corpus) -> list[dict[str, Any]]:
    """The versions for programs, newest first."""
    from curation.render.keeping import marks

    said = marks(corpus)
    return [
        vars(version) | {"gone": version.gone and version.gone.model_dump(), "marks": said.get(version.version, [])}
        for version in reversed(corpus.versions())
    ]


def show_versions(console: Console, corpus: Corpus) -> None:
    """The versions for people, newest first."""
    from curation.render.keeping import marks

    said = marks(corpus)
    table = new_table(corpus.url, ">version", "published (UTC)", "made by", "recipe", "run", ">documents", ">text", "")
    for version in reversed(corpus.versions()):
        published = version.published.strftime("%Y-%m-%d %H:%M:%S")
        numbers = (f"{version.documents:,}", size(version.bytes))
        marked = Text(", ".join(said.get(version.version, ())), style="cyan")
        table.add_row(str(version.version), published, version.kind, version.recipe, version.run, *numbers, marked)
    console.print(table)


# ------------------------------------------------------------------------ others


def show_harvest(console: Console, directory: Path, harvest: Harvest) -> None:
    """What was found on this machine."""
    table = new_table(f"Real text of this machine, in {directory}", "source", ">files", ">documents", ">text")
    for source in harvest.sources:
        table.add_row(source.name, f"{source.files:,}", f"{source.documents:,}", size(source.bytes))
    console.print(table)
    console.print(f"{sum(source.documents for source in harvest.sources):,} documents.")


def show_checks(console: Console, url: str, checks: Sequence[Check]) -> None:
    """What the doctor found."""
    table = new_table(url, "check", "", "found")
    for check in checks:
        mark = Text("ok", style="green") if check.ok else Text("REFUSED", style="bold red")
        table.add_row(check.name, mark, Text(f"{check.found} {check.advice}".strip()))
    console.print(table)


def stages_json(kinds: Mapping[str, type[Stage]]) -> list[dict[str, Any]]:
    """Stages for programs, each with its JSON Schema."""
    return [
        {
            "kind": kind,
            "version": stage.version,
            "about": _about_stage(stage),
            "reference": stage.reference,
            "schema": stage.model_json_schema(),
        }
        for kind, stage in kinds.items()
    ]


def show_stages(console: Console, kinds: Mapping[str, type[Stage]]) -> None:
    """Stages for people."""
    for kind, stage in kinds.items():
        table = new_table(kind, "option", "default", "meaning")
        for name, field in stage.model_fields.items():
            if name not in ("kind", "name"):
                default = "(required)" if field.is_required() else visible(str(_plain(field.default)))
                table.add_row(Text(name), Text(default), Text(field.description or ""))
        console.print(table)
        console.print(Text(_about_stage(stage)))
        if stage.reference:
            console.print(Text(f"Source: {stage.reference}", style="dim"))
        console.print()


def _about_stage(stage: type[Stage]) -> str:
    return " ".join((stage.__doc__ or "").split("\n\n")[0].split())


def _plain(default: Any) -> Any:
    return list(default) if isinstance(default, tuple | frozenset) else default
