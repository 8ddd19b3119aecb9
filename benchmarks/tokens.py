"""Counting tokens: MB/s of each library that has the same vocabulary, on one thread, in several languages; same counts.

    .venv/bin/python benchmarks/tokens.py [FILES...]

FILES are .jsonl.gz shards; by default prose, code and logs of ../shared/data. Ours is the whole stage, over Arrow's
buffers: cold (half of the documents, by a tokenizer that has just been loaded), new text (then the other half), and
warm (all of them once more). The peers are given Python strings, as they take nothing else. Processor time.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import awkward  # type: ignore[import-untyped]  # noqa: F401, so that its import is not counted
import pyarrow as pa
from tokenizers import Tokenizer

from curation.mixture.tokenizer import BUILT_IN, load_tokenizer, parse_tokenizer
from curation.mixture.training import train_tokenizer

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import bpe_openai  # type: ignore[import-untyped]

SHARED = Path(__file__).parent.parent.parent / "shared" / "data" / "shards"
SOURCES = ("wikipedia", "company-docs", "books", "debian-docs", "udhr", "logs-loghub")
Made = TypeVar("Made")
VOCABULARY = 32_000
REPEATS = 3


def main() -> None:
    texts = [json.loads(line)["text"] for path in files() for line in gzip.decompress(path.read_bytes()).splitlines()]
    size = sum(len(text.encode()) for text in texts)
    print(f"{len(texts):,} documents, {size / 1e6:.1f} MB")
    batch = pa.array(texts, pa.large_string())
    met, unmet = (pa.array(texts[start::2], pa.large_string()) for start in (0, 1))
    for name in BUILT_IN:
        counter = load_tokenizer(name).counter
        cold, _ = once(lambda counter=counter: counter.count(met))  # type: ignore[misc]
        show(f"{name}, ours, cold", cold, met.nbytes)
        new, _ = once(lambda counter=counter: counter.count(unmet))  # type: ignore[misc]
        show(f"{name}, ours, new text", new, unmet.nbytes)
        ours = counter.count(batch).tolist()
        warm, _ = least(lambda counter=counter: counter.count(batch).tolist())  # type: ignore[misc]
        show(f"{name}, ours, warm", warm, size)
        for peer, count in peers(name).items():
            spent, theirs = least(lambda count=count: [count(text) for text in texts])  # type: ignore[misc]
            show(f"{name}, {peer}", spent, size, f"{same(ours, theirs)} counts equal")
    spent, described = once(lambda: train_tokenizer(texts, VOCABULARY))
    show(f"training {VOCABULARY:,} tokens", spent, size)
    counter, reference = parse_tokenizer(described.encode()), Tokenizer.from_str(described)
    cold, ours = once(lambda: counter.count(batch).tolist())
    show("trained here, ours, cold", cold, size)
    show("trained here, ours, warm", least(lambda: counter.count(batch).tolist())[0], size)
    spent, theirs = once(lambda: [len(reference.encode(text, add_special_tokens=False).ids) for text in texts])
    show("trained here, tokenizers", spent, size, f"{same(ours, theirs)} counts equal")
    counted = sum(load_tokenizer(name).counter.count(batch))
    print(f"tokens by the rule of four bytes: {size // 4:,}; by {name}: {counted:,}")


def peers(name: str) -> dict[str, Callable[[str], int]]:
    """What else counts by this vocabulary; rs_bpe where it is installed."""
    found = {"bpe-openai": bpe_openai.get_encoding(name)._backend.count}
    if find_spec("rs_bpe"):
        from rs_bpe import openai

        found["rs_bpe"] = getattr(openai, name)().count
    return found


def files() -> list[Path]:
    if sys.argv[1:]:
        return list(map(Path, sys.argv[1:]))
    return sorted(path for source in SOURCES for path in (SHARED / source).glob("*.gz"))


def same(one: list[int], other: list[int]) -> str:
    equal = sum(a == b for a, b in zip(one, other, strict=True))
    return f"{equal:,}/{len(one):,}"


def show(name: str, seconds: float, size: int, said: str = "") -> None:
    print(f"{name:32} {size / seconds / 1e6:8.1f} MB/s  {said}")


def once(work: Callable[[], Made]) -> tuple[float, Made]:
    begin = time.process_time()
    made = work()
    return time.process_time() - begin, made


def least(work: Callable[[], Made]) -> tuple[float, Made]:
    """The least processor time of a few runs."""
    return min((once(work) for _ in range(REPEATS)), key=lambda run: run[0])


if __name__ == "__main__":
    main()
