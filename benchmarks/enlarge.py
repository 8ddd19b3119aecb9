"""Make a corpus larger for a benchmark, without making it a pile of copies."""

from __future__ import annotations

import gzip
import io
import json
import random
from pathlib import Path

import zstandard

EVERY = 4
"""Every fourth word changes, so no word 5-gram of the original is left, and the language and the statistics stay."""


def enlarge(shards: list[Path], factor: int, folder: Path) -> None:
    """Write each shard `factor` times below `folder`/SOURCE: once as it is, then with words exchanged."""
    for shard in shards:
        records = [json.loads(line) for line in _text(shard).split("\n") if line]
        for copy in range(factor):
            target = folder / shard.parent.name / f"{shard.name.split('.')[0]}-{copy:03d}.jsonl.gz"
            target.parent.mkdir(parents=True, exist_ok=True)
            lines = [json.dumps(record if copy == 0 else _varied(record, copy)) for record in records]
            target.write_bytes(gzip.compress("\n".join(lines).encode(), compresslevel=1, mtime=0))


def _varied(record: dict[str, str], copy: int) -> dict[str, str]:
    chosen = random.Random(f"{record['id']} {copy}")
    lines = [line.split(" ") for line in record["text"].split("\n")]
    words = [word for line in lines for word in line if word]
    position = 0
    for line in lines:
        for index, word in enumerate(line):
            position += 1
            if word and position % EVERY == 0:
                line[index] = chosen.choice(words)
    text = "\n".join(" ".join(line) for line in lines)
    return record | {"id": f"{record['id']}~{copy}", "text": text}


def _text(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".zst":
        reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True)
        return reader.read().decode()
    return gzip.decompress(data).decode()
