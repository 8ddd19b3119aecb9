"""Privacy: precision and recall on planted values, and MB/s of one thread on clean text against re and datatrove.

    .venv/bin/python benchmarks/privacy.py [DATA]

DATA is the folder of the shared data (default ../shared/data): pii/pii.jsonl.gz for the accuracy, shards for the speed.
Peers: the two expressions of datatrove 0.10.1's PIIFormatter in stdlib `re`, and that formatter itself in its own
environment (benchmarks/peers.py), if that is there.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clock import seconds

from curation.document import document_batch
from curation.privacy import Pii, Secrets
from curation.privacy.redaction import Redaction

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
DATATROVE = Path(__file__).resolve().parent / ".peers" / "datatrove" / "bin" / "python"
NAMES = {
    "EMAIL": "email",
    "PHONE": "phone",
    "IPV4": "ipv4",
    "IPV6": "ipv6",
    "IBAN": "iban",
    "CREDIT_CARD": "card",
    "SSN": "ssn",
}
CLEAN = ("books", "wikipedia", "company-docs", "udhr")
BUSY = ("contracts-edgar", "debian-man", "logs-loghub", "mail-spamassassin")
MOST_BYTES = 6_000_000

EMAIL = re.compile(
    r"\b[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?|\[(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}"
    r"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?|[A-Za-z0-9-]*[A-Za-z0-9]:)])"
)
IP = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)")
PEER = """
import json, sys, time
from datatrove.pipeline.formatters import PIIFormatter
texts, formatter = json.load(sys.stdin), PIIFormatter()
begin = time.process_time()
for text in texts:
    formatter.format(text)
print(time.process_time() - begin)
"""


@dataclass
class Counts:
    """Planted values of a type, and what was found: with the very same ends, or only overlapping one."""

    planted: int = 0
    found: int = 0
    exact: int = 0
    overlapping: int = 0

    @property
    def precision(self) -> float:
        return self.exact / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.exact / self.planted if self.planted else 0.0

    @property
    def overlapping_recall(self) -> float:
        return self.overlapping / self.planted if self.planted else 0.0


@dataclass
class Accuracy:
    """Counts by type, and for each kind of hard negative how many were taken for something, and how many there are."""

    types: dict[str, Counts] = field(default_factory=lambda: {name: Counts() for name in NAMES.values()})
    negatives: dict[str, list[int]] = field(default_factory=dict)


def accuracy(path: Path, stage: Redaction | None = None) -> Accuracy:
    """What the stage finds of the planted values in a file as the shared data's pii.jsonl.gz."""
    with gzip.open(path) as lines:
        rows = [json.loads(line) for line in lines]
    stage = stage or Pii()
    batch = stage.annotate(document_batch([row["text"] for row in rows], source="pii", shard=str(path)))
    measured = Accuracy()
    for row, spans in zip(rows, batch[stage.column("spans")].to_pylist(), strict=True):
        found = [_parsed(entry) for entry in spans.split(";") if entry]
        planted = [(NAMES[each["type"]], each["start"], each["end"]) for each in row["spans"]]
        for name, _, _ in found:
            measured.types[name].found += 1
        for value in planted:
            counts = measured.types[value[0]]
            counts.planted += 1
            counts.exact += value in found
            counts.overlapping += any(value[0] == each[0] and _overlap(value[1:], each[1:]) for each in found)
        for negative in row["negatives"]:
            taken, total = measured.negatives.get(negative["kind"], [0, 0])
            is_taken = any(_overlap((negative["start"], negative["end"]), each[1:]) for each in found)
            measured.negatives[negative["kind"]] = [taken + is_taken, total + 1]
    return measured


def _parsed(entry: str) -> tuple[str, int, int]:
    name, _, place = entry.partition(":")
    start, _, end = place.partition("-")
    return name, int(start), int(end)


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def main() -> None:
    data = Path(sys.argv[1]) if sys.argv[1:] else SHARED
    measured = accuracy(data / "pii" / "pii.jsonl.gz")
    print(f"{'type':8} planted found  precision recall  overlapping")
    for name, counts in measured.types.items():
        print(
            f"{name:8} {counts.planted:7} {counts.found:5}     {counts.precision:.4f} {counts.recall:.4f}       "
            f"{counts.overlapping_recall:.4f}"
        )
    print("hard negatives taken: " + ", ".join(f"{k} {a}/{b}" for k, (a, b) in sorted(measured.negatives.items())))
    for names, peers in ((CLEAN, True), (BUSY, False)):
        for name in names:
            texts = read(data / "shards" / name)
            speed(name, texts)
        if peers:
            compare([text for name in names for text in read(data / "shards" / name)])


def speed(name: str, texts: Sequence[str]) -> None:
    """Print how fast both stages look through these texts, and rewrite them."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    batch = document_batch(texts, source="s", shard="f")
    line = f"{name:18} {size:5.1f} MB"
    for stage in (Pii(), Secrets()):
        stage.annotate(batch)
        found = sum(stage.annotate(batch)[stage.column("total")].to_pylist())
        tag = stage.model_copy(update={"action": "tag"})
        line += f"  {stage.name}: {size / seconds(lambda s=tag: s.annotate(batch)):6.0f} MB/s tag"
        line += f" {size / seconds(lambda s=stage: s.annotate(batch)):6.0f} redact {found:6} found"
    print(line)


def compare(texts: Sequence[str]) -> None:
    """Print the peers' speed on the clean texts together."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    batch = document_batch(texts, source="s", shard="f")
    stage = Pii()
    spent = {
        "ours, 7 types": seconds(lambda: stage.annotate(batch)),
        "stdlib re, e-mail and IPv4": seconds(lambda: [(EMAIL.findall(text), IP.findall(text)) for text in texts], 1),
    }
    if DATATROVE.exists():
        done = subprocess.run(
            [str(DATATROVE), "-c", PEER], input=json.dumps(texts), capture_output=True, text=True, check=True
        )
        spent["datatrove PIIFormatter, e-mail and IPv4"] = float(done.stdout.split()[-1])
    ours = spent["ours, 7 types"]
    for name, each in spent.items():
        print(f"{name:40} {size / each:7.1f} MB/s  {each / ours:6.1f} times ours")


def read(folder: Path) -> list[str]:
    """The first texts of a source, about MOST_BYTES of them."""
    import zstandard

    texts, size = [], 0
    for path in sorted(folder.glob("*.jsonl.*")):
        with gzip.open(path, "rt") if path.suffix == ".gz" else zstandard.open(path, "rt") as lines:
            for line in lines:
                texts.append(json.loads(line)["text"])
                size += len(texts[-1].encode())
                if size > MOST_BYTES:
                    return texts
    return texts


if __name__ == "__main__":
    main()
