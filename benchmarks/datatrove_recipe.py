"""datatrove's whole FineWeb recipe over a folder of JSONL shards, in one process. Runs inside the peer's environment.

    benchmarks/.peers/datatrove/bin/python benchmarks/datatrove_recipe.py INPUT WORK MODEL

Prints one JSON line: the documents kept, and the seconds of each step, without imports and the loading of models.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.lid import FastTextLID
from datatrove.utils.logging import logger
from fasttext.FastText import _FastText


def main() -> None:
    folder, work, model = sys.argv[1:4]
    logger.remove()
    loaded = _FastText(model)  # datatrove would fetch the same model's larger form; here it reads the given file
    FastTextLID.model = property(lambda _: loaded)
    language = LanguageFilter(languages="en", language_threshold=0.65)
    filters = [
        language,
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
    ]
    for rule in filters:  # tokenizers are loaded before the clock starts
        rule.filter(Document(text="One two three. " * 60, id="warm"))
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    filtered = f"{work}/filtered"
    steps = {
        "filter": [JsonlReader(folder), *filters, JsonlWriter(filtered)],
        "signatures": [JsonlReader(filtered), MinhashDedupSignature(f"{work}/signatures", config=config)],
        "buckets": [MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)],
        "cluster": [MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config=config)],
        "write": [JsonlReader(filtered), MinhashDedupFilter(f"{work}/remove"), JsonlWriter(f"{work}/final")],
    }
    seconds = {}
    for name, pipeline in steps.items():
        tasks = config.num_buckets if name == "buckets" else 1
        begin = time.perf_counter()
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=f"{work}/logs/{name}").run()
        seconds[name] = time.perf_counter() - begin
    kept = [json.loads(line)["id"] for path in Path(work, "final").glob("*.gz") for line in lines(path)]
    print(json.dumps({"seconds": seconds, "kept": len(kept), "ids": kept}))


def lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines()


main()
