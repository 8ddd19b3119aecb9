"""How a decision about a document, the copies that stand for it, and its history are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation import document
from curation.decision import KEPT
from curation.render import behind, measured, new_table, number, survivor, visible, why

if TYPE_CHECKING:
    from curation.corpus import Corpus, Version
    from curation.explanation import Row
    from curation.history import Chain, History, Moment
    from curation.manifest import Manifest

_GONE = {
    "input_left": "its input file left",
    "input_changed": "its input file has other content, without this record",
    "unaccounted": "there is no decision about it any more, though its input file is as it was",
}
_END = {
    "kept": "",
    "dropped": "No copy is kept: the last one was dropped in its turn.",
    "gone": "The copy that is named here is not in this version any more.",
    "circular": "The copy that is named here is among these already: the decisions go round in a circle.",
}


def explanation_json(corpus: Corpus, version: Version, document_id: str) -> list[dict[str, Any]]:
    """The decisions about a document for programs, each with the copies that stand for it."""
    return [
        {**row, "survivors": chain.model_dump(mode="json")} for row, chain in _explained(corpus, version, document_id)
    ]


def show_explanation(console: Console, corpus: Corpus, version: Version, document_id: str) -> None:
    """The decisions about a document, and the copies that stand for it."""
    manifest = corpus.manifest_of(version)
    explained = _explained(corpus, version, document_id)
    if len(explained) > 1:
        console.print(f"The input held this id {len(explained)} times.")
    for row, chain in explained:
        console.print()
        console.print(Text(f"{visible(row['id'])}: {_sentence(row)}", style="bold"), soft_wrap=True)
        console.print(Text(f"source {row['source']}, {visible(row['shard'])}, record {row['row']}"), soft_wrap=True)
        decided = f"recorded in version {row['version']}" if row["version"] != manifest.version else f"run {row['run']}"
        console.print(Text(f"version {manifest.version}, {decided}, {row['bytes'] or 0:,} bytes of text"))
        console.print(_values(manifest, row))
        _show_cuts(console, manifest, row)
        _show_chain(console, chain)


def show_history(console: Console, found: History) -> None:
    """Every version in which something about the document changed."""
    table = new_table(
        f"{visible(found.id)} from version to version", ">version", "published (UTC)", "made by", "what", "read from"
    )
    for moment in found.moments:
        table.add_row(
            str(moment.version),
            moment.published.strftime("%Y-%m-%d %H:%M:%S"),
            moment.kind,
            Text(_told(found.id, moment), style="green" if moment.outcome == KEPT else ""),
            Text(f"{visible(moment.source)}, {visible(moment.shard)}, record {moment.row}", style="dim"),
        )
    console.print(table)
    if found.unknown:
        versions = ", ".join(map(str, found.unknown))
        console.print(Text(f"What these versions said is not known, their files have been removed: {versions}."))


def _explained(corpus: Corpus, version: Version, document_id: str) -> list[tuple[Row, Chain]]:
    from curation.history import survivors

    manifest = corpus.manifest_of(version)
    about = corpus.decisions_about(manifest, document_id)
    return [(found.row, survivors(corpus, manifest, found)) for found in about]


def _values(manifest: Manifest, row: Row) -> Table:
    """What each stage that the document came to has measured."""
    table = new_table("", "stage", "value", ">measured")
    names = [str(stage["name"]) for stage in manifest.recipe["stages"]]  # type: ignore[attr-defined]
    for name in names:
        values = {why(key): value for key, value in row.items() if key.startswith(f"{name}.") and value is not None}
        values.pop("cuts", None)
        for index, (key, shown) in enumerate(measured(values)):
            table.add_row(name if index == 0 else "", key, shown)
        if row["stage"] == name:
            table.add_row(name if not values else "", Text("dropped here", style="red"), "")
            break
    return table


def _show_cuts(console: Console, manifest: Manifest, row: Row) -> None:
    """What was cut out of the document because it stands elsewhere first."""
    from curation.dedup.spans import listed

    for stage in manifest.recipe["stages"]:  # type: ignore[attr-defined]
        cuts = listed(row.get(f"{stage['name']}.cuts"))
        for taken in cuts:
            first = visible(taken.first_id or "a document without id")
            where = f"{visible(taken.first_shard)}, record {taken.first_row}, at {taken.first_begin:,}"
            told = f"{stage['name']} cut {taken.end - taken.begin:,} bytes at {taken.begin:,}"
            console.print(Text(f"{told}; they stand first in {first} ({where})"), soft_wrap=True)
        if (rest := (row.get(f"{stage['name']}.spans") or 0) - len(cuts)) > 0:
            console.print(Text(f"{stage['name']} cut {rest:,} more"))


def _show_chain(console: Console, chain: Chain) -> None:
    """From copy to copy, where there is more to say than the decision itself does."""
    if len(chain.links) < 2 and chain.end == "kept":
        return
    if chain.links:
        console.print(Text("The copies that stand for it", style="bold"))
    for link in chain.links:
        why = link.outcome if link.reason is None else f"{link.outcome} by {link.reason}"
        where = f"source {visible(link.source)}, {visible(link.shard)}, record {link.row}"
        console.print(
            Text(f"  {visible(link.id)}: {why}, recorded in version {link.version} ({where})"), soft_wrap=True
        )
    if chain.links or chain.end == "gone":
        console.print(Text(_END[chain.end]))


def _told(document_id: str, moment: Moment) -> str:
    if moment.why is not None:
        return f"not in this version: {_GONE[moment.why]}"
    return _sentence({**moment.model_dump(), document.ID: document_id})


def _sentence(row: dict[str, Any]) -> str:
    if row["outcome"] == KEPT:
        return "kept"
    text = f"{row['outcome']} by {row['reason']}"
    if row["value"] is not None and row["threshold"] is not None:
        text += f": measured {behind(row['value'], row['reason'])}, threshold {behind(row['threshold'], row['reason'])}"
    if row["detail"]:
        text += f" ({visible(row['detail'])})"
    if row["survivor"]:
        text += f"; survivor {survivor(row)}, verified similarity {number(row['similarity'])}"
    return text
