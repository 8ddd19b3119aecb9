"""Tokenizers that count: how many tokens a text is, exactly as the tokenizer's own library says.

Built in are two of OpenAI's vocabularies (tiktoken's `cl100k_base` and `o200k_base`), whose files the wheel of
`bpe-openai` carries. Any other is a `tokenizer.json`, as Hugging Face's `tokenizers` writes it. gigatoken counts, which
remembers words that it met; where it cannot read a tokenizer, or differs from `tokenizers` on the text below, that
counts itself, some hundred times slower.

Text is only text: what looks like a special token (`<|endoftext|>`) is counted as the characters that it is, and no
tokens for a document's beginning or end are added.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from curation.errors import ModelError
from curation.storage.pinned import read_pinned
from curation.text.arrow import text_buffers

Counts = np.ndarray[Any, np.dtype[np.int64]]

MOST_BYTES = 256 << 20
"""Of a tokenizer.json; a larger one is refused before it is read."""
RENEW_BYTES = 512 << 20
"""What gigatoken remembers takes some 50 bytes a word: 100 MB after 100 MB of text in 446 languages."""
MOST_ID = 1 << 24
"""No vocabulary has so many tokens; gigatoken keeps a table as long as the largest id."""


class Encoding(NamedTuple):
    """A vocabulary of tiktoken's: how gigatoken calls its pattern of words, and the SHA-256 of its file."""

    pattern: str
    sha256: str


BUILT_IN = {
    "cl100k_base": Encoding("gpt4", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
    "o200k_base": Encoding("o200k", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"),
}
"""The digests are those that tiktoken expects of the files (tiktoken_ext/openai_public.py)."""

PROBE = (
    "The quick brown fox isn't jumping over 13 lazy dogs; it's 3,141.59 metres away!  We'LL see, I'd say.\n\n"
    "\tdef f(x, y=None):\r\n\t\treturn {'a': [x**2, y]}  # tab\n   \n trailing   \n"
    "Der Fuß der Straße, où l’été naît; ¿qué señor? Łódź, İstanbul, ΑΒΓ άέή, Привет, мир! שלום עולם مرحبا بالعالم "
    "१२३ नमस्ते สวัสดีชาวโลก 你好，世界。こんにちは、カタカナ。안녕하세요 "
    "e\u0301 a\u0308\u0323 \u200b\u200d\ufeff\xa0\u2003👨‍👩‍👧‍👦🇩🇪😀 ½²Ⅷ €100 £5 "
    "#tag @name https://example.org/a?b=c&d=%20 snake_case camelCaseHTTPServer "
    "a.b.c...--__==>>  x\x00y\x1f\x7f   12345678 1234567 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\n\n\n"
)
"""What both libraries must count alike before gigatoken is believed about a tokenizer.json."""

_LOADING = threading.Lock()


class Counter(Protocol):
    """Counts the tokens of texts; safe in many threads."""

    def count(self, texts: pa.LargeStringArray) -> Counts:
        """How many tokens each text is, (documents,). Raises ValueError for nulls."""
        ...


class Tokenizer(NamedTuple):
    """A counter, and the digest of the file that it was made from."""

    counter: Counter
    sha256: str


def load_tokenizer(name: str, sha256: str | None = None) -> Tokenizer:
    """The built-in tokenizer of this name, or that of a `tokenizer.json` by path or `s3://` URL; read once a process.

    Raises ModelError where there is none, where it cannot be read, or where its SHA-256 (hex) is not `sha256`.
    """
    if name not in BUILT_IN and "/" not in name and "." not in name:
        raise ModelError(f"no tokenizer {name!r} is built in ({', '.join(BUILT_IN)} are); a file is named by its path")
    if name not in BUILT_IN:
        return Tokenizer(*read_pinned(name, sha256, parse_tokenizer, MOST_BYTES))
    if sha256 is not None and sha256.lower() != BUILT_IN[name].sha256:
        raise ModelError(f"{name}: its SHA-256 is {BUILT_IN[name].sha256}, expected {sha256}")
    with _LOADING:  # so that it is read once, however many threads ask for it
        return Tokenizer(_built_in(name), BUILT_IN[name].sha256)


def parse_tokenizer(data: bytes) -> Counter:
    """The tokenizer in these bytes of a tokenizer.json. Raises ModelError."""
    try:
        described = json.loads(data)
        from tokenizers import Tokenizer as Reference

        reference = Reference.from_str(json.dumps(described))
    except Exception as error:  # noqa: BLE001, `tokenizers` raises no class of its own
        raise ModelError(f"no tokenizer.json: {_first_line(error)}") from None
    if described["model"].get("dropout"):
        raise ModelError("the tokenizer's model has `dropout`: it counts differently every time; set it to null")
    if max(reference.get_vocab().values(), default=0) > MOST_ID:
        raise ModelError(f"the tokenizer has an id above {MOST_ID:,}: no vocabulary is that large")
    slow = _Slow(reference)
    return _fast_like(slow, described) or slow


class _Slow:
    """Hugging Face's `tokenizers`, a document at a time."""

    def __init__(self, reference: Any) -> None:
        reference.encode_special_tokens = True  # as text
        reference.no_truncation()
        reference.no_padding()
        self._reference = reference

    def ids(self, text: str) -> list[int]:
        """The tokens of a text."""
        found: list[int] = self._reference.encode(text, add_special_tokens=False).ids
        return found

    def count(self, texts: pa.LargeStringArray) -> Counts:
        return np.array([len(self.ids(text)) for text in texts.to_pylist()], np.int64)


class _Fast:
    """gigatoken, over Arrow's buffers and without the GIL. What it remembers of words never shrinks, so after so many
    bytes of text it is `made` anew."""

    def __init__(self, made: Callable[[], Any], renew_bytes: int = RENEW_BYTES) -> None:
        self._made = made
        self._backend = made()
        self._renew_bytes = self._left = renew_bytes
        self._lock = threading.Lock()

    def ids(self, text: str) -> list[int]:
        """The tokens of a text."""
        found: list[int] = self._backend.encode(text).tolist()
        return found

    def count(self, texts: pa.LargeStringArray) -> Counts:
        import awkward as ak  # type: ignore[import-untyped]

        data, offsets = text_buffers(texts)
        if len(texts) == 0:
            return np.zeros(0, np.int64)
        characters = ak.contents.NumpyArray(data, parameters={"__array__": "char"})
        documents = ak.contents.ListOffsetArray(
            ak.index.Index64(offsets), characters, parameters={"__array__": "string"}
        )
        # On this thread: workers are as many as there are cores, and gigatoken's own threads do not survive a fork.
        backend = self._after(int(offsets[-1] - offsets[0]))
        tokens = backend.encode_batch(ak.Array(documents), parallel=False)
        return np.asarray(ak.num(tokens, axis=1), np.int64)

    def _after(self, size_bytes: int) -> Any:
        """What counts the next text, of this size."""
        with self._lock:
            if self._left <= 0:
                self._backend, self._left = self._made(), self._renew_bytes
            self._left -= size_bytes
            return self._backend


def _fast_like(slow: _Slow, described: dict[str, Any]) -> _Fast | None:
    """gigatoken with this tokenizer; None where it does not know its parts, or counts the probe otherwise."""
    from gigatoken.gigatoken_rs import load_hf_json

    added = described.get("added_tokens") or []
    as_text = {**described, "added_tokens": [token for token in added if not token["special"]]}
    plain = json.dumps(as_text)
    try:
        fast = _Fast(lambda: load_hf_json(plain))
    except RuntimeError:  # what it does not support
        return None
    names = [str(token["content"]) for token in added]
    probes = [PROBE, *(f"{name} x{name}y {name}, {name}{name}\n {name} {name}s" for name in names), *PROBE.splitlines()]
    return fast if all(fast.ids(probe) == slow.ids(probe) for probe in probes) else None


@lru_cache(maxsize=len(BUILT_IN))
def _built_in(name: str) -> Counter:
    return _Fast(lambda: _built_in_backend(name))


def _built_in_backend(name: str) -> Any:
    from gigatoken.gigatoken_rs import BPETokenizer

    data = _vocabulary(name)
    with tempfile.TemporaryDirectory() as folder:  # it reads files only
        path = Path(folder) / name
        path.write_bytes(data)
        return BPETokenizer.from_tiktoken(path, BUILT_IN[name].pattern, {})


def _vocabulary(name: str) -> bytes:
    """The file of ranks that tiktoken would download."""
    package = importlib.util.find_spec("bpe_openai")
    if package is None or not package.submodule_search_locations:
        raise ModelError(f"{name}: the package bpe-openai, whose wheel carries the vocabulary, is not installed")
    path = Path(package.submodule_search_locations[0]) / "data" / f"{name}.tiktoken.gz"
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise ModelError(f"{path}: {error}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != BUILT_IN[name].sha256:
        raise ModelError(f"{path}: its SHA-256 is {found}, expected {BUILT_IN[name].sha256}")
    return data


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
