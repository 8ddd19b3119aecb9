"""The form of a text: five shares that say how it is written in any language, as words that a fastText model can read.

| share       | of what                                   | literature                                            |
|-------------|-------------------------------------------|-------------------------------------------------------|
| `letters`   | letters among visible characters          | Gopher's alphabetic words, RedPajama v2               |
| `capitals`  | capitals among letters                    | DCLM's upper-case ratio                               |
| `shouted`   | words in capitals among words             | RedPajama v2, `rps_doc_frac_all_caps_words`           |
| `lines`     | lines that end as a sentence among lines  | C4, FineWeb's `line_punct_ratio`                      |
| `sentences` | ends of sentences to words, 0.25 at most  | RedPajama v2, `rps_doc_num_sentences`                 |

A visible character is no white space (`str.isspace`); a letter is a visible one that is no digit (`str.isdigit`), no
punctuation and no symbol (Unicode P*, S*), so vowel signs are letters. A word is a run of letters; in scripts without
spaces each letter is one. It is in capitals if all its letters, two at least, are. Lines are those of `str.splitlines`
with anything visible. A line, or a sentence, ends with one of `. ! ? …` or their like in other scripts, quotation marks
and brackets after it left out; a sentence only before white space, or behind `。` and its like anywhere.

Each share is asked against twelve thresholds, close together near 0 (`scale · (n / 13)²`), and each answer is one word,
`le+04` or `le-04`. So a model is a sum of twelve steps for each share, and knows every word whatever it is shown.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from curation.quality import kernels
from curation.text.arrow import text_buffers
from curation.text.unicode import tables

SHARES = ("letters", "capitals", "shouted", "lines", "sentences")
STEPS = 12
_SCALES = np.array([1.0, 0.5, 1.0, 1.0, 0.25])
_PARTS, _WHOLES = [1, 2, 4, 6, 7], [0, 1, 3, 5, 3]
"""The columns of the kernel's counts that each share has above and below."""
WORD_BYTES = 6

NARROW_MARKS = ".!?…‽؟۔։።፧…"
WIDE_MARKS = "。．｡！？।॥။។៕"
CLOSING_MARKS = "\"')]}»”’›」』）】〉》*_`"

Array = np.ndarray[Any, np.dtype[Any]]


def form_shares(texts: pa.LargeStringArray) -> Array:
    """The shares of each text, (documents, 5) float64, 0 to 1, in the order of SHARES; 0 where there is nothing."""
    counts = np.zeros((len(texts), 8), np.int64)
    kernels.measure(*text_buffers(texts), tables().classes, _marks(), counts)
    parts, wholes = counts[:, _PARTS], counts[:, _WHOLES]
    return np.divide(parts, wholes, out=np.zeros(parts.shape), where=wholes > 0)


def form_words(texts: pa.LargeStringArray) -> tuple[Array, Array]:
    """The form of each text as 60 words: (data uint8, offsets (documents + 1,) int64), ASCII."""
    is_above = form_shares(texts)[:, :, None] > thresholds()  # (documents, 5, STEPS)
    words = np.where(is_above[..., None], *_words())  # (documents, 5, STEPS, WORD_BYTES)
    width = len(SHARES) * STEPS * WORD_BYTES
    return np.ascontiguousarray(words).reshape(-1), np.arange(len(texts) + 1, dtype=np.int64) * width


@cache
def thresholds() -> Array:
    """What each share is asked against, (5, STEPS)."""
    return _SCALES[:, None] * (np.arange(1, STEPS + 1) / (STEPS + 1)) ** 2


@cache
def _words() -> tuple[Array, Array]:
    """The words for shares above and not above their thresholds, each (5, STEPS, WORD_BYTES) uint8."""
    above, below = (
        np.frombuffer(
            "".join(f"{share[:2]}{sign}{step:02d} " for share in SHARES for step in range(1, STEPS + 1)).encode(),
            np.uint8,
        ).reshape(len(SHARES), STEPS, WORD_BYTES)
        for sign in "+-"
    )
    return above, below


@cache
def _marks() -> Array:
    marks = np.zeros(kernels.PLANE, np.uint8)
    for signs, kind in (
        (NARROW_MARKS, kernels.NARROW),
        (WIDE_MARKS, kernels.WIDE),
        (CLOSING_MARKS, kernels.CLOSING),
    ):
        marks[[ord(sign) for sign in signs]] = kind
    return marks
