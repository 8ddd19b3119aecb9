"""Tokenizers, which count tokens: training one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from curation.cli.app import app
from curation.cli.options import LIBRARY, VersionOption
from curation.errors import InputError, Problem, RecipeError

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Tokenizers, which count tokens.")
app.add_typer(group, name="tokenizer", rich_help_panel=LIBRARY)

MB = 1_000_000


@group.command()
def train(
    text: Annotated[list[str], typer.Argument(metavar="CORPUS|FILES...", help="A corpus, or files of documents.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the tokenizer.json goes.")],
    vocabulary: Annotated[int, typer.Option("--vocab", min=257, max=1_000_000, help="How many tokens.")] = 32_000,
    version: VersionOption = None,
    megabytes: Annotated[int, typer.Option("--megabytes", min=1, help="Of text to learn from, at most.")] = 200,
) -> None:
    """Train a byte-level BPE tokenizer. The same text gives the same file."""
    from curation.mixture.training import train_tokenizer

    if not out.parent.is_dir():
        raise RecipeError([Problem("--out", f"{out}: there is no folder {out.parent}")])
    learned = train_tokenizer(_texts(text, version, megabytes * MB), vocabulary)
    try:
        out.write_text(learned, encoding="utf-8")
    except OSError as error:
        raise RecipeError([Problem("--out", f"{out}: {error.strerror}")]) from None
    sha256 = hashlib.sha256(learned.encode()).hexdigest()
    print(f"{out}: SHA-256 {sha256}. Name it in a recipe: {{kind: tokens, tokenizer: {out}}}")


def _texts(places: list[str], version: str | None, most_bytes: int) -> Iterator[str]:
    """Of a corpus an even sample of its documents; of files the first ones."""
    from curation.corpus import Corpus
    from curation.mixture.training import sampled_texts
    from curation.tags import resolve

    if len(places) == 1 and (opened := Corpus(places[0])).versions():
        manifest = opened.manifest_of(opened.readable(resolve(opened, version).version))
        with opened.saying_what_is_gone(manifest.version):
            yield from sampled_texts(opened.storage, manifest, most_bytes)
        return
    if version is not None:
        raise RecipeError([Problem("--version", f"{', '.join(places)} is no corpus")])
    left = most_bytes
    for text in _file_texts(places):
        left -= len(text.encode())
        if left < 0:
            return
        yield text


def _file_texts(uris: list[str]) -> Iterator[str]:
    from curation.document import TEXT
    from curation.sources import Limits, Source, read_shard
    from curation.storage import find

    for uri in uris:
        source = Source(name="text", uri=uri)
        storage, entries = find(uri)
        if not entries:
            raise InputError(f"nothing matches {uri}")
        for entry in entries:
            for chunk in read_shard(storage, entry, source, Limits()):
                yield from chunk.batch[TEXT].to_pylist()
