"""Leaders: one of each key, whatever the groups, and a key that all share costs one row a group."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dedup import Bounds, ExactDedup, MinHashDedup
from curation.dedup.leaders import FOLLOWERS, Followers, followers, following
from curation.dedup.shard import Group, divide
from curation.dedup.shuffle import receive
from curation.runner.local import LocalRunner
from curation.work import Work
from tests.dedup.corpus import SMALL, run, write_shards

Shards = list[tuple[str, list[str]]]

copies = st.sampled_from(["a b c", "A b  c", "a b, c", "a b c !!!", "d", "d!", ""])
corpora = st.lists(st.tuples(st.just("s"), st.lists(copies, max_size=6)), min_size=1, max_size=5)


def elected(
    folder: Path, shards: Shards, exact: ExactDedup | None, minhash: MinHashDedup | None, bounds: Bounds
) -> tuple[Work, list[Group], Followers]:
    work = Work(str(folder), "run")
    groups = divide(write_shards(work, shards, exact, minhash), bounds)
    stage = exact or minhash
    assert stage
    return work, groups, followers(work, LocalRunner(), groups, "step", stage, [], bounds)


@settings(max_examples=25)
@given(corpora, st.booleans(), st.integers(1, 7))
def test_the_best_of_all_leads_whatever_the_groups(shards: Shards, is_exact: bool, group_documents: int) -> None:
    exact, minhash = (ExactDedup(), None) if is_exact else (None, MinHashDedup(ngram=2, bands=2, rows=2))
    found = []
    for bounds in (Bounds(group_documents=1 << 20), Bounds(group_documents=group_documents, partition_rows=4)):
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
            work, groups, led = elected(Path(name), shards, exact, minhash, bounds)
            rows = [led.of_group(work, group.number) for group in groups]
            found.append({int(d): int(leader) for docs, best in rows for d, leader in zip(docs, best, strict=True)})
            assert sorted(found[-1]) == [int(d) for g in groups for d in following(work, [led], g.number)]
    assert found[0] == found[1]
    assert not set(found[0]) & set(found[0].values()), "a leader follows nobody"


@pytest.mark.parametrize("is_exact", [True, False])
def test_a_key_that_all_share_is_one_row_a_group(tmp_path: Path, is_exact: bool) -> None:
    exact, minhash = (ExactDedup(), None) if is_exact else (None, MinHashDedup(bands=2, rows=2))
    shards: Shards = [("s", ["one text"] * 50) for _ in range(6)]
    work, groups, led = elected(tmp_path, shards, exact, minhash, Bounds(group_documents=50))
    assert len(groups) == 6
    across = [receive(work, led.across, group.number, FOLLOWERS).num_rows for group in groups]
    assert across == [0, 1, 1, 1, 1, 1]
    assert sum(led.of_group(work, group.number)[0].size for group in groups) == 299


def test_copies_of_a_near_duplicate_follow_it_to_its_survivor(tmp_path: Path) -> None:
    """Both hops and the fate of the last leader: copies in two groups of a text that is itself lost."""
    words = [f"w{number}" for number in range(30)]
    best, near = " ".join(words), " ".join(words[:-1])
    shards: Shards = [("s", [near, near, near + " !"]), ("s", [near, best, near + " ?"]), ("s", [near, near])]
    minhash = MinHashDedup(ngram=1, bands=32, rows=1)
    found = run(tmp_path, shards, ExactDedup(), minhash, SMALL)
    lost = {(stage, survivor, round(similarity, 6)) for stage, survivor, similarity in found.fates.values()}
    assert lost == {(stage, (1, 1), round(29 / 30, 6)) for stage in ("exact_dedup", "minhash_dedup")}
    assert found.clusters == {(1, 1): 8}
    assert set(found.survivor_ids.values()) == {"1/1"}
