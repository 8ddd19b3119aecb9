"""Exact duplicates: documents whose normalised texts are equal."""

from __future__ import annotations

from typing import ClassVar, Literal

from curation.dedup.stage import DedupStage


class ExactDedup(DedupStage):
    """Drop all but one of the documents whose texts are equal but for case and white space.

    Compared are 128-bit hashes of the lower-cased text with runs of white space as one space and none at the ends.
    Punctuation counts, so `2+2` and `2-2` stay two documents; equal texts have equal words, so equal shingles.
    """

    reference: ClassVar[str] = "own normalisation: str.lower(), then ' '.join(str.split())"

    kind: Literal["exact_dedup"] = "exact_dedup"
