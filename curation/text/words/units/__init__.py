"""Units: what stands for words in scripts that are written without spaces.

The fast splitter makes each character of them a word. Here those that belong together are joined, run by run (a run is
what stands without a gap), and everything else is left as it is:

- Han and Kana, and Thai: by the linear models of BudouX (the Python package `budoux`, Apache-2.0), of which those for
  Japanese words, for Chinese in both standards, and for Thai are read. Which one serves a document's Han is decided by
  its characters (`kernels.choose_model`).
- Burmese, Khmer, Lao: syllables, by what stands at their borders (`kernels.begins_unit`). Burmese is the rule of
  Ye Kyaw Thu's sylbreak; Khmer and Lao are rules of our own, after those scripts' orthography.
- Tibetan: a syllable with the mark that ends it.

The models' digests are fixed here, so that the same text has the same units everywhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from curation.errors import ModelError
from curation.text.arrow import Bytes, Offsets
from curation.text.unicode import CODE_POINTS
from curation.text.words.kinds import kinds
from curation.text.words.spans import Int64, WordSpans
from curation.text.words.units import kernels

MODELS = (  # in the order of the constants in `kernels`
    ("ja_word.json", "710a8680722b04c23f21860c0e4bb31e9c84326fa92f663009339ea6a9e84c99"),
    ("zh-hans.json", "6999aa5fa8d24bed376012ecce067c06fe05c8442f05812ac934e6d606036386"),
    ("zh-hant.json", "d8d096efccb6810e3f31a6c484dae22f524a54b1ae9fd41f681d999270ea2ff9"),
    ("th.json", "064489ca1572af29bc6a60255916926d26e0f9b92afa89d1fbf058e547a428e4"),
)
"""The model files of BudouX 0.10 and their SHA-256."""

_SINGLES = ("UW1", "UW2", "UW3", "UW4", "UW5", "UW6")
_GRAMS = (("BW1", "BW2", "BW3"), ("TW1", "TW2", "TW3", "TW4"))


class _Models(NamedTuple):
    """The arrays that `kernels.join_runs` wants."""

    rows: np.ndarray[Any, np.dtype[np.uint16]]
    singles: Int64
    keys: np.ndarray[Any, np.dtype[np.uint64]]
    grams: Int64
    totals: Int64


def joined(data: Bytes, offsets: Offsets, spans: WordSpans) -> WordSpans:
    """The words of the fast splitter with those of scripts without spaces joined to units.

    The arrays of `spans` are written to. Raises ModelError where the models are missing or other ones.
    """
    known = models()  # a run that could not go on must not begin
    longest = np.empty(len(offsets) - 1, np.int64)
    kernels.measure_runs(data, offsets, *spans, kinds(), longest)
    if not longest.any():
        return spans
    kernels.join_runs(data, offsets, kinds(), signs(), *known, longest, *spans)
    words = spans.offsets[-1]
    return WordSpans(spans.offsets, spans.starts[:words], spans.ends[:words])


def unit_models() -> dict[str, str]:
    """The model files and their SHA-256. Raises ModelError as `models`."""
    models()
    return {f"budoux/{name}": digest for name, digest in MODELS}


@cache
def models() -> _Models:
    """The models in one set of tables. Raises ModelError where one is missing, or not of the digest that it had."""
    weights = [_read(name, digest) for name, digest in MODELS]
    rows = np.zeros((len(weights), 0x10000), np.uint16)
    singles = [[0] * 6]
    keys = np.zeros((len(weights), kernels.SLOTS), np.uint64)
    grams = np.zeros((len(weights), kernels.SLOTS, 4), np.int64)
    for model, features in enumerate(weights):
        for column, feature in enumerate(_SINGLES):
            for character, weight in features.get(feature, {}).items():
                code = ord(character)
                if not rows[model, code]:
                    rows[model, code] = len(singles)
                    singles.append([0] * 6)
                singles[rows[model, code]][column] = weight
        for names in _GRAMS:
            for column, feature in enumerate(names):
                for characters, weight in features.get(feature, {}).items():
                    for gram in (characters[:2], characters):
                        key = _key(gram)
                        slot = kernels.find_gram(key, keys[model])
                        keys[model, slot] = key
                    grams[model, slot, column] = weight
    totals = [sum(sum(feature.values()) for feature in features.values()) for features in weights]
    return _Models(rows, np.array(singles, np.int64), keys, grams, np.array(totals, np.int64))


def _key(characters: str) -> np.uint64:
    codes = [np.int64(ord(character)) for character in characters]
    key: np.uint64 = kernels.pair_key(*codes) if len(codes) == 2 else kernels.triple_key(*codes)
    return key


def _read(name: str, digest: str) -> Mapping[str, Mapping[str, int]]:
    try:
        data = files("budoux").joinpath("models", name).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError):
        raise ModelError(f"budoux with its model {name} is not installed: pip install 'budoux==0.10.*'") from None
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise ModelError(f"budoux: {name} has the SHA-256 {found}, expected {digest}: pip install 'budoux==0.10.*'")
    features: Mapping[str, Mapping[str, int]] = json.loads(data)
    return features


@cache
def signs() -> Bytes:
    """For each code point whether it is Kana, a Han ideograph, or one of those that only one standard of Chinese has:
    GB 2312 or Big5, as Python's codecs have them; (0x110000,) uint8 flags of `kernels`."""
    flags = np.zeros(CODE_POINTS, np.uint8)
    for first, last in ((0x3041, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)):
        flags[first : last + 1] |= kernels.KANA
    for first, last in ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)):
        flags[first : last + 1] |= kernels.IDEOGRAPH
    for code in range(0x4E00, 0xA000):
        simplified, traditional = (_is_in(chr(code), standard) for standard in ("gb2312", "big5"))
        if simplified != traditional:
            flags[code] |= kernels.ONLY_SIMPLIFIED if simplified else kernels.ONLY_TRADITIONAL
    return flags


def _is_in(character: str, standard: str) -> bool:
    try:
        character.encode(standard)
    except UnicodeEncodeError:
        return False
    return True
