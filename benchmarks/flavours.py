"""How far the flavours `dolma` and `dclm` agree with dolma 1.2.1 and DCLM, document by document, and how fast they are.

    python benchmarks/flavours.py --dclm ../dclm [--data ../shared/data] [--every 12] [--out docs/agreement-flavours.md]

`--dclm` is a checkout of github.com/mlfoundations/dclm at 361714b, which is no package. Each rule is applied on its own
to the cases of tests/rules/cases.py and to the raw text of every twelfth document of at most 50,000 characters, with
the flavour's defaults; c4 in `dclm` without the number of sentences, which wants NLTK's model. Of dolma the values are
compared, since its tagger has no thresholds; of DCLM the filter that drops a document first. Both: the text that is
left.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agreement import SOURCES, records  # type: ignore[import-not-found]
from peers import flavours_python

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from curation.document import TEXT, document_batch  # noqa: E402
from curation.rules import C4, GopherQuality, GopherRepetition, LineModifiers  # noqa: E402
from curation.stage import RuleStage  # noqa: E402
from tests.rules.cases import cases  # noqa: E402

BATCH = 512
MOST_CHARACTERS = 50_000
"""Longer documents are left out: DCLM's splitter takes a second for each hundred thousand characters."""

Question = tuple[RuleStage, str]
Answer = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--dclm", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--every", type=int, default=12)
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs" / "agreement-flavours.md")
    options = parser.parse_args()
    shards = [path for source in SOURCES for path in sorted((options.data / "shards" / source).iterdir())]
    found = [(record["text"], record.get("lang")) for record in list(records(shards))[:: options.every]]
    kept = [(text, language) for text, language in found if len(text) <= MOST_CHARACTERS]
    asked = [
        (case.stage, case.text)
        for case in cases()
        if flavour(case.stage) != "fineweb" and not case.difference and case.reason != "too_few_sentences"
    ]
    print(f"{len(asked)} cases, {len(kept)} documents", file=sys.stderr)
    report = [
        _HEAD,
        *table("The cases of tests/rules/cases.py, but for intended differences", asked, options.dclm),
        *table(f"{len(kept):,} documents in all languages", of(stages(), [text for text, _ in kept]), options.dclm),
        *table(
            "Of these the English ones",
            of(stages(), [text for text, language in kept if language == "en"]),
            options.dclm,
        ),
        *speeds([text for text, _ in found]),
    ]
    options.out.write_text("\n".join(report) + "\n")
    print("\n".join(report))


_HEAD = """# Agreement of the flavours with dolma and DCLM

Written by `python benchmarks/flavours.py`: each rule on its own, on the raw text. For `dolma` documents agree when all
values do, for `dclm` when the first filter to drop them is the same. "Text" are those whose text is the same, of those
that both keep.
"""


def flavour(stage: RuleStage) -> str:
    return str(stage.model_dump()["flavour"])


def stages() -> list[RuleStage]:
    return [
        *(kind.model_validate({"flavour": "dolma"}) for kind in (GopherQuality, GopherRepetition, C4)),
        *(kind.model_validate({"flavour": "dclm"}) for kind in (GopherQuality, GopherRepetition)),
        C4.model_validate({"flavour": "dclm", "min_num_sentences": None}),
        LineModifiers(),
    ]


def of(rules: Sequence[RuleStage], texts: Sequence[str]) -> list[Question]:
    return [(rule, text) for rule in rules for text in texts]


def table(title: str, asked: list[Question], dclm: Path) -> list[str]:
    """How many documents each rule agrees on; and what the disagreements are."""
    agreed: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    both: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for (stage, _), ours, theirs in zip(asked, our_answers(asked), their_answers(asked, dclm), strict=True):
        rule = f"`{stage.kind}` `{flavour(stage)}`"
        difference = _difference(ours, theirs)
        totals[rule] += 1
        agreed[rule] += not difference
        if difference:
            kinds[f"{rule}: {difference}"] += 1
        if stage.rewrites and ours["reason"] is None and theirs.get("reason") is None:
            both[rule] += 1
            texts[rule] += ours["left"] == theirs["left"]
    lines = [f"## {title}", "", "| rule | documents | agree | text |", "|---|---|---|---|"]
    for rule, total in totals.items():
        same = f"{texts[rule]:,} of {both[rule]:,}" if both[rule] else ""
        lines.append(f"| {rule} | {total:,} | {agreed[rule]:,} ({100 * agreed[rule] / total:.2f} %) | {same} |")
    lines += ["", *(f"- {kind}: {count}" for kind, count in kinds.most_common(12))]
    return [*lines, ""] if kinds else lines


def _difference(ours: Answer, theirs: Answer) -> str:
    if "values" in theirs:
        names = [
            name
            for name, value in theirs["values"].items()
            if name in ours["values"] and abs(ours["values"][name] - value) > 1e-9
        ]
        return ", ".join(names)
    a, b = theirs["reason"] or "kept", ours["reason"] or "kept"
    return "" if a == b or {a, b} == {"no_words", "empty"} else f"DCLM {a}, ours {b}"


def our_answers(asked: list[Question]) -> Iterator[Answer]:
    for stage, text in asked:
        batch = stage.annotate(document_batch([text], source="", shard=""))
        why = stage.drop_reasons(batch)[0].as_py()
        yield {
            "reason": why and why.partition(".")[2],
            "values": {name.partition(".")[2]: batch[name][0].as_py() for name in stage.columns().names},
            "left": batch[TEXT][0].as_py(),
        }


def their_answers(asked: list[Question], dclm: Path) -> list[Answer]:
    questions = "".join(
        json.dumps({"kind": stage.kind, "options": stage.model_dump(mode="json"), "text": text}) + "\n"
        for stage, text in asked
    )
    command = [str(flavours_python()), str(HERE / "flavour_verdicts.py"), str(dclm.resolve())]
    answered = subprocess.run(command, input=questions, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in answered.splitlines()]


def speeds(texts: list[str]) -> list[str]:
    """Megabytes of text a second on one core, each rule on its own."""
    batches = [document_batch(texts[i : i + BATCH], source="", shard="") for i in range(0, len(texts), BATCH)]
    size = sum(len(text.encode()) for text in texts) / 1e6
    lines = ["## Speed", "", f"Each rule on its own on one core, {size:.1f} MB.", "", "| rule | MB/s |", "|---|---|"]
    fineweb = [kind.model_validate({"flavour": "fineweb"}) for kind in (GopherQuality, GopherRepetition, C4)]
    for stage in [*fineweb, *stages()]:
        best = min(_seconds(stage, batches) for _ in range(4))
        lines.append(f"| `{stage.kind}` `{flavour(stage)}` | {size / best:.0f} |")
    return lines


def _seconds(stage: RuleStage, batches: list[Any]) -> float:
    begin = time.thread_time()
    for batch in batches:
        stage.drop_reasons(stage.annotate(batch))
    return time.thread_time() - begin


if __name__ == "__main__":
    main()
