"""What datatrove says of each document: one JSON line each on standard output. Runs inside the peer's own environment.

    benchmarks/.peers/datatrove/bin/python benchmarks/datatrove_verdicts.py SHARD...

A line holds id, source, lang, bytes and, for each rule applied to the document's raw text on its own, the reason (null
when it is kept); for `c4` also the digest of the text that it leaves. The last line is {"seconds": {rule: s}, "bytes":
n}: the rules run in this order, so the first to split a text into words pays for it (datatrove caches the words of the
last five texts).
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import zstandard
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)


def main() -> None:
    filters = {
        "gopher_repetition": GopherRepetitionFilter(),
        "gopher_quality": GopherQualityFilter(),
        "fineweb_quality": FineWebQualityFilter(),
        "c4": C4QualityFilter(filter_no_terminal_punct=False),
    }
    seconds = dict.fromkeys(filters, 0.0)
    size = 0
    for rule in filters.values():  # the tokenizer is loaded before the clock starts
        rule.filter(Document(text="One two three. " * 60, id="warm"))
    for record in map(json.loads, lines(sys.argv[1:])):
        text = record["text"]
        size += len(text.encode())
        verdicts = {}
        for name, rule in filters.items():
            document = Document(text=text, id=record["id"])
            begin = time.perf_counter()
            result = rule.filter(document)
            seconds[name] += time.perf_counter() - begin
            verdicts[name] = None if result is True else result[1]
            if name == "c4" and result is True:
                verdicts["c4_text"] = hashlib.sha256(document.text.encode()).hexdigest()[:16]
        found = {key: record.get(key) for key in ("id", "source", "lang")}
        print(json.dumps({**found, "bytes": len(text.encode()), "verdicts": verdicts}))
    print(json.dumps({"seconds": seconds, "bytes": size}))


def lines(paths: list[str]) -> Iterator[str]:
    for path in map(Path, paths):
        data = path.read_bytes()
        if path.suffix == ".zst":
            data = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
            yield from io.StringIO(data.decode(), newline="\n")
        else:
            import gzip

            yield from io.StringIO(gzip.decompress(data).decode(), newline="\n")


main()
