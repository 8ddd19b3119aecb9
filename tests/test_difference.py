"""The difference of two versions is what comparing all their documents one by one gives."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from curation.corpus import Corpus, Version
from curation.difference import Difference, difference, spill
from curation.difference.model import Cause
from curation.errors import CorruptError, MissingError
from curation.pipeline import curate
from curation.render.diff import show_difference
from curation.report import EXCERPT, LEAD, Report
from curation.retention import vacuum
from curation.runner.local import LocalRunner
from tests.nights import LATER, publish_night
from tests.pipeline.inputs import COUNTED, recipe, write_inputs
from tests.texts import GERMAN, essay, write_jsonl
from tests.versions import Files, Record, publish

IDS = st.sampled_from(["a", "b", "c", "d"])
RECORDS = st.lists(
    st.builds(
        Record,
        IDS,
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from([None, None, "rule.why", "dedup.duplicate"]),
    ),
    min_size=1,
    max_size=5,
)
FILES = st.dictionaries(st.sampled_from(["f", "g", "h"]), RECORDS, min_size=1)


def kept(files: Files) -> Counter[tuple[str, str]]:
    return Counter((record.id, record.text) for records in files.values() for record in records if not record.reason)


def bare(name: str, texts: Counter[tuple[str, str]]) -> Counter[str]:
    """How often each id is left."""
    found: Counter[str] = Counter()
    for (document_id, _), count in texts.items():
        found[document_id] += count
    return found


@settings(max_examples=80)
@given(before=FILES, after=FILES, is_redone=st.booleans(), is_parted=st.booleans())
def test_the_difference_is_that_of_the_documents(
    tmp_path_factory: pytest.TempPathFactory, before: Files, after: Files, is_redone: bool, is_parted: bool
) -> None:
    corpus = Corpus(str(tmp_path_factory.mktemp("difference")))
    if is_redone:  # another recipe may make other texts of the same files
        after = {uri: [Record(r.id, r.text * (r.id != "a") or "!", r.reason) for r in rs] for uri, rs in after.items()}
    publish(corpus, before)
    publish(corpus, after, meaning="redone" if is_redone else "")
    for a, b, old, new in ((1, 2, before, after), (2, 1, after, before)):
        with pytest.MonkeyPatch.context() as patch:
            if is_parted:
                patch.setattr(spill, "PARTITION_ROWS", 2)
                patch.setattr(spill, "MEMORY", 256)
            found = difference(corpus, a, b, samples=100)
        left, came = bare("left", kept(old) - kept(new)), bare("came", kept(new) - kept(old))
        expected = [left & came, came - left, left - came]
        samples = found.samples
        shown = [[pair.after for pair in samples.changed], samples.added, samples.removed]
        assert [Counter(excerpt.id for excerpt in some) for some in shown] == expected
        totals = [found.changed.total.documents, found.added.total.documents, found.removed.total.documents]
        assert totals == [sum(counts.values()) for counts in expected]
        for side in (found.added, found.removed):
            for groups in (side.sources, side.languages, side.causes):
                assert sum(group.documents for group in groups) == side.total.documents
                assert sum(group.bytes for group in groups) == side.total.bytes
        for pair in samples.changed:
            assert pair.before.id == pair.after.id
            assert pair.before.excerpt != pair.after.excerpt


def made(folder: Path, *versions: Files) -> Corpus:
    corpus = Corpus(str(folder))
    for files in versions:
        publish(corpus, files)
    return corpus


@pytest.mark.parametrize(
    ("same", "begins"), [(0, 0), (EXCERPT - LEAD, 0), (EXCERPT - LEAD + 1, EXCERPT - 2 * LEAD + 1)]
)
def test_a_changed_text_is_shown_where_it_changes(tmp_path: Path, same: int, begins: int) -> None:
    texts = ["x" * same + "old" + "y" * EXCERPT, "x" * same + "new" + "y" * EXCERPT]
    found = difference(made(tmp_path, *({"f": [Record("a", text)]} for text in texts)))
    (pair,) = found.samples.changed
    shown = [text[begins : begins + EXCERPT] for text in texts]
    assert [pair.before.excerpt, pair.after.excerpt] == shown
    assert (pair.before.begins, pair.after.begins) == (begins, begins)


def causes(found: tuple[Cause, ...]) -> dict[tuple[str, str], int]:
    return {(cause.why, cause.reason): cause.documents for cause in found}


def test_every_removed_and_added_document_has_its_reason(tmp_path: Path) -> None:
    before = {
        "stays": [Record("s1", "one"), Record("s2", "two", "rule.low"), Record("s3", "three")],
        "leaves": [Record("l1", "four"), Record("l2", "five")],
        "changes": [
            Record("c1", "six"),
            Record("c2", "seven"),
            Record("c3", "eight", "rule.low"),
            Record("c4", "nine"),
        ],
        "copies": [
            Record("d1", "four", "dedup.duplicate", ("l1", "leaves", 0)),
            Record("d2", "one", "dedup.duplicate", ("s1", "stays", 0)),
        ],
    }
    after = {
        "stays": [Record("s1", "one"), Record("s2", "two"), Record("s3", "three", "rule.high")],
        "changes": [Record("c0", "ten"), Record("c1", "six"), Record("c3", "eight"), Record("c4", "nine", "rule.high")],
        "copies": [Record("d1", "four"), Record("d2", "one")],
        "comes": [Record("n1", "eleven"), Record("l2", "five", "rule.high")],
    }
    corpus = made(tmp_path, before, after)
    found = difference(corpus)
    assert causes(found.removed.causes) == {
        ("dropped", "rule.high"): 3,  # s3, c4 at another row, and l2, which another file holds now
        ("input_left", ""): 1,
        ("input_changed", ""): 1,
    }
    assert causes(found.added.causes) == {
        ("dropped", "rule.low"): 2,  # s2, and c3 at another row
        ("promoted", "dedup.duplicate"): 1,  # its survivor left with its file
        ("dropped", "dedup.duplicate"): 1,  # its survivor is kept
        ("input_changed", ""): 1,
        ("input_new", ""): 1,
    }
    assert found.changed.total.documents == 0
    assert [len(files) for files in (found.inputs.new, found.inputs.changed, found.inputs.vanished)] == [1, 1, 1]
    assert {(r.reason, r.documents_a, r.documents_b, r.rate_a, r.rate_b) for r in found.rules} == {
        ("rule.low", 2, 0, 2 / 11, 0.0),
        ("rule.high", 0, 3, 0.0, 3 / 11),
        ("dedup.duplicate", 2, 0, 2 / 9, 0.0),
    }


def test_what_is_shared_is_not_read(tmp_path: Path) -> None:
    """Texts are read only where they may differ: here, of no piece of the first version."""
    files = {f"f{n}": [Record(f"{n}-{m}", f"text {n} {m}") for m in range(4)] for n in range(3)}
    corpus = made(tmp_path, files, {**files, "new": [Record("n", "new")]})
    for part in corpus.manifest(1).shards:
        (tmp_path / part.path).unlink()
    found = difference(corpus, 1, 2)
    assert (found.added.total.documents, found.removed.total.documents) == (1, 0)
    assert [excerpt.id for excerpt in found.samples.added] == ["n"]


def test_a_version_differs_from_itself_in_nothing(tmp_path: Path) -> None:
    corpus = made(tmp_path, {"f": [Record("a", "one"), Record("b", "two", "rule.low")]})
    found = difference(corpus, 1, 1)
    assert found.added == found.removed
    assert found.added.total.documents == found.changed.total.documents == 0
    assert {drift.psi for drift in found.drift} == {0.0}
    with pytest.raises(MissingError, match="version 1 is the first, there is none to compare it with"):
        difference(corpus)
    with pytest.raises(MissingError, match="no version 7; there are 1"):
        difference(corpus, 1, 7)


def test_versions_that_do_not_add_up_are_corrupt(tmp_path: Path) -> None:
    corpus = made(tmp_path, {"f": [Record("a", "one")]}, {"f": [Record("a", "one")], "g": [Record("b", "two")]})
    name = tmp_path / "_manifests/2-run-2.json"
    name.write_text(json.dumps(json.loads(name.read_text()) | {"documents": 7}))
    with pytest.raises(CorruptError, match="decisions lead to 2 documents of 6 bytes; version 2 has 7 of 6"):
        difference(corpus)


def test_a_version_that_is_vacuumed_while_it_is_compared_is_said_to_be_gone(tmp_path: Path) -> None:
    class Vacuumed(Corpus):
        """A vacuum takes a version between the look at what there is and the reading."""

        def report_of(self, version: Version) -> Report:
            vacuum(self, keep=1, grace_days=0, now=LATER)
            return super().report_of(version)

    corpus = Vacuumed(str(tmp_path / "corpus"))
    publish_night(corpus, ["a"])
    publish_night(corpus, ["b"])
    with pytest.raises(MissingError, match=r"version 1 was vacuumed on .*: its files are not there any more"):
        difference(corpus)


def test_samples_are_a_seeded_choice_of_which_fewer_are_the_first(tmp_path: Path) -> None:
    old = {"f": [Record("a", "one")]}
    corpus = made(tmp_path, old, {**old, "g": [Record(f"n{n}", f"text {n}") for n in range(300)]})
    many = difference(corpus, samples=30).samples.added
    assert len({excerpt.id for excerpt in many}) == 30
    assert difference(corpus, samples=10).samples.added == many[:10]
    assert difference(corpus, samples=10, seed=1).samples.added != many[:10]
    assert not difference(corpus, samples=0).samples.added
    # Uniform: over many seeds every document is about as often among those shown.
    counts = Counter(e.row for seed in range(60) for e in difference(corpus, samples=30, seed=seed).samples.added)
    assert 200 < sum(row * count for row, count in counts.items()) / 60 / 30 * 2 < 400
    assert len(counts) > 290


def drifted(folder: Path, a: list[float], b: list[float]) -> Difference:
    versions = [{"f": [Record(f"{n}", "x" * 9, value=value) for n, value in enumerate(values)]} for values in (a, b)]
    return difference(made(folder, *versions))


def test_the_stability_index_is_that_of_its_definition(tmp_path: Path) -> None:
    """Against deciles computed from all values, on distributions without ties."""
    generator = np.random.default_rng(3)
    a, b = generator.normal(0, 1, 4000), generator.normal(0.8, 1.2, 3000)
    found = drifted(tmp_path, a.tolist(), b.tolist())
    (drift,) = (d for d in found.drift if d.distribution == "rule.x" and d.over == "kept")
    edges = np.quantile(a, np.linspace(0, 1, 11))[1:-1]
    shares = [np.bincount(np.searchsorted(edges, values), minlength=10) / len(values) for values in (a, b)]
    expected = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    assert drift.psi == pytest.approx(expected, rel=0.05)
    assert drift.reading == "large"
    assert (drift.documents_a, drift.documents_b) == (4000, 3000)
    assert drift.chance == pytest.approx(9 * (1 / 4000 + 1 / 3000))
    assert len(drift.moved) == 3
    lengths = [d for d in found.drift if d.distribution == "bytes"]
    assert {(d.psi, d.reading) for d in lengths} == {(0.0, "none")}


@pytest.mark.parametrize(
    ("a", "b", "reading"),
    [
        ([1.0] * 100, [1.0] * 70, "none"),
        ([0.0] * 90 + [1.0] * 10, [0.0] * 75 + [1.0] * 25, "some"),
        ([0.0] * 90 + [1.0] * 10, [0.0] * 60 + [1.0] * 40, "large"),
        ([-1.0, -2.0, -0.0, 0.0], [-1.0, -2.0, 0.0, -0.0], "none"),
        ([float("nan"), float("inf")], [1.0, 2.0], "not comparable"),
    ],
)
def test_shifts_are_read_as_usual(tmp_path: Path, a: list[float], b: list[float], reading: str) -> None:
    found = drifted(tmp_path, a, b)
    assert {d.reading for d in found.drift if d.distribution == "rule.x"} == {reading}


@settings(max_examples=25)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_any_numbers_are_compared(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    found = drifted(tmp_path_factory.mktemp("numbers"), values, [-value for value in values])
    for drift in found.drift:
        assert drift.psi is not None
        assert np.isfinite(drift.psi)
        assert drift.psi >= 0
        assert (drift.documents_a, drift.documents_b) == (len(values), len(values))
    for moved in (d.moved for d in found.drift if d.distribution == "rule.x"):
        for part in moved:
            low, high = map(float, part.name.split(" to "))
            assert low <= high


def test_tokens_are_told_where_they_are_counted(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    curate(recipe(tmp_path, tmp_path / "corpus", stages=COUNTED), LocalRunner())
    (tmp_path / "web/a.jsonl.gz").unlink()
    write_jsonl(tmp_path / "web/later.jsonl", [{"id": "later", "text": essay(60)}, {"id": "w4", "text": essay(61)}])
    curate(recipe(tmp_path, tmp_path / "corpus", stages=COUNTED), LocalRunner())
    curate(recipe(tmp_path, tmp_path / "corpus"), LocalRunner())
    corpus = Corpus(str(tmp_path / "corpus"))
    found = difference(corpus, 1, 2)
    added, removed, changed = found.added.total.tokens, found.removed.total.tokens, found.changed.total
    counts = (found.a.tokens, added, changed.after.tokens, found.b.tokens, removed, changed.before.tokens)
    before, came, now, after, left, was = (count or 0 for count in counts)
    assert came > 0 < left
    assert before + came - left + now - was == after
    assert sum(cause.tokens or 0 for cause in found.removed.causes) == removed
    console = Console(width=140, record=True, file=io.StringIO())
    show_difference(console, found)
    assert f"+{added:,}" in console.export_text()
    uncounted = difference(corpus, 3, 2)
    assert (uncounted.a.tokens, uncounted.removed.total.documents, uncounted.removed.total.tokens) == (None, 0, 0)


def test_whole_runs_are_compared(tmp_path: Path) -> None:
    """Two runs of a real recipe, with changed input and then another rule; both ways."""
    write_inputs(tmp_path)
    output = tmp_path / "corpus"
    curate(recipe(tmp_path, output), LocalRunner())
    write_jsonl(tmp_path / "web/c.jsonl", [{"id": "w9", "text": essay(9)}, {"id": "german", "text": GERMAN}])
    (tmp_path / "web/a.jsonl.gz").unlink()
    write_jsonl(tmp_path / "web/a.jsonl.gz", [{"id": "w0", "text": essay(0)}, {"id": "w1", "text": essay(60)}])
    curate(recipe(tmp_path, output), LocalRunner())
    curate(recipe(tmp_path, output, stages=[{"kind": "exact_dedup"}, {"kind": "minhash_dedup"}]), LocalRunner())
    corpus = Corpus(str(output))
    texts = [
        {(row["source"], row["id"]): row["text"] for row in corpus.documents(n).to_table().to_pylist()}
        for n in (1, 2, 3)
    ]
    for a, b in ((1, 2), (2, 3), (3, 1)):
        found, old, new = difference(corpus, a, b, samples=100), texts[a - 1], texts[b - 1]
        changed = {name for name in old.keys() & new.keys() if old[name] != new[name]}
        assert {(e.source, e.id) for e in found.samples.added} == new.keys() - old.keys()
        assert {(e.source, e.id) for e in found.samples.removed} == old.keys() - new.keys()
        assert {(pair.after.source, pair.after.id) for pair in found.samples.changed} == changed
        assert "unaccounted" not in {cause.why for cause in (*found.added.causes, *found.removed.causes)}
        assert Difference.model_validate_json(found.model_dump_json()) == found
    assert ("dropped", "language.other") in causes(difference(corpus, 2, 3).added.causes)
