"""The compiled loops: a text's words, the table of an index's n-grams, and where a text's words are those of an item.

`data` uint8 and `offsets` int64 (documents + 1,) are as `text_buffers` gives them; a place in a text is a number of a
word, from 0. `reading` is `words.Reading`, `index` is `index.Tables`, `limits` is `index.Limits`.
"""

from curation.contamination.kernels.clusters import STATES
from curation.contamination.kernels.grams import fill_table, gram_hashes
from curation.contamination.kernels.matches import (
    ANSWER,
    DOCUMENT,
    END,
    ENTRY,
    FIRST,
    LAST,
    LONGEST,
    PASSAGE,
    SHARE,
    START,
    WORDS,
    find_matches,
)
from curation.contamination.kernels.words import word_hashes, word_spans

__all__ = [
    "ANSWER",
    "DOCUMENT",
    "END",
    "ENTRY",
    "FIRST",
    "LAST",
    "LONGEST",
    "PASSAGE",
    "SHARE",
    "START",
    "STATES",
    "WORDS",
    "fill_table",
    "find_matches",
    "gram_hashes",
    "word_hashes",
    "word_spans",
]
