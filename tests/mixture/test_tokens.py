"""Token counts are the tokenizer's own, whichever library counts them."""

from __future__ import annotations

import gzip
import json
import sys
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from gigatoken.gigatoken_rs import load_hf_json
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers

from curation.corpus import Corpus
from curation.document import document_batch
from curation.errors import ModelError, RecipeError
from curation.mixture.tokenizer import BUILT_IN, MOST_ID, _Fast, _Slow, load_tokenizer, parse_tokenizer
from curation.mixture.tokens import Tokens
from curation.mixture.training import train_tokenizer
from curation.pipeline import curate
from curation.recipe import Recipe, parse_recipe, validate_recipe
from curation.runner.local import LocalRunner
from tests.texts import GERMAN, essay, write_jsonl

LOOK_ALIKES = "<|endoftext|> x<|endoftext|>y <|fim_prefix|><|im_start|>user\n<s></s> [CLS] <0x0A>"
SOURCES = ("wikipedia", "udhr", "company-docs", "logs-loghub", "debian-man", "mail-spamassassin")

# The libraries' tables of characters are of different versions of Unicode: what this Python knows they all know.
characters = st.characters(codec="utf-8").filter(lambda c: unicodedata.category(c) != "Cn")
texts = st.lists(
    st.text(characters, max_size=40) | st.sampled_from([LOOK_ALIKES, "  \n\t ", "I'LL", "𝐀ſ'S"]), max_size=6
)


def reference_of(name: str) -> Any:
    """GitHub's Rust implementation of tiktoken's encodings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it opens its files in an old way
        import bpe_openai  # type: ignore[import-untyped]

        return bpe_openai.get_encoding(name)


def counts(stage: Tokens, given: Sequence[str]) -> list[int]:
    """What the stage counts."""
    batch = stage.annotate(document_batch(given, source="s", shard="f"))
    found: list[int] = batch["tokens.count"].to_pylist()
    assert stage.drop_reasons(batch).null_count == len(given)
    return found


@pytest.mark.parametrize("name", BUILT_IN)
@given(texts)
def test_built_in_counts_are_those_of_another_library(name: str, given: list[str]) -> None:
    reference = reference_of(name)
    assert counts(Tokens(tokenizer=name), given) == [len(reference.encode_ordinary(text)) for text in given]


@pytest.mark.parametrize("name", BUILT_IN)
def test_real_text_is_counted_exactly(name: str, shared_data: Path) -> None:
    reference = reference_of(name)
    files = [min((shared_data / "shards" / source).glob("*.gz")) for source in SOURCES]
    lines = [line for path in files for line in gzip.decompress(path.read_bytes()).splitlines()[::9]]
    some = [json.loads(line)["text"][:20_000] for line in lines]
    assert counts(Tokens(tokenizer=name), some) == [len(reference.encode_ordinary(text)) for text in some]


def test_known_counts() -> None:
    assert counts(Tokens(), ["hello world", "", "<|endoftext|>"]) == [2, 0, 7]
    assert counts(Tokens(tokenizer="cl100k_base"), ["<|endoftext|>"]) == [7]
    assert counts(Tokens(), []) == []


def test_a_slice_of_a_batch_is_counted_alone() -> None:
    stage = Tokens()
    batch = document_batch(["a b c", "one", "", "two words"], source="s", shard="f")
    assert stage.annotate(batch.slice(1, 3))["tokens.count"].to_pylist() == [1, 0, 2]


def trained(split: Any, normalizer: Any = None, added: Sequence[AddedToken] = (), model: Any = None) -> Tokenizer:
    """A small tokenizer of the other library's."""
    tokenizer = Tokenizer(model or models.BPE())
    tokenizer.pre_tokenizer = split
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if model is None:
        trainer = trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=["<|endoftext|>", "<s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator([*map(essay, range(5)), GERMAN], trainer)
    tokenizer.add_tokens([*added])
    return tokenizer


byte_level = pre_tokenizers.ByteLevel
KINDS: dict[str, tuple[Callable[[], Tokenizer], type]] = {
    "GPT-2's": (lambda: trained(byte_level(add_prefix_space=False)), _Fast),
    "with a blank before": (lambda: trained(byte_level(add_prefix_space=True)), _Fast),
    "with a normaliser": (lambda: trained(byte_level(add_prefix_space=False), normalizers.NFC()), _Fast),
    "with a token added": (lambda: trained(byte_level(add_prefix_space=False), added=[AddedToken("foo_bar")]), _Fast),
    "with an added word": (
        lambda: trained(byte_level(add_prefix_space=False), added=[AddedToken("foo_bar", single_word=True)]),
        _Slow,
    ),
    "without a pattern": (lambda: trained(byte_level(add_prefix_space=False, use_regex=False)), _Slow),
    "by blanks": (lambda: trained(pre_tokenizers.Whitespace()), _Slow),
    "of words": (
        lambda: trained(
            pre_tokenizers.Whitespace(), model=models.WordPiece({"[UNK]": 0, "hello": 1}, unk_token="[UNK]")
        ),
        _Slow,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_json_counts_as_its_own_library(kind: str, tmp_path: Path) -> None:
    make, engine = KINDS[kind]
    reference = make()
    path = tmp_path / "tokenizer.json"
    reference.enable_truncation(5)
    path.write_text(reference.to_str())
    reference.no_truncation()
    reference.encode_special_tokens = True
    assert type(load_tokenizer(str(path)).counter) is engine
    some = [essay(7), GERMAN, LOOK_ALIKES, " hello  foo_bar foo_bars", "e\u0301 日本 😀", "", "\n\n x  "]
    expected = [len(reference.encode(text, add_special_tokens=False).ids) for text in some]
    assert counts(Tokens(tokenizer=str(path)), some) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "no tokenizer.json"),
        (lambda data: b"[]", "no tokenizer.json"),
        (lambda data: b'{"model": 3}', "no tokenizer.json"),
        (lambda data: b"\xff\xfe", "no tokenizer.json"),
        (lambda data: data.replace(b'"dropout":null', b'"dropout":0.5'), "counts differently every time"),
        (lambda data: data.replace(b'"!":2,', b'"!":%d,' % (MOST_ID + 1)), "no vocabulary is that large"),
    ],
)
def test_what_is_no_tokenizer(change: Callable[[bytes], bytes], message: str) -> None:
    data = trained(byte_level(add_prefix_space=False)).to_str().encode()
    with pytest.raises(ModelError, match=message):
        parse_tokenizer(change(data))


def test_a_recipe_pins_the_tokenizer(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(train_tokenizer([essay(1)], 400))
    text = f"""
name: t
output: {tmp_path}/corpus
sources: [{{name: a, uri: x}}]
stages: [{{kind: tokens, tokenizer: {path}}}]
"""
    recipe = parse_recipe(text)
    (stage,) = recipe.pinned().stages
    assert isinstance(stage, Tokens)
    assert stage.tokenizer_sha256 == load_tokenizer(str(path)).sha256
    before = recipe.fingerprint()
    path.write_text(train_tokenizer([essay(2)], 500))
    assert parse_recipe(text).fingerprint() != before
    with pytest.raises(ModelError, match="its SHA-256 is"):
        recipe.pinned().model_copy(update={"stages": (stage,)}).fingerprint()


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (Tokens(tokenizer="o100k"), "cl100k_base, o200k_base are"),
        (Tokens(tokenizer="./tokenizer.json"), "there is no such file"),
        (Tokens(tokenizer_sha256="0" * 64), "its SHA-256 is"),
    ],
)
def test_a_missing_or_another_tokenizer_is_an_error(
    stage: Tokens, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=message):
        stage.models()


def test_nulls_are_no_texts() -> None:
    with pytest.raises(ValueError, match="null"):
        load_tokenizer("o200k_base").counter.count(pa.array(["a", None], pa.large_string()))


def test_training_is_reproducible_and_its_tokenizer_is_fast() -> None:
    some = [*map(essay, range(20)), GERMAN, "日本語の文章です。" * 20]
    described = train_tokenizer(some, 700)
    assert train_tokenizer(some, 700) == described
    counter = parse_tokenizer(described.encode())
    assert isinstance(counter, _Fast)
    reference = Tokenizer.from_str(described)
    assert reference.get_vocab_size() == 700
    assert counter.count(pa.array(some, pa.large_string())).tolist() == [len(reference.encode(t).ids) for t in some]
    with pytest.raises(ValueError, match="no room"):
        train_tokenizer(some, 200)


def test_what_it_remembers_is_bounded() -> None:
    described = train_tokenizer([essay(1)], 400)
    made = []

    def make() -> Any:
        made.append(load_hf_json(described))
        return made[-1]

    counter = _Fast(make, renew_bytes=10_000)
    some = pa.array([essay(n) for n in range(8)], pa.large_string())
    expected = counter.count(some).tolist()
    assert all(counter.count(some).tolist() == expected for _ in range(4))
    assert 2 <= len(made) <= 1 + 5 * some.nbytes // 10_000


def test_importing_the_family_loads_no_tokenizer() -> None:
    import subprocess

    code = (
        "import sys, curation.mixture; print([m for m in ('gigatoken', 'tokenizers', 'awkward') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# ------------------------------------------------------------------ what is counted


@pytest.mark.parametrize("kind", ["c4", "repair"])
def test_a_stage_that_rewrites_may_not_stand_behind(kind: str) -> None:
    with pytest.raises(RecipeError) as caught:
        counting([{"kind": "tokens"}, {"kind": kind}])
    (problem,) = caught.value.problems
    assert problem.path == "stages.0"
    assert problem.message.startswith(f"tokens counts the text before {kind} rewrites it")
    counting([{"kind": kind}, {"kind": "tokens"}])


def test_what_is_cut_later_is_counted_again(tmp_path: Path) -> None:
    """The counts are those of the texts that the corpus has, also where a part of one was cut at the end."""
    shared = "All of this was said before, by others, at other times, and in just as many words as it is here now."
    write_jsonl(tmp_path / "in.jsonl", [{"id": str(n), "text": f"{essay(n)}\n\n{shared}"} for n in range(3)])
    stages = [{"kind": "tokens"}, {"kind": "tokens", "name": "other", "tokenizer": "cl100k_base"}]
    wanted = counting([*stages, {"kind": "exact_dedup"}, {"kind": "paragraph_dedup"}], str(tmp_path))
    assert wanted.tokens_column == "other.count"
    curate(wanted, LocalRunner())
    corpus = Corpus(wanted.output)
    texts = {row["id"]: row["text"] for row in corpus.documents().to_table(["id", "text"]).to_pylist()}
    assert sum(shared in text for text in texts.values()) == 1, "two were cut"
    for row in corpus.decisions().to_table(["id", "tokens.count", "other.count"]).to_pylist():
        for column, name in (("tokens.count", "o200k_base"), ("other.count", "cl100k_base")):
            assert row[column] == len(reference_of(name).encode_ordinary(texts[row["id"]]))
    own = [len(reference_of("cl100k_base").encode_ordinary(text)) for text in texts.values()]
    assert corpus.version().tokens == sum(own)


def counting(stages: list[dict[str, Any]], folder: str = "/in") -> Recipe:
    sources = [{"name": "s", "uri": f"{folder}/in.jsonl"}]
    return validate_recipe({"name": "r", "output": f"{folder}/corpus", "sources": sources, "stages": stages})
