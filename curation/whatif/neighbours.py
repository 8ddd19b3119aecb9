"""The documents near a threshold as people are shown them: ids and excerpts, read for these few alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import pyarrow.parquet as pq

from curation import decision
from curation.document import ROW, SHARD
from curation.explanation import Found, Row, kept_document
from curation.report import EXCERPT, Report
from curation.whatif.decided import KEPT, Decided
from curation.whatif.model import Edge, Fate, Neighbour
from curation.whatif.nearest import Near
from curation.whatif.replay import Edge as Side

Told = Callable[[int], tuple[Fate, str]]
"""What the code of a fate stands for."""


class Neighbours:
    """Reads each document once. What is shown of a text is what the version keeps, or its report shows."""

    def __init__(self, decided: Decided, report: Report, moved: Collection[str]) -> None:
        """`moved` are the reasons that any document changes sides for; of others there is no edge."""
        self._decided = decided
        self._moved = moved
        self._shown = {(example.shard, example.row): example.excerpt for example in report.examples}
        self._read: dict[tuple[int, int, int], tuple[Row, str]] = {}

    def edges(self, found: Mapping[Side, Sequence[Near]], told: Told) -> list[Edge]:
        """The edges of one case, in the order of the stages."""
        edges = []
        for place, reason in sorted({(place, reason) for place, reason, _ in found}):
            passing, dropped = (found.get((place, reason, is_dropped), ()) for is_dropped in (False, True))
            if reason in self._moved and _are_apart(passing, dropped):
                sides = [tuple(self._neighbour(near, told) for near in side) for side in (passing, dropped)]
                name = self._decided.names.stages[place]
                edges.append(Edge(stage=name, reason=reason, passing=sides[0], dropped=sides[1]))
        return edges

    def _neighbour(self, near: Near, told: Told) -> Neighbour:
        row, excerpt = self._document(near)
        fate, after = told(near.fate)
        return Neighbour(
            id=row["id"],
            source=self._decided.pieces[near.piece].piece.source,
            shard=row[SHARD],
            row=row[ROW],
            language=row["language"],
            bytes=row["bytes"],
            value=near.value,
            threshold=near.threshold,
            before=row["reason"] or "",
            fate=fate,
            after=after,
            excerpt=excerpt,
        )

    def _document(self, near: Near) -> tuple[Row, str]:
        """The decision, and how the text begins."""
        place = (near.piece, near.group, near.row)
        if place not in self._read:
            files, storage = self._decided.pieces[near.piece], self._decided.storage
            with storage.open_seekable(files.decisions.path) as file, pq.ParquetFile(file) as decisions:
                group = decisions.read_row_group(near.group, decision.SCHEMA.names, use_threads=False)
            (row,) = group.slice(near.row, 1).to_pylist()
            excerpt = self._shown.get((row[SHARD], row[ROW]), "")
            if near.old == KEPT:
                kept = kept_document(storage, self._decided.manifest, Found(row, files))
                excerpt = str(kept["text"])[:EXCERPT] if kept else ""
            self._read[place] = row, excerpt
        return self._read[place]


def _are_apart(passing: Sequence[Near], dropped: Sequence[Near]) -> bool:
    """Whether one side is below the threshold and the other above: else the reason goes by something else, too."""
    sides = [[near.value - near.threshold for near in side] for side in (passing, dropped)]
    if not all(sides):
        return any(sides)
    return max(sides[0]) <= min(sides[1]) or max(sides[1]) <= min(sides[0])
