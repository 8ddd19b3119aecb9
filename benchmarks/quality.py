"""Quality classifiers: AUC on sources that the model has not seen, and the speed of scoring against fastText's own.

    .venv/bin/python benchmarks/quality.py [GOOD BAD]

GOOD and BAD are files of documents with a field `source`; by default ../shared/data/quality. First the AUC of both
views where each source is scored by a model that saw nothing of it, and of `form` where of every pair of a good and a
bad source neither was seen. Then documents/s and MB/s of one thread, processor time, of models trained on all of it.
Peer: `fasttext-community`, the C++ of fastText behind pybind11, with one call of `predict(text, k=2)` a document.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path

import fasttext
import numpy as np
import orjson
import pyarrow as pa
from clock import seconds

from curation.cli.quality import training_files
from curation.document import document_batch
from curation.quality import QualityClassifier
from curation.quality.card import POSITIVE, Options
from curation.quality.evaluation import auc_of
from curation.quality.training import TrainingFile, train
from curation.quality.view import View, viewed
from curation.text.fasttext import parse_model

SHARED = Path(__file__).parent.parent.parent / "shared" / "data" / "quality"
OPTIONS: dict[View, Options] = {"form": Options(), "words": Options(view="words", word_ngrams=2, epochs=5)}


def main() -> None:
    good, bad = sys.argv[1:] or (str(SHARED / "good.jsonl.gz"), str(SHARED / "bad.jsonl.gz"))
    print("AUC, each source scored by a model that saw nothing of it (95 % interval)")
    for view, options in OPTIONS.items():
        grouped = options.model_copy(update={"group": "source"})
        found = train(training_files([good], [bad]), grouped, ("kind",)).card.evaluation
        print(f"  {view:6} {found.auc:.4f} ({found.auc_low:.4f} to {found.auc_high:.4f})")
        for name, each in found.by["kind"].items():
            print(f"    {name:24} {each.auc:.4f}")
    print("AUC, form, of each good against each bad source, neither seen")
    aucs = dict(pairs(good, bad))
    worst = min(aucs, key=lambda pair: aucs[pair])
    print(f"  mean {np.mean(list(aucs.values())):.4f}, least {aucs[worst]:.4f} ({' against '.join(worst)})")
    for view, options in OPTIONS.items():
        speed(view, options, good, bad)


def pairs(good: str, bad: str) -> Iterator[tuple[tuple[str, str], float]]:
    """The AUC of each pair of sources by a model of all others."""
    rows = {path: read(path) for path in (good, bad)}
    sources = [sorted({row["source"] for row in rows[path]}) for path in (good, bad)]
    for pair in product(sources[0], sources[1]):
        others = [[row["text"] for row in rows[path] if row["source"] not in pair] for path in (good, bad)]
        model = parse_model(train(files(*others), OPTIONS["form"]).data, "pair")
        scores = []
        for path, source in zip((good, bad), pair, strict=True):
            texts = pa.array([row["text"] for row in rows[path] if row["source"] == source], pa.large_string())
            scores.append(model.score(*viewed(texts, "form"), POSITIVE))
        yield pair, auc_of(*scores).auc


def read(path: str) -> list[dict[str, str]]:
    with gzip.open(path) as lines:
        return [orjson.loads(line) for line in lines]


def files(good: Sequence[str], bad: Sequence[str]) -> list[TrainingFile]:
    return [
        TrainingFile("positive", "good", [(document_batch(good, source="s", shard="good"), 0)]),
        TrainingFile("negative", "bad", [(document_batch(bad, source="s", shard="bad"), 0)]),
    ]


def speed(view: View, options: Options, good: str, bad: str) -> None:
    texts = [row["text"] for path in (good, bad) for row in read(path)]
    size = sum(len(text.encode()) for text in texts)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.bin")
        path.write_bytes(train(training_files([good], [bad]), options).data)
        reference = fasttext.load_model(str(path))
        stage = QualityClassifier.model_validate({"classifiers": [{"path": str(path), "view": view}], "min_score": 0.5})
        batches = [document_batch(texts[n : n + 512], source="s", shard="f") for n in range(0, len(texts), 512)]
        data, offsets = viewed(pa.array(texts, pa.large_string()), view)
        seen = [data[a:b].tobytes().decode().replace("\n", " ") for a, b in pairwise(offsets)]
        theirs = [dict(zip(*reference.predict(text, k=2), strict=True))[f"__label__{POSITIVE}"] for text in seen]
        ours = np.concatenate([stage.annotate(b)["quality_classifier.score"].to_numpy() for b in batches])
        print(f"{view}: {len(texts):,} documents, {size / 1e6:.1f} MB; scores apart by {abs(ours - theirs).max():.1g}")
        model = parse_model(path.read_bytes(), "model")
        cpu = {
            "ours, the whole stage": seconds(lambda: [stage.drop_reasons(stage.annotate(each)) for each in batches]),
            f"ours, predict, {view} given": seconds(lambda: model.score(data, offsets, POSITIVE)),
            f"fasttext wheel, {view} given": seconds(lambda: [reference.predict(text, k=2) for text in seen]),
        }
        for name, spent in cpu.items():
            print(f"  {name:28} {len(texts) / spent:9,.0f} docs/s {size / spent / 1e6:8.1f} MB/s")


if __name__ == "__main__":
    main()
