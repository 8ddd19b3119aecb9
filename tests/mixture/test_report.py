"""The mixture of a version: from its own decisions, in whole tokens, with what caps cost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.corpus import Corpus
from curation.errors import CorruptError, RecipeError
from curation.manifest import Manifest
from curation.mixture import Mixture, mixture_report
from curation.mixture.counting import Amount, Counts, Place, count
from curation.mixture.report import planned
from curation.mixture.tokenizer import load_tokenizer
from curation.pipeline import curate
from curation.pipeline.takedown import takedown
from curation.report import MixtureReport
from curation.runner.local import LocalRunner
from curation.tombstones import Criteria, WantedId
from tests.pipeline.inputs import COUNTED, recipe, write_inputs
from tests.texts import essay, write_jsonl

FIXED: dict[str, Any] = {"scheme": "fixed", "weights": {"web": 1, "notes": 1}}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A version with two sources, exact and near copies, counted; then one without some of its documents."""
    folder = tmp_path_factory.mktemp("mixture")
    write_inputs(folder)
    copies = [{"id": f"copy-{n}", "text": essay(1)} for n in range(4)]
    write_jsonl(folder / "web/d.jsonl", copies)
    curate(recipe(folder, folder / "corpus", stages=COUNTED, mixture=FIXED), LocalRunner())
    opened = Corpus(str(folder / "corpus"))
    takedown(opened.url, Criteria(ids=(WantedId(id="w7"),)), LocalRunner())
    return opened


@pytest.fixture(scope="module")
def documents(corpus: Corpus) -> pa.Table:
    """The kept documents of the first version, counted anew."""
    table: pa.Table = corpus.documents(1).to_table(["id", "source", "text", "language", "cluster_size"])
    texts = table["text"].cast(pa.large_string()).combine_chunks()
    return table.append_column("tokens", pa.array(load_tokenizer("o200k_base").counter.count(texts)))


def report(corpus: Corpus, number: int | None = 1, **options: Any) -> MixtureReport:
    return mixture_report(corpus.storage, corpus.manifest(number), Mixture.model_validate(options))


def test_natural_is_what_the_documents_hold(corpus: Corpus, documents: pa.Table) -> None:
    found = report(corpus)
    by_source = {part.group: part for part in found.parts}
    for name, part in by_source.items():
        own = documents.filter(pc.equal(documents["source"], name))
        assert (part.documents, part.tokens) == (own.num_rows, pc.sum(own["tokens"]).as_py())
        assert part.bytes == sum(len(text.encode()) for text in own["text"].to_pylist())
        assert part.realised == part.target == part.natural == part.tokens / found.tokens
        assert part.epochs == 1
    assert (found.tokenizer, found.is_feasible, found.kl_target) == ("o200k_base", True, 0)
    assert found.warnings == ()
    assert report(corpus) == found, "twice is the same"


def test_by_language(corpus: Corpus, documents: pa.Table) -> None:
    (part,) = report(corpus, by="language").parts
    assert (part.group, part.tokens) == ("en", pc.sum(documents["tokens"]).as_py())


def test_rehydration_goes_by_cluster_size(corpus: Corpus, documents: pa.Table) -> None:
    found = report(corpus, scheme="rehydrate")
    sizes = Counter(
        (source, str(max(step for step in (1, 2, 3, 5) if step <= size)))
        for source, size in zip(*(documents[name].to_pylist() for name in ("source", "cluster_size")), strict=True)
    )
    assert {(part.group, part.tier): part.documents for part in found.parts} == sizes
    assert any(part.tier == "5" for part in found.parts)
    assert all(part.epochs == int(part.tier) for part in found.parts)
    assert found.budget == found.seen == sum(part.tokens * int(part.tier) for part in found.parts)


def test_quality_buckets(corpus: Corpus) -> None:
    """Any column of texts is one of buckets."""
    found = report(corpus, scheme="quality_bucketed", bucket="language.label", weights={"en": 2.5})
    assert [part.tier for part in found.parts] == ["en", "en"]
    assert found.seen == round(2.5 * found.tokens)
    (part,) = report(corpus, scheme="natural", by="bucket", bucket="language.label").parts
    assert part.group == "en"


def test_a_bucket_of_which_nothing_is_kept_is_said(corpus: Corpus) -> None:
    """Documents that were dropped had it; its share goes to the others."""
    bucketed: dict[str, Any] = {"scheme": "quality_bucketed", "bucket": "language.label"}
    found = report(corpus, **bucketed, weights={"en": 2, "de": 5})
    assert (found.parts, found.seen) == (report(corpus, **bucketed, weights={"en": 2}).parts, 2 * found.tokens)
    assert not found.is_feasible
    assert found.warnings == ("bucket de has nothing: no document with it is kept, so its share goes to the others",)
    assert report(corpus, **bucketed, weights={"en": 2, "de": 0}).is_feasible
    with pytest.raises(RecipeError, match="nothing would be seen: every group that has a weight is empty"):
        report(corpus, **bucketed, weights={"en": 0, "de": 1})
    by_bucket: dict[str, Any] = {"scheme": "fixed", "by": "bucket", "bucket": "language.label"}
    found = report(corpus, **by_bucket, weights={"en": 1, "de": 3})
    assert found.warnings == ("de has nothing: its share of 75.0% goes to the others",)


def test_a_takedown_is_counted(corpus: Corpus) -> None:
    before, after = report(corpus, 1), report(corpus, 2)
    assert (before.documents - after.documents, after.version) == (1, 2)
    assert report(corpus, 2, scheme="rehydrate").documents == after.documents


def test_without_a_tokens_stage_there_is_none(tmp_path: Path) -> None:
    """Nothing is taken for tokens that no tokenizer counted."""
    write_inputs(tmp_path)
    curate(recipe(tmp_path, tmp_path / "corpus"), LocalRunner())
    uncounted = Corpus(str(tmp_path / "corpus"))
    with pytest.raises(RecipeError, match="version 1: shares are of tokens, and no stage counts them: add"):
        report(uncounted, None)
    assert (uncounted.version().tokens, uncounted.report_of(uncounted.version()).tokens("kept")) == (None, None)
    with pytest.raises(RecipeError, match=r"^mixture: shares are of tokens, and no stage counts them"):
        recipe(tmp_path, tmp_path / "corpus", mixture=FIXED)


def test_a_versions_own_account_has_the_same_tokens(corpus: Corpus, documents: pa.Table) -> None:
    """… also of a version that a takedown has made of another."""
    for number, tokens in ((1, pc.sum(documents["tokens"]).as_py()), (2, report(corpus, 2).tokens)):
        version = corpus.version(number)
        assert version.tokens == corpus.manifest(number).tokens == corpus.report_of(version).tokens("kept") == tokens
    gone = documents.filter(pc.equal(documents["id"], "w7"))["tokens"].to_pylist()
    assert corpus.change_of(corpus.version(2)).removed[0].tokens == sum(gone) > 0


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ({"scheme": "fixed", "weights": {"webb": 1}}, "mixture.weights.webb", "there are notes, web"),
        ({"scheme": "fixed", "weights": {"web": 1}}, "mixture.weights", "no weight for notes"),
        ({"max_epochs_of": {"x": 1}}, "mixture.max_epochs_of.x", "no source 'x'"),
        ({"by": "bucket", "bucket": "language.score"}, "mixture.bucket", "no buckets 'language.score'"),
        (
            {"scheme": "quality_bucketed", "bucket": "language.label", "weights": {"fr": 1, "en": 1}},
            "mixture.weights.fr",
            "no bucket 'fr'; there are de, en",
        ),
    ],
)
def test_what_does_not_fit_the_version(corpus: Corpus, options: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        report(corpus, **options)
    problems = {problem.path: problem.message for problem in caught.value.problems}
    assert message in problems[path]


def test_counts_that_do_not_fit_the_documents_are_damage(corpus: Corpus) -> None:
    manifest = corpus.manifest(1)
    shards = tuple(part.model_copy(update={"rows": part.rows + 1}) for part in manifest.shards)
    with pytest.raises(CorruptError, match="its decisions keep"):
        count(corpus.storage, manifest.model_copy(update={"shards": shards}), Mixture())


# ------------------------------------------------------------------- made-up counts


def plan(unique: dict[str, int], /, **options: Any) -> MixtureReport:
    counts = Counts({Place(name): Amount(1, 4 * n, n) for name, n in unique.items()}, "t", "0")
    sources = [{"name": name} for name in (*unique, "empty")]
    return planned("corpus", made({"sources": sources}), Mixture.model_validate(options), counts)


def made(recipe: dict[str, Any]) -> Manifest:
    return Manifest(
        version=3, run="r", parent=0, created="2026-01-01T00:00:00Z", recipe=recipe, fingerprint="",
        meaning={}, inputs=(), pieces=(), shards=(), decisions=(), ids=(), documents=0, bytes=0,
    )  # fmt: skip


def test_a_cap_is_kept_and_its_cost_is_told() -> None:
    found = plan({"a": 100, "b": 900}, scheme="fixed", weights={"a": 1, "b": 1}, tokens=1000, max_epochs=2)
    assert [(part.weight, part.epochs, part.is_capped) for part in found.parts] == [
        (200, 2, True),
        (800, 800 / 900, False),
    ]
    assert (found.moved, found.shortfall, found.is_feasible) == (300, 0, False)
    assert found.extra_epochs == pytest.approx(300 / 900)
    assert found.kl_target > 0
    assert found.warnings == ("a would be seen 5.00 times, its cap is 2: it gets 20.0% instead of 50.0%",)


def test_a_budget_that_cannot_be_met_is_said() -> None:
    found = plan({"a": 100, "b": 300}, tokens=1000, max_epochs=2)
    assert (found.seen, found.shortfall) == (800, 200)
    assert all(part.is_capped for part in found.parts)
    assert "200 of 1,000 tokens are missing" in found.warnings[-1]


def test_one_groups_cap_stands_before_the_common_one() -> None:
    found = plan({"a": 100, "b": 100}, scheme="unimax", tokens=600, max_epochs=1, max_epochs_of={"b": 5})
    assert [part.weight for part in found.parts] == [100, 500]


def test_an_empty_group_gives_its_share_to_the_others() -> None:
    found = plan({"a": 100}, scheme="fixed", weights={"a": 1, "empty": 3})
    assert [(part.group, part.weight) for part in found.parts] == [("a", 100), ("empty", 0)]
    assert found.warnings == ("empty has nothing: its share of 75.0% goes to the others",)
    with pytest.raises(RecipeError, match="every group that has a weight is empty,"):
        plan({"a": 100}, scheme="fixed", weights={"a": 0, "empty": 1})
    with pytest.raises(RecipeError, match="has no tokens to mix"):
        plan({"a": 0})


def test_a_quality_bucket_may_be_empty_but_not_unheard_of() -> None:
    """Which there are, the stage's options say: thresholds may leave none of the lower ones."""
    stage = {"name": "q", "kind": "quality_classifier", "buckets": 3}
    options = {"scheme": "quality_bucketed", "bucket": "q.bucket"}
    counts = Counts({Place("a", "2"): Amount(1, 40, 10)}, "t", "0", frozenset({"1", "2"}))
    manifest = made({"sources": [{"name": "a"}], "stages": [stage]})
    found = planned("corpus", manifest, Mixture.model_validate({**options, "weights": {"0": 1, "2": 1}}), counts)
    assert (found.seen, found.is_feasible, len(found.warnings)) == (10, False, 1)
    with pytest.raises(RecipeError, match="no bucket '3'; there are 0, 1, 2"):
        planned("corpus", manifest, Mixture.model_validate({**options, "weights": {"2": 1, "3": 1}}), counts)


def test_much_repetition_is_said() -> None:
    found = plan({"a": 10, "b": 100}, scheme="fixed", weights={"a": 1, "b": 1}, tokens=1000)
    assert [warning.split(":")[0] for warning in found.warnings] == ["a is seen 50.0 times", "b is seen 5.0 times"]


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.just(0) | st.integers(2, 10**6), min_size=1).filter(
        lambda unique: any(unique.values())
    ),
    st.sampled_from(
        [
            {},
            {"scheme": "temperature", "temperature": 3.3},
            {"scheme": "unimax", "max_epochs": 1.5},
            {"max_epochs": 0.5},
        ]
    ),
    st.none() | st.integers(1, 10**7),
)
def test_the_account_adds_up(tokens: dict[str, int], options: dict[str, Any], budget: int | None) -> None:
    found = plan(tokens, **options, tokens=budget)
    assert found.seen == sum(part.weight for part in found.parts) == found.budget - found.shortfall
    assert sum(part.realised for part in found.parts) == pytest.approx(1)
    assert sum(part.target for part in found.parts) == pytest.approx(1)
    assert all(part.weight <= part.tokens * (part.max_epochs or 1e9) for part in found.parts)
    assert found.shortfall == 0 or all(part.is_capped for part in found.parts if part.target)
    assert found.is_feasible == (not any(part.is_capped for part in found.parts))
    assert found.effective_tokens <= found.seen * (1 + 1e-9)


# ----------------------------------------------------------------------- the recipe


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "fixed"}, "needs weights"),
        ({"weights": {"a": 1}}, "weights goes with scheme fixed or quality_bucketed"),
        ({"scheme": "temperature"}, "needs temperature"),
        ({"scheme": "unimax"}, "needs max_epochs"),
        ({"scheme": "fixed", "weights": {"a": 0}}, "all weights are 0"),
        ({"scheme": "rehydrate", "cluster_weights": {2: 1}}, "begin at 1"),
        ({"by": "bucket"}, "which column"),
        ({"bucket": "a.b"}, "bucket goes with"),
        ({"tokens": 0}, "greater than 0"),
        ({"max_epochs": -1}, "greater than 0"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Mixture.model_validate(options)


@pytest.mark.parametrize(
    ("mixture", "path", "message"),
    [
        ({"scheme": "fixed", "weights": {"webb": 1}}, "mixture.weights.webb", "there are web, notes"),
        ({"by": "language", "max_epochs_of": {"de": 1}}, "mixture.max_epochs_of.de", "there are en"),
        ({"by": "bucket", "bucket": "language.score"}, "mixture.bucket", "no stage gives buckets"),
        ({"shceme": "fixed"}, "mixture.shceme", "did you mean scheme?"),
    ],
)
def test_a_recipe_knows_its_groups(tmp_path: Path, mixture: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(tmp_path, tmp_path / "corpus", stages=COUNTED, mixture=mixture)
    problems = {problem.path: problem.message for problem in caught.value.problems}
    assert message in problems[path]


def test_a_mixture_is_no_part_of_what_a_version_is(tmp_path: Path) -> None:
    without, with_one = (recipe(tmp_path, "out", stages=COUNTED, mixture=each) for each in (None, FIXED))
    assert without.fingerprint() == with_one.fingerprint()
    assert without.meaning() == with_one.meaning()
