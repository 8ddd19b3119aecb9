"""A classifier is trained the same way each time, on what it says, and tested on what it has not seen."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import fasttext as theirs
import numpy as np
import pyarrow as pa
import pytest

from curation.cli.quality import training_files
from curation.errors import InputError, ModelError, RecipeError
from curation.quality import training
from curation.quality.card import Options
from curation.quality.training import Trained
from curation.quality.view import View, viewed
from curation.text.fasttext import parse_model
from tests.quality.models import JUNK, PROSE, texts_of, trained, written


def train(positive: Sequence[str], negative: Sequence[str], options: Options, by: Sequence[str] = ("lang",)) -> Trained:
    return training.train(training_files(positive, negative), options, by)


@pytest.mark.parametrize("view", ["form", "words"])
def test_same_documents_give_the_same_bytes_in_any_order(view: View, tmp_path: Path) -> None:
    good, bad = texts_of(PROSE, 40), texts_of(JUNK, 40)
    options = Options(view=view, word_ngrams=2, max_n=3, min_n=2, buckets=1000)
    files = [written(tmp_path / f"{name}.jsonl", texts) for name, texts in (("good", good), ("bad", bad))]
    first = train([files[0]], [files[1]], options)
    (tmp_path / "parts").mkdir()
    written(tmp_path / "parts" / "1.jsonl", good[25:][::-1])
    written(tmp_path / "parts" / "2.jsonl", [*good[:25], good[3]])
    second = train([f"{tmp_path}/parts/*.jsonl"], [files[1]], options)
    assert second.data == first.data
    assert first.card.sha256 == hashlib.sha256(first.data).hexdigest()
    assert second.card.evaluation == first.card.evaluation
    assert (first.card.left_out["twice"], second.card.left_out["twice"]) == (0, 1)
    assert train([files[0]], [files[1]], options.model_copy(update={"seed": 1})).data != first.data


@pytest.mark.parametrize("view", ["form", "words"])
def test_scores_are_those_of_fasttext(view: View, tmp_path: Path) -> None:
    found = trained(tmp_path, view=view, word_ngrams=2, buckets=5000)
    (tmp_path / "m.bin").write_bytes(found.data)
    reference = theirs.load_model(str(tmp_path / "m.bin"))
    texts = [*texts_of(PROSE, 9), *texts_of(JUNK, 9), "", "never seen words", "Zażółć gęślą jaźń. 日本語です。"]
    data, offsets = viewed(pa.array(texts, pa.large_string()), view)
    ours = parse_model(found.data, "m").score(data, offsets, "positive")
    for row, score in enumerate(ours):
        seen = data[offsets[row] : offsets[row + 1]].tobytes().decode().replace("\n", " ")
        labels, scores = reference.predict(seen, k=2)
        assert abs(dict(zip(labels, scores, strict=True))["__label__positive"] - score) < 1e-5


def test_card_says_what_it_was_trained_on(tmp_path: Path) -> None:
    card = trained(tmp_path).card
    assert [(file.label, file.documents, file.unreadable) for file in card.data] == [
        ("positive", 60, 0),
        ("negative", 60, 0),
    ]
    evaluation = card.evaluation
    assert sum(card.trained_on.values()) + evaluation.positive + evaluation.negative == 120
    assert 12 <= evaluation.positive + evaluation.negative <= 36
    assert evaluation.auc > 0.99
    assert set(evaluation.by["lang"]) == {"en"}
    assert set(evaluation.top) == {"0.05", "0.1", "0.2", "0.5"}
    assert card.library.startswith("fasttext")


def test_whole_groups_are_held_out(tmp_path: Path) -> None:
    """A word that is all of one group is never learned where that group is tested."""
    texts = [f"{'alpha' if n % 2 else 'beta'} {n}" for n in range(40)]
    others = [f"{'beta' if n % 2 else 'alpha'} x{n}" for n in range(40)]
    good = written(tmp_path / "good.jsonl", texts, source=lambda n: f"s{n % 2}")
    bad = written(tmp_path / "bad.jsonl", others, source=lambda n: f"s{n % 2}")
    options = Options(view="words", group="source", epochs=20)
    found = train([good], [bad], options).card
    assert found.evaluation.auc < 0.1  # what was learned of one group is wrong in the other
    assert found.trained_on == {"positive": 40, "negative": 40}
    assert set(found.evaluation.by) == {"lang", "source"}


def test_what_is_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = written(tmp_path / "good.jsonl", texts_of(PROSE, 20), source="a")
    bad = written(tmp_path / "bad.jsonl", texts_of(JUNK, 20), source="a")
    with pytest.raises(InputError, match="nothing matches"):
        train([str(tmp_path / "none.jsonl")], [bad], Options())
    with pytest.raises(InputError, match=r"no positive document is left to train on"):
        train([good], [good], Options())
    with pytest.raises(RecipeError, match=r"'source' has 1 values"):
        train([good], [bad], Options(group="source"))
    (tmp_path / "broken.jsonl").write_text("{not json\n")
    with pytest.raises(InputError, match=r"broken\.jsonl: no document"):
        train([str(tmp_path / "broken.jsonl")], [bad], Options())
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(ModelError, match=r"pip install 'curation\[train\]'"):
        train([good], [bad], Options())


def test_marks_of_fasttext_in_a_text_teach_nothing(tmp_path: Path) -> None:
    good = written(tmp_path / "good.jsonl", [f"{text} </s> __label__negative zz" for text in texts_of(PROSE, 30)])
    bad = written(tmp_path / "bad.jsonl", texts_of(JUNK, 30))
    model = parse_model(train([good], [bad], Options(view="words", epochs=50)).data, "m")
    assert sorted(model.labels) == ["negative", "positive"]
    data, offsets = viewed(pa.array(["zz"], pa.large_string()), "words")
    assert model.score(data, offsets, "positive")[0] > 0.5


def test_quality_of_sources_that_it_has_not_seen(shared_data: Path) -> None:
    folder = shared_data / "quality"
    card = train(
        [str(folder / "good.jsonl.gz")],
        [str(folder / "bad.jsonl.gz")],
        Options(group="source"),
        by=("lang", "kind"),
    ).card
    assert card.evaluation.auc >= 0.97
    assert card.evaluation.calibration_error < 0.05
    assert min(found.auc or 0 for found in card.evaluation.by["kind"].values()) > 0.95
    assert np.mean([found.auc or 0 for found in card.evaluation.by["lang"].values()]) > 0.95
