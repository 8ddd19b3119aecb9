"""datatrove's whole FineWeb recipe over a folder of JSONL shards, in one process. Runs inside the peer's environment.

    benchmarks/.peers/datatrove/bin/python benchmarks/datatrove_recipe.py INPUT WORK MODEL [BENCHMARKS]

With benchmarks (JSON lines, gzip) it also replaces personal data before the filters and drops documents that hold items
behind them: PIIFormatter, and NGramsDecontFilter with word 13-grams of questions and answers, its index made by
datatrove's own arithmetic. Prints one JSON line: the documents kept, and the processor time of each step in seconds,
without imports, the loading of models, and the index.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path

import numpy as np
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
)
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.lid import FastTextLID
from datatrove.utils.logging import logger
from fasttext.FastText import _FastText


def main() -> None:
    folder, work, model, *benchmarks = sys.argv[1:]
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
    formatters = []
    for registry in benchmarks:
        formatters.append(PIIFormatter())
        filters.append(items(Path(registry), Path(work, "items")))
    for rule in filters:  # tokenizers and the index are loaded before the clock starts
        rule.filter(Document(text="One two three. " * 60, id="warm"))
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    filtered = f"{work}/filtered"
    steps = {
        "filter": [JsonlReader(folder), *formatters, *filters, JsonlWriter(filtered)],
        "signatures": [JsonlReader(filtered), MinhashDedupSignature(f"{work}/signatures", config=config)],
        "buckets": [MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)],
        "cluster": [MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config=config)],
        "write": [JsonlReader(filtered), MinhashDedupFilter(f"{work}/remove"), JsonlWriter(f"{work}/final")],
    }
    seconds = {}
    for name, pipeline in steps.items():
        tasks = config.num_buckets if name == "buckets" else 1
        begin = time.process_time()
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=f"{work}/logs/{name}").run()
        seconds[name] = time.process_time() - begin
    kept = [json.loads(line)["id"] for path in Path(work, "final").glob("*.gz") for line in lines(path)]
    print(json.dumps({"seconds": seconds, "kept": len(kept), "ids": kept}))


def items(registry: Path, index: Path) -> NGramsDecontFilter:
    """The filter that knows these items. Its index is what NGramsDecontIndexer writes, which would fetch its own."""
    config = NGramsDecontConfig(n_grams=13, find_query_ngrams=True)
    found = NGramsDecontFilter(str(index), config=config)
    hashes: set[int] = set()
    for line in lines(registry):
        item = json.loads(line)
        hashes.update(NGramsDecontIndexer.compute_hashes(found, item["answer"] or "", item["question"]))
    index.mkdir(parents=True)
    np.array(sorted(hashes), config.hash_config.np_descr).tofile(index / "items.index.hashes")
    return found


def lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines()


main()
