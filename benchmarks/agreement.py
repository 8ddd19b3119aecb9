"""How far our rules agree with datatrove's, document by document, and how much faster they are.

    python benchmarks/agreement.py [--data ../shared/data] [--verdicts FILE] [--out docs/agreement.md]

Each rule is applied to the raw text of each document on its own, in both tools, with datatrove's defaults (c4 with
filter_no_terminal_punct=False, as FineWeb ran it). `--verdicts` keeps datatrove's verdicts, or takes those that are
there: it needs some five minutes for the 72 MB.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import isal.igzip
import zstandard
from peers import datatrove_python

from curation.document import TEXT, document_batch
from curation.rules import C4, FineWebQuality, GopherQuality, GopherRepetition
from curation.stage import RuleStage
from curation.text.signals import with_signals
from curation.text.words import Splitter, kernels
from curation.text.words.kinds import kinds

HERE = Path(__file__).resolve().parent
SOURCES = (
    *("wikipedia", "company-docs", "books", "debian-docs", "mail-spamassassin"),
    *("debian-man", "contracts-edgar", "licences-debian", "udhr"),
)
BATCH = 512


@dataclass
class Document:
    """A document, and what each tool says of it: a reason a rule, None to keep."""

    text: str
    language: str | None
    theirs: dict[str, str | None]
    text_of_theirs: str | None
    ours: dict[str, dict[str, str | None]] = field(default_factory=dict)
    texts_of_ours: dict[str, str] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--verdicts", type=Path, default=None)
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "agreement.md")
    options = parser.parse_args()
    shards = [path for source in SOURCES for path in sorted((options.data / "shards" / source).iterdir())]
    verdicts, summary = their_verdicts(shards, options.verdicts)
    documents = [
        Document(
            record["text"],
            record.get("lang"),
            {rule: _our_name(why) for rule, why in verdict["verdicts"].items() if rule != "c4_text"},
            verdict["verdicts"].get("c4_text"),
        )
        for record, verdict in zip(records(shards), verdicts, strict=True)
    ]
    judge(documents, "fast")
    judge(documents, "spacy")
    english = [document for document in documents if document.language == "en"]
    spaced = [document for document in documents if not is_unspaced(document.text)]
    report = "\n".join(
        [
            _HEAD,
            *table("English (as the data set labels it)", english),
            *table("All documents in scripts with spaces", spaced),
            *table("All documents", documents),
            *disagreements(documents),
            *speeds(documents, english, summary),
        ]
    )
    options.out.write_text(report + "\n")
    print(report)


_HEAD = """# Agreement with datatrove

Written by `python benchmarks/agreement.py`: datatrove 0.10.1 (English, spaCy 3.8) and our rules in the `fineweb`
flavour, each rule on the raw text of each document on its own. "Verdict" is kept or dropped; "reason" is the very
reason.
"""


def their_verdicts(shards: list[Path], kept: Path | None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """datatrove's verdicts, one a document in the order of the shards, and its times."""
    if kept is not None and kept.exists():
        lines = kept.read_text().splitlines()
    else:
        command = [str(datatrove_python()), str(HERE / "datatrove_verdicts.py"), *map(str, shards)]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        if kept is not None:
            kept.write_text("\n".join(lines) + "\n")
    found = [json.loads(line) for line in lines]
    return found[:-1], found[-1]


def records(shards: list[Path]) -> Iterator[dict[str, Any]]:
    for path in shards:
        data = path.read_bytes()
        if path.suffix == ".zst":
            text = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read().decode()
        else:
            text = isal.igzip.decompress(data).decode()
        yield from (json.loads(line) for line in text.split("\n") if line)


def stages(splitter: Splitter) -> list[RuleStage]:
    return [
        GopherRepetition(words=splitter),
        GopherQuality(words=splitter),
        C4(words=splitter),
        FineWebQuality(words=splitter),
    ]


def judge(documents: list[Document], splitter: Splitter) -> None:
    """Put our verdicts with this splitter into the documents."""
    for start in range(0, len(documents), BATCH):
        part = documents[start : start + BATCH]
        raw = document_batch([document.text for document in part], source="", shard="")
        measured = with_signals(raw, frozenset().union(*(stage.signals() for stage in stages(splitter))))
        for stage in stages(splitter):
            done = stage.annotate(measured)
            for document, why in zip(part, stage.drop_reasons(done).to_pylist(), strict=True):
                document.ours.setdefault(splitter, {})[stage.kind] = why and why.partition(".")[2]
            if stage.rewrites:
                for document, text in zip(part, done[TEXT].to_pylist(), strict=True):
                    document.texts_of_ours[splitter] = hashlib.sha256(text.encode()).hexdigest()[:16]


def _our_name(why: str | None) -> str | None:
    return why and why.removeprefix("gopher_").replace("enough_stop_words", "too_few_stop_words")


def table(title: str, documents: list[Document]) -> list[str]:
    """Agreement rule by rule, and of the text that c4 leaves."""
    lines = [
        f"## {title}: {len(documents):,} documents",
        "",
        "| rule | verdict, fast | reason, fast | verdict, spacy | reason, spacy |",
        "|---|---|---|---|---|",
    ]
    for rule in documents[0].ours["fast"]:
        shares = []
        for splitter in ("fast", "spacy"):
            pairs = [(document.theirs[rule], document.ours[splitter][rule]) for document in documents]
            shares.append(_percent(sum((a is None) == (b is None) for a, b in pairs), len(pairs)))
            shares.append(_percent(sum(a == b for a, b in pairs), len(pairs)))
        lines.append(f"| {rule} | {' | '.join(shares)} |")
    kept = [document for document in documents if document.text_of_theirs and document.ours["fast"]["c4"] is None]
    same = sum(document.text_of_theirs == document.texts_of_ours["fast"] for document in kept)
    return [*lines, "", f"The text that c4 leaves is the same, byte for byte, for {same:,} of {len(kept):,}.", ""]


def disagreements(documents: list[Document]) -> list[str]:
    """Every kind of disagreement: their reason, ours, how often, why."""
    kinds_found: Counter[tuple[str, ...]] = Counter()
    for document in documents:
        for splitter, ours in document.ours.items():
            for rule, reason in ours.items():
                if reason != document.theirs[rule]:
                    cause = _cause(document, rule, splitter)
                    kinds_found[rule, splitter, document.theirs[rule] or "kept", reason or "kept", cause] += 1
    lines = [
        "## Every kind of disagreement, in all documents",
        "",
        "| rule | words | datatrove | ours | documents | cause |",
        "|---|---|---|---|---|---|",
    ]
    for (rule, splitter, theirs, ours_, cause), count in sorted(
        kinds_found.items(), key=lambda item: (-item[1], item[0])
    ):
        lines.append(f"| {rule} | {splitter} | {theirs} | {ours_} | {count} | {cause} |")
    return [*lines, ""]


def _cause(document: Document, rule: str, splitter: str) -> str:
    if splitter == "spacy":
        return "not the splitter"
    if document.ours["spacy"][rule] != document.theirs[rule]:
        return "not the splitter"
    if is_unspaced(document.text):
        return "a script without spaces: here a word is a character, there a run of them"
    return "words are split otherwise, near a threshold"


def is_unspaced(text: str) -> bool:
    """Whether more than one visible character in fifty is of a script that is written without spaces."""
    flags = kinds()
    visible = [code for code in map(ord, text) if not flags[code] & kernels.BLANK]
    return 50 * sum(bool(flags[code] & kernels.UNSPACED) for code in visible) > len(visible)


def speeds(documents: list[Document], english: list[Document], summary: dict[str, Any]) -> list[str]:
    """Megabytes of text a second on one core, of all four rules one after the other."""
    theirs = summary["bytes"] / sum(summary["seconds"].values()) / 1e6
    short = [piece for document in english for piece in _pieces(document.text, 3000)]
    rows = [("all documents", [document.text for document in documents]), ("English, cut to some 3 kB", short)]
    lines = [
        "## Speed",
        "",
        "All four rules one after the other on one core (words: fast), the kernels compiled.",
        f"datatrove's own filters on all documents, on the same machine: {theirs:.2f} MB/s.",
        "",
        "| documents | MB | MB/s | times datatrove |",
        "|---|---|---|---|",
    ]
    for name, texts in rows:
        size = sum(len(text.encode()) for text in texts) / 1e6
        ours = size / min(_seconds(texts) for _ in range(3))
        lines.append(f"| {name} ({len(texts):,}) | {size:.1f} | {ours:.1f} | {ours / theirs:.0f} |")
    return lines


def _pieces(text: str, size: int) -> Iterator[str]:
    start = 0
    while len(text) - start > size // 2:
        end = text.find(" ", start + size)
        end = end if end >= 0 else len(text)
        yield text[start:end]
        start = end


def _seconds(texts: list[str]) -> float:
    """The CPU time of all four rules, as the pipeline runs them: one scan before c4, one after."""
    batches = [
        document_batch(texts[start : start + BATCH], source="", shard="") for start in range(0, len(texts), BATCH)
    ]
    repetition, quality, c4, fineweb = stages("fast")
    begin = time.thread_time()
    for raw in batches:
        batch = with_signals(raw, repetition.signals() | quality.signals())
        for stage in (repetition, quality, c4, fineweb):
            batch = stage.annotate(batch)
            stage.drop_reasons(batch)
    return time.thread_time() - begin


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if part < whole else "100 %"


if __name__ == "__main__":
    main()
