"""Keep benchmarks out of a corpus: documents that hold their items are dropped, cut, or only marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from curation.contamination.index import Index, Ints, open_index
from curation.contamination.matching import BARS, LIMITS, Hits, Rule, find_hits
from curation.contamination.registry import FILES, canary_mark, load_registry
from curation.document import TEXT, with_column, with_text
from curation.errors import ModelError
from curation.report import Span
from curation.stage import Evidence, RowStage, Sha256
from curation.text.arrow import Bytes, text_buffers

CANARY = "canary"
"""The name of the item that a canary is."""
WHOLE = 1.0
"""What a whole copy of an item scores by every rule, at least; and a canary."""
MOST_FOUND = 50
"""Items that `found` lists of one document."""
JOINT = "\n\n"
"""Between the pieces of a document that was cut."""


class Found(NamedTuple):
    """An item in a document: its score, and the code points from its first word to behind its last one."""

    benchmark: str
    item: str
    score: float
    start: int
    end: int


class Contamination(RowStage):
    """Drop, cut or mark documents that hold items of a registry of benchmarks, or a canary.

    Case, white space, punctuation, accents and HTML make no difference. Three rules: `cluster` finds copies with edits,
    and halves; `gpt3` and `tulu` are the published n-gram rules.
    """

    version: ClassVar[int] = 1
    reference: ClassVar[str] = (
        "cluster: after allenai/decon e1bcb80, on words; gpt3: Brown et al. 2020, appendix C; "
        "tulu: Lambert et al. 2024 (open-instruct, decontamination)"
    )
    files: ClassVar[Mapping[str, frozenset[str]]] = {"registry": frozenset()}
    file_sets: ClassVar[Mapping[str, str]] = {"registry": FILES}

    kind: Literal["contamination"] = "contamination"
    registry: str
    """The benchmarks: JSON lines, by path or `s3://` URL; a folder or a glob stands for all its files."""
    registry_sha256: Sha256 | None = None
    """The SHA-256 that the registry's content must have, in hex."""
    rule: Rule = "cluster"
    """How much of an item is too much: `cluster`, `gpt3` or `tulu`."""
    threshold: Annotated[float, Field(gt=0)] | None = None
    """A document is contaminated from this score on, 1 at most; by default 0.35 for `cluster`, 1 for `gpt3`, 0.5 for
    `tulu`."""
    common_items: Annotated[int, Field(ge=1)] = 10
    """N-grams that stand in more items than this begin no match."""
    canaries: tuple[str, ...] = ()
    """Marks that no document may hold, beside those of the registry; of one with a GUID, the GUID is looked for."""
    action: Literal["drop", "cut", "tag"] = "drop"
    """What becomes of a contaminated document: it is dropped, what it holds is cut out, or it is only marked."""
    window_chars: Annotated[int, Field(ge=0)] = 200
    """How many characters around a match are cut with it."""
    min_piece_chars: Annotated[int, Field(ge=0)] = 200
    """Shorter pieces between two cuts go, too."""
    max_pieces: Annotated[int, Field(ge=1)] = 10
    """A document that would be cut into more pieces is dropped."""

    @field_validator("threshold")
    @classmethod
    def _no_copy_passes(cls, threshold: float | None) -> float | None:
        if threshold is not None and threshold > WHOLE:
            raise ValueError(
                f"found {threshold:g}, expected at most {WHOLE:g}: a whole copy of an item may score no more, by any "
                "rule, and would pass"
            )
        return threshold

    @property
    def rewrites(self) -> bool:
        return self.action == "cut"

    @property
    def bar(self) -> float:
        """The score from which on a document is contaminated."""
        return BARS[self.rule] if self.threshold is None else self.threshold

    def columns(self) -> pa.Schema:
        fields = [
            ("score", pa.float64()),
            ("benchmark", pa.string()),
            ("item", pa.string()),
            ("start", pa.int64()),
            ("end", pa.int64()),
            ("share", pa.float64()),
            ("words", pa.int64()),
            ("longest", pa.int64()),
            ("items", pa.int64()),
            ("found", pa.string()),
        ]
        if self.action == "cut":
            fields += [("pieces", pa.int64()), ("removed", pa.int64())]
        return pa.schema([(self.column(name), type_) for name, type_ in fields])

    def reasons(self) -> frozenset[str]:
        why = {"drop": (CANARY, self.rule), "cut": (CANARY, "too_many_pieces", "nothing_left"), "tag": ()}
        return frozenset(map(self.column, why[self.action]))

    def thresholds(self) -> frozenset[str]:
        return frozenset({"threshold"} if self.action == "drop" else ())

    def models(self) -> dict[str, str]:
        """The registry's digest. Raises ModelError where it is missing, empty, or does not find its own items."""
        for canary in self.canaries:
            canary_mark(canary)
        return {self.registry: self.index().registry.sha256}

    def index(self) -> Index:
        """The registry's index for this rule, built once a process. Raises as `models`."""
        return open_index(load_registry(self.registry, self.registry_sha256), LIMITS[self.rule], self.common_items)

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds what the document holds most of: its `score`, `benchmark` and `item`, where it stands (`start` to `end`,
        code points), the `share` of the item, its `words` that are there and the `longest` run of them; how many
        `items` it holds any of, and which (`found`: JSON, a list of benchmark, item, score, start, end). All but the
        numbers of `items` and the score are null where there is nothing. A canary's score is 1. With `cut`, of how many
        `pieces` the text is made, and how many characters were `removed`."""
        index, texts = self.index(), batch[TEXT]
        hits = find_hits(texts, index, self.rule, self.bar)
        found = self._found(texts, index, hits)
        for field, values in zip(self.columns(), self._values(found, hits, batch.num_rows), strict=False):
            batch = with_column(batch, field.name, pa.array(values, field.type))
        return self._cut(batch, hits) if self.action == "cut" else batch

    def find(self, texts: pa.LargeStringArray) -> list[list[Found]]:
        """All that each text holds, the highest score first: what counts, and what is below the threshold."""
        index = self.index()
        found = self._found(texts, index, find_hits(texts, index, self.rule, self.bar))
        return [[each for each, _ in items] for items in found]

    def _found(self, texts: pa.LargeStringArray, index: Index, hits: Hits) -> list[list[tuple[Found, int]]]:
        """What each document holds, the highest score first, with the row of the hit that it is of, -1 for a canary."""
        found: list[list[tuple[Found, int]]] = [[] for _ in range(len(texts))]
        marks = [*index.registry.canaries, *(("", canary_mark(canary)) for canary in self.canaries)]
        for benchmark, mark in dict.fromkeys(marks):
            for document in pc.indices_nonzero(pc.match_substring(texts, mark)).to_pylist():
                start = texts[document].as_py().index(mark)
                found[document].append((Found(benchmark, CANARY, WHOLE, start, start + len(mark)), -1))
        places = _places(texts, hits)
        for row, (document, entry, score) in enumerate(
            zip(hits.documents.tolist(), hits.entries.tolist(), hits.scores.tolist(), strict=True)
        ):
            found[document] += [
                (Found(item.benchmark, item.id, score, *places[row]), row) for item in index.items[entry]
            ]
        return found

    def _values(self, found: list[list[tuple[Found, int]]], hits: Hits, rows: int) -> list[list[Any]]:
        """The values of the first ten columns."""
        values: list[list[Any]] = [[0.0] * rows, *([None] * rows for _ in range(7)), [0] * rows, [None] * rows]
        for document, items in enumerate(found):
            if items:
                best, row = items[0]
                counts = (WHOLE, None, None) if row < 0 else (hits.shares[row], hits.words[row], hits.longest[row])
                listed = orjson.dumps([tuple(each) for each, _ in items[:MOST_FOUND]]).decode()
                said = (best.score, best.benchmark, best.item, best.start, best.end, *counts, len(items), listed)
                for column, value in zip(values, said, strict=True):
                    column[document] = value
        return values

    def _cut(self, batch: pa.RecordBatch, hits: Hits) -> pa.RecordBatch:
        """The batch with the matches cut out of the texts, but of those that are dropped; `pieces` and `removed`."""
        pieces, removed = np.ones(batch.num_rows, np.int64), np.zeros(batch.num_rows, np.int64)
        texts = batch[TEXT]
        data, offsets = text_buffers(texts)
        is_canary = self._is_canary(batch).to_pylist()
        changed: dict[int, str] = {}
        rows = np.flatnonzero(hits.scores >= self.bar).tolist()
        for document, own in groupby(rows, key=lambda row: int(hits.documents[row])):
            if is_canary[document]:
                continue
            start, stop = offsets[document : document + 2]
            spans = _code_points(data[start:stop], np.concatenate([hits.matches[row] for row in own]) - start)
            text = texts[document].as_py()
            left = [*self._pieces(text, spans.tolist())]
            pieces[document], removed[document] = len(left), len(text) - sum(map(len, left))
            if 0 < len(left) <= self.max_pieces:
                changed[document] = JOINT.join(left)
        for name, values in (("pieces", pieces), ("removed", removed)):
            batch = with_column(batch, self.column(name), pa.array(values))
        if not changed:
            return batch
        is_changed = np.zeros(batch.num_rows, bool)
        is_changed[[*changed]] = True
        new = pa.array([changed[document] for document in sorted(changed)], pa.large_string())
        return with_text(batch, pc.replace_with_mask(texts, pa.array(is_changed), new))

    def _pieces(self, text: str, spans: list[list[int]]) -> Iterator[str]:
        """What lies between the spans, each with its window, where it is long enough."""
        done = 0
        for start, end in [*sorted(spans), [len(text) + self.window_chars] * 2]:
            piece = text[done : max(done, start - self.window_chars)]
            if piece and len(piece) >= self.min_piece_chars:
                yield piece
            done = max(done, end + self.window_chars)

    def _is_canary(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        return pc.fill_null(pc.equal(batch[self.column("item")], CANARY), False)

    def drop_reasons(self, batch: pa.RecordBatch) -> pa.StringArray:
        score = batch[self.column("score")]
        if score.null_count:
            raise ValueError(f"{self.name}: a score is null; annotate gives every document one")
        if self.action == "tag":
            return pa.nulls(batch.num_rows, pa.string())
        cases = [(CANARY, self._is_canary(batch))]
        if self.action == "drop":
            cases += [(self.rule, pc.greater_equal(score, self.bar))]
        else:
            pieces = batch[self.column("pieces")]
            cases += [("nothing_left", pc.equal(pieces, 0)), ("too_many_pieces", pc.greater(pieces, self.max_pieces))]
        why = [self.column(name) for name, _ in cases]
        return pc.case_when(pc.make_struct(*(is_so for _, is_so in cases)), *why).cast(pa.string())

    def evidence(self, batch: pa.RecordBatch, reasons: pa.StringArray) -> Evidence:
        """The score against the threshold, a canary's against its own; of a document in pieces their number against
        the most, or the least; and what was found: `benchmark/item start-end`."""
        limits = {CANARY: WHOLE, self.rule: self.bar, "nothing_left": 1, "too_many_pieces": self.max_pieces}
        which = pc.index_in(reasons, pa.array([self.column(why) for why in limits]))
        values = pc.if_else(which.is_valid(), batch[self.column("score")], None)
        if self.action == "cut":
            is_in_pieces = pc.is_in(
                reasons, pa.array([self.column(why) for why in ("nothing_left", "too_many_pieces")])
            )
            values = pc.if_else(is_in_pieces, batch[self.column("pieces")].cast(pa.float64()), values)
        thresholds = pa.array([*limits.values()], pa.float64()).take(which)
        benchmark, item, start, end = (batch[self.column(name)] for name in ("benchmark", "item", "start", "end"))
        what = pc.binary_join_element_wise(pc.if_else(which.is_valid(), benchmark, None), item, "/")
        where = pc.binary_join_element_wise(start.cast(pa.string()), end.cast(pa.string()), "-")
        return Evidence(values, thresholds, pc.binary_join_element_wise(what, where, " "))

    def spans(self, texts: Sequence[str], decisions: pa.RecordBatch) -> list[Span | None]:
        places = zip(*(decisions[self.column(name)].to_pylist() for name in ("start", "end")), strict=True)
        return [None if start is None else (start, end) for start, end in places]


def _places(texts: pa.LargeStringArray, hits: Hits) -> list[tuple[int, int]]:
    """Where each hit's best match begins and ends in its text, in code points."""
    data, offsets = text_buffers(texts)
    places: list[tuple[int, int]] = []
    for document, rows in groupby(range(len(hits.documents)), key=lambda row: int(hits.documents[row])):
        start, stop = offsets[document : document + 2]
        spans = hits.spans[[*rows]] - start
        places += map(tuple, _code_points(data[start:stop], spans).tolist())
    return places


def _code_points(text: Bytes, places: Ints) -> Ints:
    """How many code points of the text stand before each of these bytes; the shape of `places`."""
    return places - np.searchsorted(np.flatnonzero(text & 0xC0 == 0x80), places)


def listed(found: str | None) -> list[Found]:
    """What the column `found` of a document says. Raises ModelError for what this stage did not write."""
    if found is None:
        return []
    try:
        return [Found(*each) for each in orjson.loads(found)]
    except (orjson.JSONDecodeError, TypeError) as error:
        raise ModelError(f"a list of contaminated items is damaged: {error}") from None
