"""Words of texts, as byte spans. Two splitters that feed the same kernels.

`fast` serves every script, in one pass and without a model. It cuts a text at white space, then takes punctuation off both
ends of a piece, one character at a time, unless the rest is an abbreviation ("e.g."); takes off contractions ("do" "n't",
"it" "'s") and units after a number ("10" "km"); leaves web and mail addresses whole; and cuts at hyphens, slashes, colons
and commas between letters. Each is a word of its own. In scripts that are written without spaces (Han, Kana, Thai, Lao,
Khmer, Burmese, Tibetan) each character with its marks is a word. docs/rules.md states it in full; it is made to agree with
spaCy's English rules as far as that changes a verdict.

`spacy` is spaCy's own English tokenizer, as datatrove uses it, about a hundred times slower.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from curation.errors import ModelError
from curation.text import kernels
from curation.text.arrow import text_buffers
from curation.text.unicode import BEYOND_CASE, CODE_POINTS, SPACE, tables

Splitter = Literal["fast", "spacy"]
Int32 = np.ndarray[Any, np.dtype[np.int32]]
Int64 = np.ndarray[Any, np.dtype[np.int64]]


class WordSpans(NamedTuple):
    """The words of a batch: those of document d are starts[i]:ends[i], in bytes from its own beginning, for i in
    offsets[d]:offsets[d + 1]. Shapes (documents + 1,), (words,), (words,)."""

    offsets: Int64
    starts: Int32
    ends: Int32


def word_spans(texts: pa.LargeStringArray, splitter: Splitter) -> WordSpans:
    """The words of each text; no word is empty or holds white space. Raises ModelError if spaCy is asked for and absent."""
    return _fast_spans(texts) if splitter == "fast" else _spacy_spans(texts)


def _fast_spans(texts: pa.LargeStringArray) -> WordSpans:
    data, offsets = text_buffers(texts)
    size = int(offsets[-1] - offsets[0])  # no more words than bytes; pages that are not written to cost nothing
    starts, ends = np.empty(size, np.int32), np.empty(size, np.int32)
    words = np.zeros(len(offsets), np.int64)
    keys, cuts = _pieces()
    kernels.split_words(data, offsets, _kinds(), keys, cuts, words, starts, ends)
    return WordSpans(words, starts[: words[-1]], ends[: words[-1]])


# The table of kinds.

_AFFIXES = frozenset(",:;!?()[]{}<>_#*&'\"`")  # taken off both ends
_PREFIXES = frozenset("§%=$")  # taken off the front only
_QUOTES = frozenset("'\"`´‘’‚“”„»«「」『』（）〔〕【】《》〈〉⟦⟧")
_NOT_AFFIXES = frozenset("•‣․‥‧‰‱′″‴‵‶‷†‡‖‗‾⁁⁂⁄⁊¶·@/\\*") - frozenset("·*")  # stay with the word that they touch
_BEFORE_STOP = frozenset("0123456789%²-+|()?:,;!¿؟¡[]{}<>_#*&。？！，、；：～·।،۔؛٪…")
_UNSPACED = (
    (0x0E01, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # Han radicals
    (0x3005, 0x3007),
    (0x3031, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, 0x3FFFF),
)


@cache
def _kinds() -> np.ndarray[Any, np.dtype[np.uint16]]:
    """What the splitter needs to know of each code point, (0x110000,) flags of `kernels`."""
    kinds = np.zeros(CODE_POINTS, np.uint16)
    kinds[tables().classes & SPACE != 0] |= kernels.BLANK
    for first, last in _UNSPACED:
        kinds[first : last + 1] |= kernels.UNSPACED
    for code in range(BEYOND_CASE):
        kinds[code] |= _kind(chr(code))
    letter = (kinds & (kernels.LOWER | kernels.UPPER) != 0) & (kinds & kernels.UNSPACED == 0)
    kinds[letter] |= kernels.LETTER
    kinds[(kinds & kernels.UNSPACED != 0) & (kinds & (kernels.LOWER | kernels.UPPER | kernels.MARK) == 0)] &= ~np.uint16(
        kernels.UNSPACED
    )
    kinds[0x20000:0x40000] |= kernels.UNSPACED | kernels.LOWER | kernels.UPPER
    return kinds


def _kind(character: str) -> int:
    category = unicodedata.category(character)
    kind = 0
    if category in ("Ll", "Lo", "Lm") or (category[0] == "M" and character > "\u0370"):
        kind |= kernels.LOWER | kernels.BEFORE_STOP
    if category in ("Lu", "Lt", "Lo", "Lm"):
        kind |= kernels.UPPER
    if category[0] == "M":
        kind |= kernels.MARK
    if _is_affix(character, category):
        kind |= kernels.PREFIX | kernels.SUFFIX
    if character in _PREFIXES or category == "Sc":
        kind |= kernels.PREFIX
    if category == "Sc":
        kind |= kernels.CURRENCY
    if category == "So" or character == "…":
        kind |= kernels.ICON
    if character in _QUOTES:
        kind |= kernels.QUOTE | kernels.BEFORE_STOP
    if character in _BEFORE_STOP:
        kind |= kernels.BEFORE_STOP
    return kind


def _is_affix(character: str, category: str) -> bool:
    if character in _PREFIXES or character in _NOT_AFFIXES:
        return False
    if character < "\x80":
        return character in _AFFIXES
    return category in ("So", "Po", "Ps", "Pe", "Pi", "Pf") or character in "—–´～"


# Pieces that are not what their punctuation says: words that stay whole, and words that fall in two or three.

_WHOLE = """
' '' 's 'S 'd 're 'em 'll 'cause 'Cause 'bout 'cos 'Cos 'cuz o'clock O'clock ma'am Ma'am and/or w/o C++
a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z. a.m. p.m. e.g. E.g. E.G. i.e. I.e. I.E. v.s.
Adm. Bros. co. Co. Corp. D.C. Dr. Gen. Gov. Inc. Jr. Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms. Mt. Ph.D. Prof. Rep. Rev. Sen.
St. vs. Jan. Feb. Mar. Apr. Jun. Jul. Aug. Sep. Sept. Oct. Nov. Dec. Ak. Ala. Ariz. Ark. Calif. Colo. Conn. Del. Fla. Ga.
Ia. Id. Ill. Ind. Kan. Kans. Ky. La. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Okla. Ore. Pa.
S.C. Tenn. Va. Wash. Wis. doin' goin' nothin' lovin' havin' ol' :) :-) ;) ;-) :( :-( :D :P :/ =) <3 -_- ^_^
"""
_IN_TWO = "can|not Can|not gon|na Gon|na got|ta Got|ta y|all let|'s Let|'s"
_UNITS = """
km m dm cm mm ha nm yd in ft kg g mg t lb oz m/s km/h kmh mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K % µm µg km² km³ m²
m³ cm² cm³ mm² mm³ dm² dm³ am pm a.m. p.m.
"""
_PRONOUNS = {  # what may follow without its apostrophe
    "i": "m ll d ve",
    "you": "ll d ve re",
    "we": "ll d ve re",
    "they": "ll d ve re",
    "he": "ll d s",
    "she": "ll d s",
    "it": "ll d s",
}
_ASKED = {"who": "s ll re ve d", "what": "s ll re ve d", "when": "s ll re ve d", "where": "s ll re ve d"} | {
    word: "s ll re ve d" for word in ("why", "how", "there")
}
_POINTED = {"that": "s ll d", "this": "s ll d", "these": "ll re ve d", "those": "ll re ve d"}
_VERBS = """
ca could do does did had may might must need ought sha should wo would ai are is was were have has dare
""".split()
_WORDS_OF_THEIR_OWN = {"ill", "its", "hell", "shell", "shed", "were", "well", "whore"}


def _pieces_in_two() -> list[tuple[str, str]]:
    """Contractions that are written without the apostrophe ("dont", "youre"), in both cases of the first letter."""
    joined = {**_PRONOUNS, **_ASKED, **_POINTED}
    pairs = [(stem, ending) for stem, endings in joined.items() for ending in endings.split()]
    pairs += [(verb, "nt") for verb in _VERBS]
    pairs += [(verb, "ve") for verb in ("could", "might", "must", "should", "would")]
    return [
        (first, ending)
        for stem, ending in pairs
        for first in (stem, stem.title())
        if stem + ending not in _WORDS_OF_THEIR_OWN
    ]


@cache
def _pieces() -> tuple[np.ndarray[Any, np.dtype[np.uint64]], Int32]:
    """A table of short pieces, open addressing: keys of up to 8 bytes, and what to do with each, (kernels.PIECES,) both.

    An action holds the piece's length in its lowest 4 bits, then where to cut it (0: it is one word), then UNIT.
    """
    keys, actions = np.zeros(kernels.PIECES, np.uint64), np.zeros(kernels.PIECES, np.int32)
    entries = {piece: 0 for piece in _WHOLE.split()}
    entries |= {piece.replace("|", ""): piece.index("|") for piece in _IN_TWO.split()}
    entries |= {first + ending: len(first) for first, ending in _pieces_in_two()}
    entries |= {unit: entries.get(unit, kernels.NOT_A_WORD) | kernels.UNIT for unit in _UNITS.split()}
    entries |= {a.replace("'", "’"): cut for a, cut in entries.items() if "'" in a}
    for piece, cut in entries.items():
        encoded = piece.encode()
        if len(encoded) > 8:
            continue
        key = int.from_bytes(encoded, "big")
        slot = key * kernels.GOLDEN % (1 << 64) >> 53
        while keys[slot]:
            slot = (slot + 1) % kernels.PIECES
        keys[slot], actions[slot] = key, len(encoded) | cut << 4
    return keys, actions


# spaCy.


@cache
def _spacy_tokenizer() -> Any:
    try:
        import spacy
    except ImportError as error:
        raise ModelError(
            "words: spacy needs spaCy, which is not installed: pip install 'curation[spacy]' (or choose words: fast)"
        ) from error
    return spacy.blank("en")


def _spacy_spans(texts: pa.LargeStringArray) -> WordSpans:
    language = _spacy_tokenizer()
    starts, ends = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for text in texts.to_pylist():
        with language.memory_zone():
            first, last = _spacy_words(language.tokenizer, text)
        starts.append(first)
        ends.append(last)
    offsets = np.cumsum([len(first) for first in starts], dtype=np.int64)
    return WordSpans(offsets, np.concatenate(starts), np.concatenate(ends))


def _spacy_words(tokenizer: Any, text: str) -> tuple[Int32, Int32]:
    """The bytes at which spaCy's tokens begin and end, those of white space left out."""
    values = tokenizer(text).to_array(["IDX", "LENGTH", "IS_SPACE"]).astype(np.int64).reshape(-1, 3)
    first, length, _ = values[values[:, 2] == 0].T
    places = _byte_places(text)
    return places[first], places[first + length]


def _byte_places(text: str) -> Int32:
    """At which byte each code point begins, and the end; (code points + 1,)."""
    if text.isascii():
        return np.arange(len(text) + 1, dtype=np.int32)
    encoded = np.frombuffer(text.encode(), np.uint8)
    return np.append(np.flatnonzero(encoded & 0xC0 != 0x80), len(encoded)).astype(np.int32)
