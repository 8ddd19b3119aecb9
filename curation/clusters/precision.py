"""How many of the copies that a version dropped are copies indeed: a seeded sample of them, compared again."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from curation.clusters.copies import Asked, Copies, Scan
from curation.clusters.likest import jaccard
from curation.clusters.reading import Reading, Record, Text, Unreadable, kept_texts
from curation.dedup.fingerprint import exact_keys
from curation.difference.records import mixed
from curation.document import ID, ROW, SHARD, SOURCE
from curation.manifest import Frozen, Manifest
from curation.recipe import Recipe
from curation.storage import Storage
from curation.whatif.decided import GoOn, always
from curation.whatif.interval import Share, share

SAMPLED = 40
"""Of each stage."""
_COLUMNS = [ID, SOURCE, SHARD, ROW, "survivor", "survivor_shard", "survivor_row", "similarity"]


class StagePrecision(Frozen):
    """Of the copies that a stage dropped, how many are as like their survivor as it asks."""

    stage: str
    min_similarity: float | None
    """What it asks; null for equal texts."""
    copies: int
    """How many it dropped, of those that were asked for."""
    sampled: int
    compared: int
    """Of how many both texts could be read."""
    alike: int
    share: Share
    """Of all its copies, judged by those that were compared."""
    largest_error: float | None
    """By how much the recorded similarity differs at most from the one that was measured again."""


class Precision(Frozen):
    """What was measured; the same for the same version and seed while the input files are there."""

    version: int
    seed: int
    stages: tuple[StagePrecision, ...]
    unread: dict[str, int]
    """How many copies could not be compared, by why."""


class _Pair(NamedTuple):
    stage: str
    dropped: Record
    kept: Record
    similarity: float


def precision(
    storage: Storage,
    manifest: Manifest,
    recipe: Recipe,
    asked: Asked,
    reading: Reading,
    size: int = SAMPLED,
    seed: int = 0,
    go_on: GoOn = always,
) -> Precision:
    """Compare `size` copies of each stage with their survivors, chosen by a hash. Of repeated parts that were cut later
    the survivor is read from its input file too. Raises as the storage does."""
    scan = Scan(storage, manifest, asked, go_on)
    drawn: dict[str, _Drawn] = {}
    scan.run(lambda copies: _draw(drawn, scan, copies, size, seed))
    sources = {file.uri: file.source for file in manifest.inputs}
    pairs = [
        _pair(stage, scan.decision(place, _COLUMNS), sources)
        for stage, chosen in sorted(drawn.items())
        for place in chosen.places.tolist()
    ]
    wanted = [pair.kept for pair in pairs]
    found: dict[Record, Text | Unreadable] = {}
    if not recipe.span_stages:
        found |= kept_texts(storage, manifest, wanted)
    found |= reading.texts([pair.dropped for pair in pairs] + [record for record in wanted if record not in found])
    unread: Counter[str] = Counter()
    measured: dict[str, list[tuple[bool, float]]] = {stage: [] for stage in drawn}
    for pair in pairs:
        texts = [found[pair.kept], found[pair.dropped]]
        why = next((each.why for each in reversed(texts) if isinstance(each, Unreadable)), None)
        if why is not None:
            unread[why] += 1
            continue
        one, other = (each.text for each in texts if isinstance(each, Text))
        measured[pair.stage].append(_judged(recipe, pair, one, other))
    return Precision(
        version=manifest.version,
        seed=seed,
        stages=tuple(_of_stage(recipe, stage, drawn[stage], measured[stage]) for stage in sorted(drawn)),
        unread=dict(unread.most_common()),
    )


@dataclass
class _Drawn:
    """The copies of a stage with the smallest hashes; (chosen,) each, ascending."""

    copies: int = 0
    hashes: np.ndarray[Any, np.dtype[np.uint64]] = field(default_factory=lambda: np.zeros(0, np.uint64))
    places: np.ndarray[Any, np.dtype[np.int64]] = field(default_factory=lambda: np.zeros(0, np.int64))


def _draw(drawn: dict[str, _Drawn], scan: Scan, copies: Copies, size: int, seed: int) -> None:
    name = f"{seed}\0{scan.pieces[copies.piece].piece.name}"
    salt = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    rows = (copies.place & 0xFFFFFFFF).astype(np.uint64)
    hashes = mixed(np.full(rows.size, salt, np.uint64), rows)
    for number, stage in enumerate(copies.stages):
        mine = copies.stage == number
        if mine.any():
            chosen = drawn.setdefault(stage, _Drawn())
            chosen.copies += int(np.count_nonzero(mine))
            every = np.concatenate([chosen.hashes, hashes[mine]])
            order = np.argsort(every, kind="stable")[:size]
            chosen.hashes = every[order]
            chosen.places = np.concatenate([chosen.places, copies.place[mine]])[order]


def _pair(stage: str, row: dict[str, Any], sources: dict[str, str]) -> _Pair:
    survivor = row["survivor_shard"]
    return _Pair(
        stage=stage,
        dropped=Record(row[SOURCE], row[SHARD], row[ROW], row[ID]),
        kept=Record(sources.get(survivor, ""), survivor, row["survivor_row"], row["survivor"]),
        similarity=row["similarity"],
    )


def _judged(recipe: Recipe, pair: _Pair, kept: str, dropped: str) -> tuple[bool, float]:
    """Whether the dropped text is a copy by what the stage asks, and how far the recorded similarity is off."""
    minhash = recipe.minhash
    if minhash is None or pair.stage != minhash.name:
        keys = exact_keys(pa.array([kept, dropped], pa.large_string()))
        is_equal = bool((keys[0] == keys[1]).all())
        return is_equal, abs(pair.similarity - float(is_equal))
    similarity = jaccard(kept, dropped, minhash.ngram)
    return similarity >= minhash.min_similarity, abs(pair.similarity - similarity)


def _of_stage(recipe: Recipe, stage: str, drawn: _Drawn, measured: list[tuple[bool, float]]) -> StagePrecision:
    minhash, alike = recipe.minhash, sum(is_alike for is_alike, _ in measured)
    return StagePrecision(
        stage=stage,
        min_similarity=minhash.min_similarity if minhash and stage == minhash.name else None,
        copies=drawn.copies,
        sampled=drawn.places.size,
        compared=len(measured),
        alike=alike,
        share=share(alike, len(measured), len(measured) / drawn.copies),
        largest_error=max((error for _, error in measured), default=None),
    )
