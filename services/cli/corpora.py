"""`curation corpora …`: what the service's corpora hold, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from curation.cli import SERVICE
from services.cli import upkeep
from services.cli.login import open_client
from services.cli.options import CommandError
from services.cli.show import JsonOption, moment, say, show_facts, show_json, show_table, text
from services.cli.whatif import what_if

if TYPE_CHECKING:
    from services.client import Client
    from services.insights.models import (
        Corpus,
        Decision,
        Explanation,
        Funnel,
        FunnelStep,
        Histogram,
        Reasons,
        Samples,
        Statistics,
        VersionChange,
    )

HELP = """What the service's corpora hold, and why. `corpora NAME …` is `corpora show NAME …`; `corpora` alone lists
them."""
SHOWN_REASONS = 3


class _ShowUnlessToldOtherwise(TyperGroup):
    """`corpora NAME …` is `corpora show NAME …`, and `corpora` alone lists them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_said = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if is_said else ["show", *args])


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=_ShowUnlessToldOtherwise, help=HELP)
    for command in (show, add, forget, *upkeep.COMMANDS):
        group.command()(command)
    group.command("what-if")(what_if)
    app.add_typer(group, name="corpora", rich_help_panel=SERVICE)


def show(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show this corpus; default: list them.")] = None,
    version: Annotated[
        str | None, typer.Option("--version", metavar="N", help="Or a tag; default: the newest.")
    ] = None,
    versions: Annotated[bool, typer.Option("--versions", help="What has been published, newest first.")] = False,
    change: Annotated[bool, typer.Option("--change", help="How the version came of the one before it.")] = False,
    funnel: Annotated[bool, typer.Option("--funnel", help="Where every document went, stage by stage.")] = False,
    reasons: Annotated[bool, typer.Option("--reasons", help="Why documents were dropped, most first.")] = False,
    samples: Annotated[
        str | None, typer.Option("--samples", metavar="REASON", help="Some of what was dropped for it.")
    ] = None,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="DOC_ID", help="Why this document was kept or dropped.")
    ] = None,
    histogram: Annotated[
        str | None,
        typer.Option("--histogram", metavar="COLUMN", help="How a measured number is spread, such as language.score."),
    ] = None,
    statistics: Annotated[bool, typer.Option("--statistics", help="By source and by language.")] = False,
    mixture: Annotated[bool, typer.Option("--mixture", help="The sources' shares.")] = False,
    manifest: Annotated[bool, typer.Option("--manifest", help="The version's files, as JSON for trainers.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Funnel, sources, languages and samples together.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The corpora, or what is in one of them."""
    asked: list[tuple[Any, Callable[[Client, str], Any], Callable[[Any], None]]] = [
        (versions, lambda c, n: list(c.corpora.versions(n)), _show_versions),
        (change, lambda c, n: c.corpora.change(n, version), _show_change),
        (funnel, lambda c, n: c.corpora.funnel(n, version), _show_funnel),
        (reasons, lambda c, n: c.corpora.reasons(n, version), _show_reasons),
        (samples, lambda c, n: c.corpora.samples(n, str(samples), version), _show_samples),
        (explain, lambda c, n: c.corpora.explain(n, str(explain), version), _show_explanation),
        (histogram, lambda c, n: c.corpora.histogram(n, str(histogram), version), _show_histogram),
        (statistics, lambda c, n: c.corpora.statistics(n, version), _show_statistics),
        (mixture, lambda c, n: c.corpora.mixture(n, version), _show_mixture),
        (manifest, lambda c, n: c.corpora.manifest(n, version), show_json),
        (report, lambda c, n: _report(c, n, version), _show_report),
    ]
    chosen = [(read, show) for is_asked, read, show in asked if is_asked]
    if len(chosen) > 1 or (chosen and name is None):
        raise CommandError("expected a corpus's name and at most one question about it")
    with open_client() as client:
        if name is None:
            found = list(client.corpora.list())
            show_json(found) if as_json else _show_corpora(found)
            return
        read, show = chosen[0] if chosen else (lambda c, n: _corpus(c, n, version), _show_corpus)
        answer = read(client, name)
    show_json(answer) if as_json else show(answer)


def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="A folder or s3://bucket/prefix, below the roots.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Default: the last part of its address.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a corpus known that is there already."""
    with open_client() as client:
        found = client.corpora.register(url, name)
    if as_json:
        show_json(found)
    else:
        say(f"{found.name} is known: {found.url}")


def forget(name: Annotated[str, typer.Argument(metavar="NAME", help="A corpus that the service knows.")]) -> None:
    """Take a corpus out of the list. It stays where it is."""
    with open_client() as client:
        client.corpora.forget(name)
    say(f"{name} is forgotten; nothing of it was deleted.")


def _corpus(client: Client, name: str, version: str | None) -> Any:
    return client.corpora.get(name) if version is None else client.corpora.version(name, version)


def _report(client: Client, name: str, version: str | None) -> dict[str, Any]:
    """Everything that `curation report` shows, of one version even if another is published meanwhile."""
    found = client.corpora.version(name, version)
    reasons = client.corpora.reasons(name, found.version)
    return {
        "corpus": client.corpora.get(name),
        "version": found,
        "funnel": client.corpora.funnel(name, found.version),
        "statistics": client.corpora.statistics(name, found.version),
        "reasons": reasons,
        "samples": [client.corpora.samples(name, one.reason, found.version, limit=3) for one in reasons.reasons],
    }


# ------------------------------------------------------------------------------- show


def _show_corpora(found: list[Any]) -> None:
    if found:
        show_table("", ("corpus", "where", "known since"), ((c.name, c.url, c.created) for c in found))
    else:
        say("No corpora.")


def _show_corpus(found: Any) -> None:
    facts = found.model_dump()
    newest = facts.pop("newest", None) or {}
    show_facts((_named(key), value) for key, value in {**facts, **newest}.items())


def _show_versions(found: list[Any]) -> None:
    columns = (">version", "published", "recipe", "run", ">documents", ">text", "")
    rows = ((v.version, v.published, v.recipe, v.run, v.documents, _size(v.bytes), v.gone or "") for v in found)
    show_table("", columns, rows)


def _show_change(found: VersionChange) -> None:
    looked = found.looked
    files = f"{len(looked.new):,} new, {len(looked.changed):,} changed, {len(looked.vanished):,} vanished"
    show_facts(
        [
            ("version", found.version),
            ("made by", found.kind),
            ("from", found.base or "nothing"),
            ("input files", f"{files}, {looked.unchanged:,} as they were" if found.kind == "refresh" else ""),
            ("read", f"{found.documents_read:,} documents, of which {found.kept.documents:,} are kept"),
            ("promoted", found.promoted or ""),
            ("stranded", found.stranded or ""),
            ("approved by", found.approved and found.approved.by),
        ]
    )
    if found.removed:
        rows = ((gone.reason, gone.source, gone.documents, _size(gone.bytes)) for gone in found.removed)
        show_table("Kept before, and not any more", ("reason", "source", ">documents", ">text"), rows)
    if found.breaches:
        show_table("Gates that it does not pass", ("gate",), ((breach.message,) for breach in found.breaches))


def _show_funnel(found: Funnel) -> None:
    show_steps(f"Version {found.version}", found.steps)


def show_steps(title: str, steps: Sequence[FunnelStep]) -> None:
    """A funnel: how many documents went on from each step, and why the others did not."""
    from curation.render import bar

    most = max((step.documents_in for step in steps), default=0) or 1
    rows = (
        (step.stage, step.documents_out, bar(step.documents_out / most), step.documents_dropped, _told(step))
        for step in steps
    )
    show_table(title, ("stage", ">go on", "", ">dropped", "why"), rows)


def _told(step: FunnelStep) -> str:
    """What a step cut, or the commonest reasons of its drops, and how many others there are."""
    from curation.render import cut

    if step.cuts is not None:
        return cut(step.cuts)
    reasons = [f"{reason.split('.', 1)[-1]} {count:,}" for reason, count in step.reasons.items()]
    if len(reasons) > SHOWN_REASONS + 1:
        reasons[SHOWN_REASONS:] = [f"{len(reasons) - SHOWN_REASONS} more"]
    return ", ".join(reasons)


def _show_reasons(found: Reasons) -> None:
    rows = ((r.reason, r.stage, r.outcome, r.documents, f"{r.share:.2%}", _size(r.bytes)) for r in found.reasons)
    columns = ("reason", "stage", "outcome", ">documents", ">share", ">text")
    show_table(f"Version {found.version}, {found.documents_read:,} documents read", columns, rows)


def _show_samples(found: Samples) -> None:
    from curation.render import behind, shortened

    rows = (
        (
            shortened(text(s.id or f"{s.shard}, record {s.row}"), 48),
            behind(s.value, found.reason),
            behind(s.threshold, found.reason),
            f"copy of {text(s.survivor)}" if s.survivor else text(s.detail),
            shortened(text(s.excerpt), 60),
        )
        for s in found.samples
    )
    title = f"{text(found.reason)}: {len(found.samples)} of {found.documents:,} documents"
    show_table(title, ("document", ">measured", ">threshold", "", "begins"), rows)


def _show_explanation(found: Explanation) -> None:
    from curation.render import measured

    for decision in found.decisions:
        say(f"{found.id}: {_sentence(decision)}")
        say(f"source {decision.source}, {decision.shard}, record {decision.row}; version {found.version}")
        rows = [
            (stage if index == 0 else "", name, shown)
            for stage, values in decision.values.items()
            for index, (name, shown) in enumerate(measured(values))
        ]
        show_table("", ("stage", "value", ">measured"), rows)
    if found.more:
        say("The input held this id more often; only some are shown.")


def _sentence(decision: Decision) -> str:
    from curation.render import behind, number

    if decision.outcome == "kept":
        return "kept"
    said = f"{decision.outcome} by {decision.reason}"
    if decision.value is not None and decision.threshold is not None:
        said += f": measured {behind(decision.value, decision.reason)}"
        said += f", threshold {behind(decision.threshold, decision.reason)}"
    if decision.detail:
        said += f" ({decision.detail})"
    if decision.survivor:
        said += f"; survivor {decision.survivor}, verified similarity {number(decision.similarity)}"
    return said


def _show_statistics(found: Statistics) -> None:
    from curation.render import commonest

    sources, languages = (
        {group.name: (group.documents_read, group.documents) for group in groups}
        for groups in (found.sources, found.languages)
    )
    _show_groups("source", sources.items())
    _show_groups("language", commonest(languages))


def _show_groups(what: str, groups: Iterable[tuple[str, Sequence[int]]]) -> None:
    rows = ((name, read, kept, f"{kept / max(read, 1):.1%}") for name, (read, kept) in groups)
    show_table(f"By {what}", (what, ">read", ">kept", ">kept %"), rows)


def _show_histogram(found: Histogram) -> None:
    from curation.render import bar, number

    most = max((*map(sum, zip(found.kept, found.dropped, strict=True)), 1))
    rows = (
        (f"{number(low)} to {number(high)}", kept, dropped, bar((kept + dropped) / most))
        for low, high, kept, dropped in zip(found.edges, found.edges[1:], found.kept, found.dropped, strict=False)
    )
    show_table(found.column, (">value", ">kept", ">dropped", ""), rows)
    if found.missing:
        say(f"{found.missing:,} documents have no value: another rule had dropped them before.")


def _show_mixture(found: Any) -> None:
    rows = (
        (p.source, p.documents, f"{p.share_documents:.1%}", _size(p.bytes), f"{p.share_bytes:.1%}") for p in found.parts
    )
    show_table(f"Version {found.version}", ("source", ">documents", ">share", ">text", ">share"), rows)
    if found.plan is not None:
        from curation.render import screen
        from curation.render.mixture import show_mixture

        print()
        show_mixture(screen(), found.plan)
    if found.problem is not None:
        say(f"The recipe's mixture does not fit: {found.problem}")


def _show_report(found: dict[str, Any]) -> None:
    corpus: Corpus = found["corpus"]
    _show_funnel(found["funnel"])
    print()
    _show_statistics(found["statistics"])
    print()
    for samples in found["samples"]:
        _show_samples(samples)
    version, funnel = found["version"], found["funnel"]
    read = funnel.steps[0].documents_in if funnel.steps else 0
    say(f"{version.documents:,} of {read:,} documents kept ({_size(version.bytes)}), every one of them accounted for.")
    say(f"Corpus: {corpus.name} at {corpus.url}")
    say(f"Version {version.version}, published {moment(version.published)} by the run {version.run}")


def _named(field: str) -> str:
    return field.replace("_", " ")


def _size(count: int) -> str:
    from curation.render import size

    return size(count)
