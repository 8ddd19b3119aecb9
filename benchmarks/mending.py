"""Addresses, repair and code: documents/s and MB/s of the stages `urls`, `repair` and `code`, one thread.

    .venv/bin/python benchmarks/mending.py [urls | repair | code]

`urls` looks 100,000 made-up addresses up in a made-up list of a million domains, with words and substrings. `repair` is
set against ftfy's own fix_text on the same texts of ../shared/data, by language; the texts must come out the same.
`code` runs over the Python files of this interpreter's library. Processor time, the least of three.
"""

from __future__ import annotations

import random
import sys
import sysconfig
import tempfile
import time
from functools import partial
from pathlib import Path

import pyarrow as pa
from clock import seconds
from ftfy import TextFixerConfig, fix_text
from sources import read

from curation.document import document_batch
from curation.rules import Code, Repair, Urls
from curation.stage import RowStage

DOMAINS, ADDRESSES = 1_000_000, 100_000
TEXTS = (
    *(
        ("en", "company-docs"),
        ("en", "debian-docs"),
        ("fr", "debian-docs"),
        ("de", "debian-docs"),
        ("ru", "debian-docs"),
    ),
    *(("pl", "debian-man"), ("ja", "debian-man"), ("zh", "debian-man")),
)
CONFIG = TextFixerConfig(
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    normalization=None,
    explain=False,
)


def main() -> None:
    for name, measure in (("urls", urls), ("repair", repair), ("code", code)):
        if name in (sys.argv[1:] or [name]):
            measure()


def urls() -> None:
    draw = random.Random(1)
    domains = [f"{draw.getrandbits(48):x}.com" for _ in range(DOMAINS)]
    hosts = (domains[draw.randrange(DOMAINS)] if i % 2 else f"{draw.getrandbits(48):x}.org" for i in range(ADDRESSES))
    addresses = [f"https://www.{host}/path/to/some-page?id={i}" for i, host in enumerate(hosts)]
    with tempfile.TemporaryDirectory() as folder:
        lists = {
            "domains": domains,
            "hard_words": domains[:100],
            "soft_words": domains[:100],
            "substrings": domains[:100],
        }
        for name, entries in lists.items():
            (Path(folder) / name).write_text("\n".join(entries))
        every = Urls(**{name: f"{folder}/{name}" for name in lists})
        begin = time.process_time()
        every.models()
        print(f"urls: {DOMAINS:,} domains read in {time.process_time() - begin:.1f} s")
        batch = document_batch(["x"] * ADDRESSES, source="s", shard="f", urls=addresses)
        for name, stage in (("domains", Urls(domains=f"{folder}/domains")), ("all lists", every)):
            print(f"urls, {name}: {ADDRESSES / seconds(partial(judge, stage, batch)):,.0f} docs/s")


def repair() -> None:
    stage = Repair()
    for language, source in TEXTS:
        texts = list(read(source, language))
        batch = document_batch(texts, source="s", shard="f")
        size = sum(len(text.encode()) for text in texts) / 1e6
        theirs = fix_all(texts)
        annotated = stage.annotate(batch)
        same = annotated["text"].to_pylist() == theirs
        changed = sum(annotated["repair.changed"].to_pylist())
        ours = size / seconds(partial(judge, stage, batch))
        peer = size / seconds(partial(fix_all, texts))
        print(
            f"repair {language} {source:13} {size:4.1f} MB: {ours:6.1f} MB/s, ftfy alone {peer:4.1f}, "
            f"{ours / peer:5.0f} ×; changed {changed}/{len(texts)}, same {same}"
        )


def code() -> None:
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py"))
    named = {str(path): text for path in files if "\x00" not in (text := path.read_text(errors="replace"))}
    ids, texts = map(list, zip(*list(named.items())[:2000], strict=True))
    batch = document_batch(texts, source="s", shard="f", ids=ids)
    size = sum(len(text.encode()) for text in texts) / 1e6
    for name, stage in (("", Code()), (", headers taken out", Code(strip_header=True))):
        spent = seconds(partial(judge, stage, batch))
        print(f"code{name}: {size:.1f} MB, {size / spent:.0f} MB/s, {len(texts) / spent:,.0f} files/s")


def fix_all(texts: list[str]) -> list[str]:
    return [fix_text(text, CONFIG) for text in texts]


def judge(stage: RowStage, batch: pa.RecordBatch) -> pa.StringArray:
    return stage.drop_reasons(stage.annotate(batch))


if __name__ == "__main__":
    main()
