"""Where the words of a batch of texts are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Int32 = np.ndarray[Any, np.dtype[np.int32]]
Int64 = np.ndarray[Any, np.dtype[np.int64]]


class WordSpans(NamedTuple):
    """The words of a batch: those of document d are starts[i]:ends[i], in bytes from its own beginning, for i in
    offsets[d]:offsets[d + 1]. Shapes (documents + 1,), (words,), (words,)."""

    offsets: Int64
    starts: Int32
    ends: Int32
