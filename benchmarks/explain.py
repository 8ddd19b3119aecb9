"""How long it takes to explain a document of a version with ten million decisions, and to ask for its funnel.

    .venv/bin/python benchmarks/explain.py [--documents 10000000] [--asked 200]

Makes the corpus itself, in a temporary folder (1 GB): parts of 131,072 records as a run writes them, by the library's
own encoders, values of ten columns, a third of the documents kept. Then asks in one process, as the API does: ids that
are there and ids that are not, by turns, none twice. "First" opens the corpus; the file system's cache is warm.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation import corpus, decision, ids
from curation.change import Change
from curation.corpus import Corpus
from curation.manifest import Manifest, Part, Piece, part
from curation.pipeline.filter import PART_ROWS
from curation.report import Cell, Report
from services.catalogue import Catalogue
from services.database import open_database
from services.database.tables import metadata
from services.errors import NotFound
from services.identity.projects import Projects
from services.insights.insights import Insights
from services.settings import Settings

VALUES = [f"gopher_quality.value_{n}" for n in range(10)]
REASONS = [None, *(f"gopher_quality.rule_{n}" for n in range(5))]
WEIGHTS = [1 / 3, *[2 / 15] * 5]
STAGE = "gopher_quality"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--documents", type=int, default=10_000_000)
    arguments.add_argument("--asked", type=int, default=200)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        made = make(Path(folder, "corpus"), asked.documents)
        size = sum(one.bytes for one in made.ids)
        print(f"made {asked.documents:,} decisions in {len(made.decisions)} parts: {time.perf_counter() - start:.0f} s")
        print(
            f"decisions {sum(one.bytes for one in made.decisions) / 1e6:,.0f} MB, indexes of ids {size / 1e6:,.0f} MB"
        )
        ask(Path(folder), asked.documents, asked.asked)


def make(folder: Path, documents: int) -> Manifest:
    """A published version with so many decisions."""
    opened = Corpus(str(folder))
    opened.create()
    schema = decision.decision_schema(pa.schema([(name, pa.float64()) for name in VALUES]))
    decisions: list[Part] = []
    indexes: list[Part] = []
    kept: list[Part] = []
    counts: Counter[str | None] = Counter()
    for number, first in enumerate(range(0, documents, PART_ROWS)):
        batch = decided(schema, number, first, min(PART_ROWS, documents - first))
        table = decision.ordered([batch], schema)
        name = f"web-shard-{number:016x}-0000"
        data, (index, entries) = decision.encode(table), ids.encode(table["id"])
        decisions.append(part(f"{corpus.DECISIONS}/version=1/run=made/{name}.parquet", data, len(table)))
        indexes.append(part(corpus.ids_path("made", name), index, entries, "web"))
        opened.storage.write(decisions[-1].path, data)
        opened.storage.write(indexes[-1].path, index)
        kept.append(write_kept(opened, name.removeprefix("web-"), table))
        counts.update({row["values"]: row["counts"] for row in table["reason"].value_counts().to_pylist()})
    cells = [
        Cell(
            outcome="dropped" if reason else "kept",
            stage=STAGE if reason else "",
            reason=reason or "",
            source="web",
            documents=count,
            bytes=1000 * count,
        )
        for reason, count in counts.items()
    ]
    manifest = Manifest(
        version=1,
        run="made",
        parent=0,
        created=datetime.now(UTC),
        recipe={"name": "made", "seed": 0, "stages": [{"kind": STAGE, "name": STAGE}]},
        fingerprint="made",
        meaning={},
        inputs=(),
        pieces=tuple(
            Piece(name=f"web/shard-{n:016x}-0000", source="web", records=part.rows, kept=True)
            for n, part in enumerate(decisions)
        ),
        shards=tuple(kept),
        decisions=tuple(decisions),
        ids=tuple(indexes),
        documents=counts[None],
        bytes=1000 * counts[None],
    )
    opened.publish(manifest, Report(stages=(STAGE,), cells=tuple(cells)), Change(base=0), schema)
    return manifest


def decided(schema: pa.Schema, number: int, first: int, rows: int) -> pa.RecordBatch:
    """The decisions on the documents from `first` on."""
    random = np.random.default_rng(number)
    reason = pa.array(REASONS).take(pa.array(random.choice(len(REASONS), rows, p=WEIGHTS)))
    columns = {
        "source": pa.array(["web"] * rows),
        "shard": pa.array([f"s3://bucket/crawl/{number:05d}.jsonl.gz"] * rows),
        "row": pa.array(range(rows)),
        "id": pa.array([document_id(n) for n in range(first, first + rows)]),
        "outcome": pc.if_else(pc.is_null(reason), decision.KEPT, decision.DROPPED),
        "stage": pc.if_else(pc.is_null(reason), None, STAGE),
        "reason": reason,
        "bytes": pa.array(random.integers(100, 20_000, rows)),
        **{name: pa.array(np.round(random.random(rows), 3)) for name in VALUES},
    }
    return decision.fill(schema, rows, columns)


def write_kept(opened: Corpus, name: str, table: pa.Table) -> Part:
    """The file of the part's kept documents."""
    kept = table.filter(pc.equal(table["outcome"], decision.KEPT)).combine_chunks()
    rows = len(kept)
    columns = {field: kept[field].combine_chunks() for field in ("id", "shard", "row")}
    columns["text"] = pa.array([f"The text of {value}. " * 10 for value in columns["id"].to_pylist()])
    columns["cluster_size"] = pa.array(np.ones(rows, np.int32))
    fields = pa.schema([field for field in corpus.SCHEMA if field.name != "source"])
    data = decision.parquet(pa.Table.from_batches([decision.fill(fields, rows, columns)]), corpus.ROW_GROUP)
    path = f"source=web/{name}-0123456789abcdef.parquet"
    opened.storage.write(path, data)
    return part(path, data, rows, "web")


def document_id(number: int) -> str:
    return f"<urn:uuid:{number * 2654435761 % 2**32:08x}-{number:012x}>"


def ask(folder: Path, documents: int, asked: int) -> None:
    """Ask, and print how long it took."""
    settings = Settings(data=folder / "service", roots=(str(folder),))
    database = open_database(settings)
    metadata.create_all(database.engine)
    catalogue = Catalogue(database)
    project = Projects(database, settings).ensure_default().id
    catalogue.register(project, str(folder / "corpus"))
    insights = Insights(catalogue)
    numbers = np.random.default_rng(0).choice(documents, asked, replace=False).tolist()
    show("first explanation", [timed(lambda: insights.explain(project, "corpus", None, document_id(0)))])
    present, absent = [], []
    for number in numbers:
        present.append(timed(partial(insights.explain, project, "corpus", None, document_id(number))))
        absent.append(timed(partial(missing, insights, project, f"absent-{number}")))
    show("explain, present", present)
    show("explain, absent", absent)
    show("funnel", [timed(lambda: insights.funnel(project, "corpus")) for _ in range(100)])
    show("histogram of one column", [timed(lambda: insights.histogram(project, "corpus", None, VALUES[0]))])
    show("statistics, the first time", [timed(lambda: insights.statistics(project, "corpus"))])
    show("statistics, again", [timed(lambda: insights.statistics(project, "corpus")) for _ in range(100)])
    database.close()


def missing(insights: Insights, project: str, wanted: str) -> None:
    with suppress(NotFound):
        insights.explain(project, "corpus", None, wanted)


def timed(call: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def show(what: str, seconds: list[float]) -> None:
    p50, p99, worst = (1000 * value for value in np.quantile(seconds, [0.5, 0.99, 1]))
    print(f"{what:28} p50 {p50:9.1f} ms   p99 {p99:9.1f} ms   worst {worst:9.1f} ms   of {len(seconds)}", flush=True)


if __name__ == "__main__":
    main()
