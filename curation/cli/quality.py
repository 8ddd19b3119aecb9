"""Classifiers of quality: training one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from curation.cli.app import app
from curation.cli.options import LIBRARY, JsonOption, print_json
from curation.errors import InputError, Problem, RecipeError

if TYPE_CHECKING:
    import pyarrow as pa

    from curation.quality.training import Trained, TrainingFile
    from curation.storage import Entry, Storage

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Classifiers of quality.")
app.add_typer(group, name="quality", rich_help_panel=LIBRARY)

DEFAULT_NGRAMS = {"form": 1, "words": 2}


@group.command()
def train(
    positive: Annotated[
        list[str], typer.Option("--positive", metavar="URI", help="Files of good documents, or a glob; repeatable.")
    ],
    negative: Annotated[
        list[str], typer.Option("--negative", metavar="URI", help="Files of bad documents, or a glob; repeatable.")
    ],
    out: Annotated[
        str, typer.Option("--out", metavar="MODEL", help="Where the model goes (.bin), its card beside it.")
    ],
    view: Annotated[
        Literal["form", "words"],
        typer.Option("--view", help="What it sees of a text: how it is written, or its words."),
    ] = "form",
    group_by: Annotated[
        str | None,
        typer.Option("--group", metavar="FIELD", help="Test on whole groups, such as sources, that it has not seen."),
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="FIELD", help="Figures for each value; default: lang.")
    ] = None,
    held_out: Annotated[
        float, typer.Option("--held-out", min=0.01, max=0.9, help="Share of documents to test on, without --group.")
    ] = 0.2,
    dim: Annotated[int, typer.Option("--dim", min=1, max=1024, help="Size of the vectors.")] = 16,
    epochs: Annotated[int, typer.Option("--epochs", min=1, max=1000, help="How often each document is seen.")] = 10,
    lr: Annotated[float, typer.Option("--lr", min=0.0001, max=10, help="Learning rate.")] = 0.1,
    word_ngrams: Annotated[
        int | None,
        typer.Option(
            "--word-ngrams", min=1, max=10, help="Longest sequence of words; default: 2 for words, 1 for form."
        ),
    ] = None,
    min_n: Annotated[int, typer.Option("--min-n", min=0, max=20, help="Shortest sequence of characters.")] = 0,
    max_n: Annotated[int, typer.Option("--max-n", min=0, max=20, help="Longest sequence of characters; 0: none.")] = 0,
    buckets: Annotated[
        int, typer.Option("--buckets", min=1, max=100_000_000, help="Rows that all sequences share.")
    ] = 200_000,
    min_count: Annotated[int, typer.Option("--min-count", min=1, help="Rarer words are not known.")] = 1,
    loss: Annotated[Literal["softmax", "hs", "ns"], typer.Option("--loss", help="What is made small.")] = "softmax",
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="Of fastText's random numbers.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train a classifier of quality, and say how good it is. The same documents give the same file."""
    from curation.quality.card import SUFFIX, Options
    from curation.quality.training import train as train_classifier

    if max_n and min_n > max_n:
        raise RecipeError([Problem("--min-n", f"{min_n} is more than --max-n, {max_n}")])
    options = Options(
        view=view,
        dim=dim,
        epochs=epochs,
        lr=lr,
        word_ngrams=word_ngrams or DEFAULT_NGRAMS[view],
        min_n=min_n,
        max_n=max_n,
        buckets=buckets,
        min_count=min_count,
        loss=loss,
        seed=seed,
        held_out=held_out,
        group=group_by,
    )
    storage, name = _folder_of(out)
    trained = train_classifier(training_files(positive, negative), options, by or ("lang",))
    storage.write(name, trained.data)
    storage.write(name + SUFFIX, trained.card.model_dump_json(indent=1).encode())
    if as_json:
        print_json(trained.card.model_dump(mode="json"))
    else:
        _show(out, trained)


def training_files(positive: Sequence[str], negative: Sequence[str]) -> Iterator[TrainingFile]:
    """The files at these URIs or globs, in any format that sources have. Raises InputError where nothing matches."""
    from curation.quality.training import TrainingFile
    from curation.storage import find, object_url

    labels: tuple[tuple[Literal["positive", "negative"], Sequence[str]], ...]
    labels = (("positive", positive), ("negative", negative))
    for label, uris in labels:
        for uri in uris:
            storage, entries = find(uri)
            if not entries:
                raise InputError(f"nothing matches {uri}")
            for entry in entries:
                yield TrainingFile(label, object_url(storage, entry.key), _chunks(storage, entry, uri))


def _chunks(storage: Storage, entry: Entry, uri: str) -> Iterator[tuple[pa.RecordBatch, int]]:
    from curation.sources import Limits, Source, read_shard

    for chunk in read_shard(storage, entry, Source(name="training", uri=uri), Limits()):
        yield chunk.batch, len(chunk.failures)


def _folder_of(url: str) -> tuple[Storage, str]:
    """The storage that a file goes to, and its key there. Raises RecipeError for what is no path of a file."""
    from curation.storage import open_storage

    folder, _, name = url.rpartition("/")
    if not name or any(sign in name for sign in "*?["):
        raise RecipeError([Problem("--out", f"{url}: expected the path of a file")])
    return open_storage(folder or ("/" if url.startswith("/") else ".")), name


def _show(out: str, trained: Trained) -> None:
    from rich.text import Text

    from curation.render import new_table, screen, visible

    card, found, console = trained.card, trained.card.evaluation, screen()
    console.print(
        f"Trained on {card.trained_on['positive']:,} positive and {card.trained_on['negative']:,} negative documents; "
        f"tested on {found.positive:,} and {found.negative:,}: {found.method}.",
        highlight=False,
    )
    if left := [f"{count:,} {why}" for why, count in card.left_out.items() if count]:
        console.print(f"Left out: {', '.join(left)}.", highlight=False)
    console.print(
        f"AUC {found.auc:.4f} (95 % interval {found.auc_low:.4f} to {found.auc_high:.4f}), "
        f"calibration error {found.calibration_error:.3f}",
        highlight=False,
    )
    reliability = new_table("Calibration", "score", ">documents", ">mean score", ">positive")
    for row in found.reliability:
        if row.documents and row.mean_score is not None and row.positive_share is not None:
            share = f"{row.positive_share:.3f}"
            reliability.add_row(
                f"{row.low:.1f} to {row.high:.1f}", f"{row.documents:,}", f"{row.mean_score:.3f}", share
            )
    console.print(reliability)
    for name, groups in found.by.items():
        columns = (">positive", ">negative", ">AUC", "95 % interval", "against")
        table = new_table(f"By {visible(name)}", visible(name), *columns)
        for value, each in groups.items():
            auc = "" if each.auc is None else f"{each.auc:.4f}"
            interval = "" if each.low is None or each.high is None else f"{each.low:.4f} to {each.high:.4f}"
            table.add_row(Text(visible(value)), f"{each.positive:,}", f"{each.negative:,}", auc, interval, each.against)
        console.print(table)
    tops = ", ".join(f"{float(share):.0%}: {score:.6f}" for share, score in found.top.items())
    console.print(f"Scores that the top of the tested documents reach: {tops}", highlight=False)
    console.print(f"{out}: {len(trained.data):,} bytes, SHA-256 {card.sha256}; its card is {out}.json", highlight=False)
    print(
        "In a recipe: {kind: quality_classifier, min_score: 0.5, classifiers: [{path: "
        f"{out}, view: {card.options.view}, sha256: {card.sha256}}}]}}"
    )
