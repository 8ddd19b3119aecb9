"""A classifier of quality out of a bucket decides the same on Ray as here."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import yaml

from curation.corpus import Corpus
from curation.pipeline import curate
from curation.quality.card import SUFFIX
from curation.recipe import validate_recipe
from curation.runner.local import LocalRunner
from curation.storage import open_storage
from tests.quality.models import JUNK, PROSE, model_at, texts_of
from tests.storage.servers import S3Server
from tests.texts import write_jsonl


def test_ranks_by_a_model_on_s3_are_the_same_on_ray(tmp_path: Path, moto: S3Server) -> None:
    """Model, corpus and the survey's counts lie on S3; a cluster's processes reach them by their environment."""
    path = model_at(tmp_path / "m.bin")
    for name, texts in (("a", texts_of(PROSE, 30)), ("b", texts_of(JUNK, 30))):
        write_jsonl(tmp_path / f"in/{name}.jsonl", [{"id": f"{name}{n}", "text": text} for n, text in enumerate(texts)])
    with moto.used():
        bucket = moto.make_bucket(f"q-{uuid.uuid4()}")
        models = open_storage(f"{bucket}/models")
        models.write("m.bin", Path(path).read_bytes())
        models.write(f"m.bin{SUFFIX}", Path(f"{path}{SUFFIX}").read_bytes())
        digests = []
        for engine in ("local", "ray"):
            wanted = {
                "name": "quality",
                "output": f"{bucket}/{engine}",
                "sources": [{"name": "s", "uri": f"{tmp_path}/in/*.jsonl"}],
                "stages": [
                    {
                        "kind": "quality_classifier",
                        "classifiers": [{"path": f"{bucket}/models/m.bin", "view": "form"}],
                        "keep_top": 0.25,
                        "buckets": 4,
                    }
                ],
            }
            if engine == "local":
                curate(validate_recipe(wanted), LocalRunner())
            else:
                recipe = tmp_path / "recipe.yaml"
                recipe.write_text(yaml.safe_dump(wanted))
                program = [sys.executable, "-c", "from curation.cli import main; main()"]
                command = [*program, "run", str(recipe), "--engine", "ray", "--workers", "2"]
                subprocess.run(command, check=True, env=dict(os.environ), capture_output=True)
            corpus = Corpus(str(wanted["output"]))
            digests.append(corpus.manifest().digest)
        rows = corpus.decisions().to_table(["id", "outcome", "quality_classifier.bucket"]).to_pylist()
    assert digests[0] == digests[1]
    assert {row["id"][0] for row in rows if row["outcome"] == "kept"} == {"a"}
    assert {row["quality_classifier.bucket"] for row in rows if row["outcome"] == "kept"} == {3}
