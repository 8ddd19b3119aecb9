"""What a classifier sees of a text: the same in training and in scoring."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa

from curation.quality.form import form_words
from curation.text.arrow import text_buffers

View = Literal["words", "form"]
"""`words`: the text as it is, line ends taken for blanks, as DCLM's classifier was trained. `form`: how it is written,
not what it says (`curation.quality.form`)."""

Array = np.ndarray[Any, np.dtype[Any]]


def viewed(texts: pa.LargeStringArray, view: View) -> tuple[Array, Array]:
    """What a model sees of each text: (data uint8, offsets (documents + 1,) int64)."""
    if view == "form":
        return form_words(texts)
    data, offsets = text_buffers(texts)
    return data[offsets[0] : offsets[-1]], offsets - offsets[0]
