"""Where new documents meet known ones: who meets whom, and which of the two is the better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from curation.dedup.known import Known, Records, Table
from curation.dedup.shard import Addresses, Group, Rows, addresses_of
from curation.dedup.stage import Uint64s

BetterCopies = Literal["stay", "replace"]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Met:
    """Known documents that have one of the keys that were asked for, (hits,) each."""

    keys: Uint64s
    low: Uint64s
    docs: Uint64s


@dataclass(frozen=True)
class Meeting:
    """The known documents, and what a new copy that the keep policy prefers does: `stay` lets every known document be
    the better one of its pair, `replace` lets the keep policy decide. What is known is never compared with itself."""

    known: Known
    better_copies: BetterCopies = "stay"

    @property
    def first_new(self) -> np.uint64:
        """No new document has a smaller address, no known one has this or a larger."""
        return np.uint64(self.known.pieces << 32)

    @property
    def stays(self) -> bool:
        """Whether no known document is ever dropped."""
        return self.better_copies == "stay"

    def is_known(self, docs: Uint64s) -> Flags:
        """Which documents are known, (documents,)."""
        return np.asarray(docs < self.first_new)

    def meet(self, table: Table, keys: Uint64s) -> Met:
        """Who is known to have one of these keys, of which there may be equal ones, in any order."""
        asked = np.unique(keys)
        hits = self.known.hits(table, asked)
        return Met(asked[hits.key], hits.low, hits.docs)

    def records(self, docs: Uint64s) -> Records:
        """What is known of known documents, in any order, (documents,)."""
        different, place = np.unique(docs, return_inverse=True)
        found = self.known.records(different)
        return Records(
            exact_priority=found.exact_priority[place],
            set_priority=found.set_priority[place],
            shingles=found.shingles[place],
            copies=found.copies[place],
        )

    def better_first(self, docs: Uint64s, better: Rows, worse: Rows) -> tuple[Rows, Rows]:
        """(better, worse) of pairs of which one is new, as places in `docs`, given as the keep policy has them."""
        if not self.stays:
            return better, worse
        turns = self.is_known(docs[worse])
        return np.where(turns, worse, better), np.where(turns, better, worse)


def addresses_with_known(groups: list[Group], meeting: Meeting | None) -> Addresses:
    """Where new and known documents are: of the known pieces there are no more groups than of the new shards."""
    new = addresses_of(groups)
    if meeting is None:
        return new
    pieces = meeting.known.pieces
    count = min(pieces, new.groups)
    return Addresses(new.firsts, tuple(pieces * number // count for number in range(count)))
