"""Small models and documents for the tests of quality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from curation.cli.quality import training_files
from curation.quality.card import SUFFIX, Options
from curation.quality.training import Trained, train

PROSE = (
    "The boats came back before noon, and nobody said much.",
    "We waited at the harbour until the tide had turned. It was cold!",
    "“You are late,” she said. He did not answer her.",
    "Why would they leave so early? The reasons, he wrote, were many.",
)
JUNK = ("HOME LOGIN CART 12 34", "id=0x3f;rc=1;t=88123", "Buy NOW | 50% OFF | CLICK", "a1 b2 c3 d4 -- ## 99")


def texts_of(lines: Sequence[str], count: int) -> list[str]:
    """So many different texts of these lines."""
    return ["\n".join(lines[(n * k) % len(lines)] for k in range(1, 3 + n % 3)) + f"\n{n}" for n in range(count)]


def written(path: Path, texts: Sequence[str], **fields: object) -> str:
    """The path of a file of these documents; fields that are functions give each its own value."""
    rows = [{"text": text} | {k: v(n) if callable(v) else v for k, v in fields.items()} for n, text in enumerate(texts)]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return str(path)


def trained(folder: Path, **options: object) -> Trained:
    """A model of PROSE against JUNK."""
    good = written(folder / "good.jsonl", texts_of(PROSE, 60), lang="en")
    bad = written(folder / "bad.jsonl", texts_of(JUNK, 60), lang="en")
    return train(training_files([good], [bad]), Options.model_validate(options))


def model_at(path: Path, **options: object) -> str:
    """The path of such a model, with its card beside it."""
    found = trained(path.parent, **options)
    path.write_bytes(found.data)
    Path(f"{path}{SUFFIX}").write_text(found.card.model_dump_json())
    return str(path)
