"""The predictor says what fastText itself says, for every kind of model file, and never trusts a file."""

from __future__ import annotations

import gzip
import json
import random
import threading
from collections.abc import Sequence
from pathlib import Path

import fasttext as theirs
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import ModelError
from curation.language.fasttext import BUILT_IN, load_model
from curation.text.arrow import text_buffers
from curation.text.fasttext import Model, parse_model

TOLERANCE = 1e-4  # of a probability; what is seen is below 1e-5

TEXTS = [
    "The harbour is quiet in the morning, and the boats are waiting for the tide.",
    "Der Hafen ist am Morgen ruhig, und die Boote warten auf die Flut.",
    "Le port est calme le matin, et les bateaux attendent la marée.",
    "El puerto está tranquilo por la mañana y los barcos esperan la marea.",
    "Гавань утром тихая, и лодки ждут прилива.",
    "Το λιμάνι είναι ήσυχο το πρωί και οι βάρκες περιμένουν την παλίρροια.",
    "港は朝静かで、船は潮を待っています。",
    "항구는 아침에 조용하고 배들은 밀물을 기다린다.",
    "早晨的港口很安静，船只在等待涨潮。",
    "الميناء هادئ في الصباح والقوارب تنتظر المد.",
]
ODD_TEXTS = [
    "",
    " ",
    "\t\v\f\r tabs\tand others\x00between",
    "a",
    "é",
    "</s>",
    "before </s> after is not read",
    "__label__en __label__nonsense __label__",
    "a" * 31 + " " + "b" * 32 + " " + "c" * 33 + " " + "d" * 5000,
    "😀😀 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 \u00a0\u3000\u2028x",
    "again again again again",
]


def assert_equal(model: Model, path: Path, texts: Sequence[str]) -> None:
    """Both say the same of each text: two labels, and their probabilities."""
    data, offsets = text_buffers(pa.array(texts, pa.large_string()))
    ours = model.predict(data, offsets)
    reference = theirs.load_model(str(path))
    for text, numbers, probabilities in zip(texts, ours.labels, ours.probabilities, strict=True):
        labels, scores = reference.predict(text.replace("\n", " "), k=2)
        expected = [label.removeprefix("__label__") for label in labels]
        assert [model.labels[number] for number in numbers if number >= 0] == expected, text[:80]
        np.testing.assert_allclose(probabilities, [*np.minimum(scores, 1), 0, 0][:2], atol=TOLERANCE)


def assert_scores_equal(model: Model, path: Path, texts: Sequence[str]) -> None:
    """Both give each label of each text the same probability."""
    data, offsets = text_buffers(pa.array(texts, pa.large_string()))
    reference = theirs.load_model(str(path))
    said = [dict(zip(*reference.predict(text.replace("\n", " "), k=-1), strict=True)) for text in texts]
    for label in model.labels:
        expected = [min(each.get(f"__label__{label}", 0), 1) for each in said]
        np.testing.assert_allclose(model.score(data, offsets, label), expected, atol=1e-5)


def test_scores_of_every_label_of_the_default_model(lid_path: Path) -> None:
    assert_scores_equal(load_model(), lid_path, TEXTS + ODD_TEXTS)


def test_default_model_says_what_fasttext_says(lid_path: Path) -> None:
    model = load_model()
    assert len(model.labels) == 176
    assert_equal(model, lid_path, TEXTS + ODD_TEXTS)


def test_default_model_on_languages_of_the_world(lid_path: Path, shared_data: Path) -> None:
    with gzip.open(shared_data / "langid" / "langid.jsonl.gz") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    assert len(texts) > 4000
    assert_equal(load_model(), lid_path, texts)


def test_line_ends_are_blanks() -> None:
    model = load_model()
    data, offsets = text_buffers(pa.array(["one two\nthree", "one two three"], pa.large_string()))
    assert len(set(model.predict(data, offsets).probabilities[:, 0])) == 1


def test_what_was_read_before_changes_nothing(lid_path: Path) -> None:
    """A memory of tokens makes it faster, never different: not by order, not by thread."""
    texts = TEXTS * 3 + ODD_TEXTS + [" ".join(random.Random(n).choices("abcdefgh", k=400)) for n in range(50)]
    data, offsets = text_buffers(pa.array(texts, pa.large_string()))
    alone = [parse_model(lid_path.read_bytes(), "lid").predict(data, offsets[n : n + 2]) for n in range(len(TEXTS))]
    model = parse_model(lid_path.read_bytes(), "lid")
    results = [model.predict(data, offsets)]
    threads = [threading.Thread(target=lambda: results.append(model.predict(data, offsets))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result.probabilities, results[0].probabilities)
        np.testing.assert_array_equal(result.labels, results[0].labels)
    for n, one in enumerate(alone):
        np.testing.assert_array_equal(one.probabilities[0], results[0].probabilities[n])


@pytest.fixture(scope="module")
def training_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines for a small classifier of three labels, words drawn from their own vocabularies."""
    draw = random.Random(7)
    words = {
        "sea": ["harbour", "boat", "tide", "sail", "anchor", "wave", "gull"],
        "land": ["field", "plough", "barn", "meadow", "hedge", "cattle", "Wiese"],
        "sky": ["cloud", "wind", "star", "Wolke", "облако", "雲", "lark"],
    }
    lines = []
    for _ in range(240):
        label = draw.choice(["sea", "sea", "land", "sky"])
        chosen = draw.choices(words[label], k=6) + draw.choices(["the", "and", "of", "over"], k=3)
        draw.shuffle(chosen)
        lines.append(f"__label__{label} {' '.join(chosen)}\n")
    path = tmp_path_factory.mktemp("training") / "lines.txt"
    path.write_text("".join(lines), encoding="utf-8")
    return path


OWN_TEXTS = [
    "the boat and the anchor",
    "over the meadow a lark",
    "облако и 雲 of the tide",
    "words that it never saw",
    "harbour",
    "of the of the of the",
    *ODD_TEXTS,
]


def train(training_file: Path, **options: object) -> object:
    settings = {"dim": 10, "epoch": 8, "minCount": 1, "bucket": 500, "thread": 1, "verbose": 0} | options
    return theirs.train_supervised(str(training_file), **settings)


@pytest.mark.parametrize("loss", ["hs", "softmax", "ns", "ova"])
@pytest.mark.parametrize(
    "options",
    [{"wordNgrams": 2, "minn": 2, "maxn": 4}, {"wordNgrams": 3}, {"minn": 1, "maxn": 3}, {}],
    ids=["words-and-characters", "words", "characters", "plain"],
)
def test_own_model_is_read_equal(loss: str, options: dict[str, int], training_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    train(training_file, loss=loss, **options).save_model(str(path))  # type: ignore[attr-defined]  # untyped module
    assert_equal(load_model(str(path)), path, OWN_TEXTS)
    assert_scores_equal(load_model(str(path)), path, OWN_TEXTS)


@pytest.mark.parametrize("loss", ["hs", "softmax"])
@pytest.mark.parametrize(
    "quantise",
    [{}, {"cutoff": 300}, {"qnorm": True}, {"cutoff": 300, "qnorm": True, "dsub": 3}],
    ids=["all", "pruned", "norms", "pruned-norms-uneven"],
)
def test_quantised_model_is_read_equal(
    loss: str, quantise: dict[str, int], training_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.ftz"
    model = train(training_file, loss=loss, wordNgrams=2, minn=2, maxn=3)
    model.quantize(input=str(training_file), **quantise)  # type: ignore[attr-defined]  # untyped module
    model.save_model(str(path))  # type: ignore[attr-defined]
    assert_equal(load_model(str(path)), path, OWN_TEXTS)


def test_quantised_output_is_read_equal(tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("".join(f"__label__l{n} word{n} word{n % 7} end\n" for n in range(300)), encoding="utf-8")
    model = train(lines, loss="softmax", dim=4, epoch=3)
    model.quantize(input=str(lines), qout=True)  # type: ignore[attr-defined]  # untyped module
    path = tmp_path / "model.ftz"
    model.save_model(str(path))  # type: ignore[attr-defined]
    loaded = load_model(str(path))
    assert len(loaded.labels) == 300
    assert_equal(loaded, path, ["word3 end", "word250 word5"])


def test_one_label(tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("__label__only some words here\n" * 5, encoding="utf-8")
    path = tmp_path / "model.bin"
    for loss in ("hs", "softmax"):
        train(lines, loss=loss, dim=4).save_model(str(path))  # type: ignore[attr-defined]  # untyped module
        model = parse_model(path.read_bytes(), "one")
        data, offsets = text_buffers(pa.array(["some words"], pa.large_string()))
        predictions = model.predict(data, offsets)
        assert predictions.labels.tolist() == [[0, -1]]
        assert predictions.probabilities[0, 1] == 0


def test_digest(training_file: Path, tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "model.bin"
    train(training_file).save_model(str(path))  # type: ignore[attr-defined]  # untyped module
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_model(str(path)).sha256 == digest
    assert load_model(str(path), digest.upper()).sha256 == digest
    with pytest.raises(ModelError, match=f"{digest}, expected {'0' * 64}"):
        load_model(str(path), "0" * 64)


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.bin"):
        load_model(str(tmp_path / "nothing.bin"))
    with pytest.raises(ModelError):
        load_model(str(tmp_path))


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x03\x04" + bytes(500)])
def test_what_does_not_begin_as_a_model_is_not_read(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "archive.bin"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"archive\.bin: it does not begin as such a file does"):
        load_model(str(path))


@pytest.fixture(scope="module")
def small_models(training_file: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("models")
    plain = train(training_file, loss="hs", wordNgrams=2, minn=2, maxn=3, bucket=300, dim=4)
    plain.save_model(str(folder / "a.bin"))  # type: ignore[attr-defined]  # untyped module
    plain.quantize(input=str(training_file), cutoff=280)  # type: ignore[attr-defined]
    plain.save_model(str(folder / "a.ftz"))  # type: ignore[attr-defined]
    return [(folder / "a.bin").read_bytes(), (folder / "a.ftz").read_bytes()]


def test_every_truncation_is_refused(small_models: list[bytes]) -> None:
    for model in small_models:
        for size in [*range(0, min(600, len(model))), *range(600, len(model), 97), len(model) - 1]:
            with pytest.raises(ModelError):
                parse_model(model[:size], "truncated")
        with pytest.raises(ModelError, match="3 bytes follow"):
            parse_model(model + b"abc", "longer")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04" + bytes(500), b"version https://git-lfs.github.com/spec/v1\n" * 9])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match=r"^other: "):
        parse_model(data, "other")


def test_word_vectors_are_refused(training_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "vectors.bin"
    vectors = theirs.train_unsupervised(str(training_file), dim=4, epoch=1, minCount=1, bucket=50, thread=1, verbose=0)
    vectors.save_model(str(path))
    with pytest.raises(ModelError, match="expected a supervised model"):
        load_model(str(path))


@given(st.data())
def test_damaged_models_never_crash(small_models: list[bytes], data: st.DataObject) -> None:
    """Refused, or read as another model that still predicts: never out of bounds."""
    whole = data.draw(st.sampled_from(small_models))
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.one_of(st.integers(0, min(300, len(whole) - 1)), st.integers(0, len(whole) - 1)))
        damaged[position] = data.draw(st.integers(0, 255))
    try:
        model = parse_model(bytes(damaged), "damaged")
    except ModelError:
        return
    predictions = model.predict(*text_buffers(pa.array(OWN_TEXTS, pa.large_string())))
    assert predictions.labels.max() < len(model.labels)


def test_name_of_the_default_model() -> None:
    assert load_model(BUILT_IN) is load_model()
