"""The stage: what it drops, cuts and says, and registries that it does not take."""

from __future__ import annotations

import gzip
import json
import math
import pickle
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.contamination import Contamination, Rule, listed, load_registry
from curation.document import TEXT, document_batch
from curation.errors import ModelError
from curation.recipe import Recipe
from curation.stage import stage_kinds
from curation.storage import open_storage
from tests.storage.servers import S3Server
from tests.texts import essay, write_jsonl

QUESTION = (
    "A farmer drives nineteen stubborn goats across the old stone bridge every second Tuesday and pays the keeper "
    "four copper coins for each of them so how much does he pay in a year"
)
HALF = " ".join(QUESTION.split()[:18])
OTHER = "Which of the seven lighthouses on the northern coast was built first, and who paid for its copper roof?"
GUID = "8f3ac0de-12ab-4cde-9f01-77aa55cc3311"
ITEMS: list[dict[str, Any] | str] = [
    {"benchmark": "sums", "id": "goats", "question": QUESTION, "answer": "1976", "licence": "mine"},
    {"benchmark": "coast", "id": 7, "split": "test", "question": OTHER, "choices": ["one", "two"]},
    {"benchmark": "coast", "id": "short", "question": "Who was it?"},
    {"benchmark": "coast", "canary": f"coast: never train on this. canary GUID {GUID}"},
]


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "registry.jsonl", ITEMS)


def stage(registry: Path, **options: object) -> Contamination:
    return Contamination.model_validate({"registry": str(registry)} | options)


def annotated(made: Contamination, *texts: str) -> pa.RecordBatch:
    return made.annotate(document_batch(texts, source="s", shard="f"))


def test_it_is_registered() -> None:
    assert stage_kinds()["contamination"] is Contamination


@pytest.mark.parametrize("rule", ["cluster", "gpt3", "tulu"])
def test_it_names_what_it_drops(registry: Path, rule: Rule) -> None:
    made = stage(registry, rule=rule, name="bench")
    before = "Ümläute: &amp; 漢字 "
    batch = annotated(made, essay(1), f"{before}{QUESTION.upper()}? And {OTHER}", f"{essay(2)}\n{GUID}", "")
    reasons = made.drop_reasons(batch)
    assert reasons.to_pylist() == [None, f"bench.{rule}", "bench.canary", None]
    assert {reason for reason in reasons.to_pylist() if reason} <= made.reasons()
    evidence = made.evidence(batch, reasons)
    start = len(before)
    detail = evidence.details[1].as_py()
    assert detail in (
        f"sums/goats {start}-{start + len(QUESTION)}",
        f"coast/7 {start + len(QUESTION) + 6}-{start + len(QUESTION) + 5 + len(OTHER)}",
    )
    assert evidence.thresholds[1].as_py() == made.bar <= evidence.values[1].as_py()
    assert evidence.values[0].as_py() is None
    assert batch["bench.items"].to_pylist() == [0, 2, 1, 0]
    assert batch["bench.score"].to_pylist()[::3] == [0, 0]
    found = listed(batch["bench.found"][1].as_py())
    assert {(each.benchmark, each.item) for each in found} == {("sums", "goats"), ("coast", "7")}
    assert batch["bench.benchmark"][2].as_py() == "coast"
    assert made.columns() == pa.schema([batch.schema.field(name) for name in made.columns().names])


def test_a_threshold_can_be_replayed(registry: Path) -> None:
    half = " ".join(QUESTION.split()[:18])
    batch = annotated(stage(registry), half)
    for threshold, dropped in ((0.3, True), (0.8, False)):
        judged = stage(registry, threshold=threshold)
        assert annotated(judged, half).equals(batch)
        assert (judged.drop_reasons(batch).null_count == 0) == dropped
    assert stage(registry).thresholds() == {"threshold"}


def test_tagged_documents_stay(registry: Path) -> None:
    made = stage(registry, action="tag")
    batch = annotated(made, QUESTION)
    assert made.drop_reasons(batch).to_pylist() == [None]
    assert batch["contamination.score"].to_pylist() == [1]
    assert made.reasons() == frozenset()
    assert [stage(registry, action=action).rewrites for action in ("tag", "drop", "cut")] == [False, False, True]


def test_matches_are_cut_with_a_window(registry: Path) -> None:
    made = stage(registry, action="cut", window_chars=10, min_piece_chars=5)
    texts = [
        f"{'é' * 30} {QUESTION} {'z' * 30}",
        essay(1),
        QUESTION,
        f"{'a' * 30} {QUESTION} {'b' * 15} {QUESTION} {'c' * 30}",
        f"{GUID} {QUESTION}",
    ]
    batch = annotated(made, *texts)
    left = ["é" * 21 + JOINT + "z" * 21, texts[1], QUESTION, "a" * 21 + JOINT + "c" * 21, texts[4]]
    assert batch[TEXT].to_pylist() == left
    assert batch["contamination.pieces"].to_pylist() == [2, 1, 0, 2, 1]
    assert batch["contamination.removed"].to_pylist()[:3] == [len(texts[0]) - 42, 0, len(QUESTION)]
    reasons = made.drop_reasons(batch)
    assert reasons.to_pylist() == [None, None, "contamination.nothing_left", None, "contamination.canary"]
    assert (made.evidence(batch, reasons).values[2].as_py(), made.thresholds()) == (0, frozenset())
    again = made.annotate(batch.filter(reasons.is_null()))
    assert again["contamination.score"].to_pylist() == [0, 0, 0]


JOINT = "\n\n"


def test_documents_in_too_many_pieces_are_dropped(registry: Path) -> None:
    text = f" {'filler ' * 100}".join([QUESTION] * 12)
    made = stage(registry, action="cut")
    batch = annotated(made, text)
    assert made.drop_reasons(batch).to_pylist() == ["contamination.too_many_pieces"]
    assert (batch["contamination.pieces"].to_pylist(), batch[TEXT].to_pylist()) == ([11], [text])
    assert stage(registry, action="cut", max_pieces=11).drop_reasons(batch).null_count == 1


def test_one_document_at_a_time_gives_the_same(registry: Path) -> None:
    made = stage(registry, action="cut")
    texts = [essay(1), QUESTION, f"{essay(2)} {OTHER} {essay(3)}", "", GUID, OTHER + essay(4)]
    whole = annotated(made, *texts)
    assert [annotated(made, text).to_pylist()[0] | {"row": row} for row, text in enumerate(texts)] == whole.to_pylist()
    assert pickle.loads(pickle.dumps(made)) == made
    assert annotated(made).num_rows == 0


# ---------------------------------------------------------------------- registries


def test_its_digest_is_of_the_content_alone(tmp_path: Path, registry: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    lines = [json.dumps(item).encode() for item in reversed(ITEMS)]
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(lines[0]) + gzip.compress(b"\n" + lines[1] + b"\n\n"))
    (folder / "a.jsonl.zst").write_bytes(zstandard.compress(lines[2] + b"\n" + lines[3]))
    own = load_registry(str(registry))
    for url in (str(folder), f"{folder}/*.jsonl.*"):
        assert load_registry(url).sha256 == own.sha256
    assert stage(registry).models() == {str(registry): own.sha256}
    write_jsonl(registry, [*ITEMS[1:], {**ITEMS[0], "question": OTHER + "!"}])  # type: ignore[dict-item]
    assert load_registry(str(registry)).sha256 != own.sha256


def test_it_may_lie_in_a_bucket(moto: S3Server, registry: Path) -> None:
    with moto.used():
        bucket = moto.make_bucket("benchmarks")
        open_storage(bucket).write("2026/a.jsonl", registry.read_bytes())
        for url in (f"{bucket}/2026/a.jsonl", f"{bucket}/2026", f"{bucket}/2026/", bucket, f"{bucket}/*/*.jsonl"):
            assert load_registry(url).sha256 == load_registry(str(registry)).sha256


def test_what_is_wrong_with_one_of_several_files_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    write_jsonl(folder / "a.jsonl", ITEMS)
    (folder / "b.jsonl").write_text("[]")
    for url, said in ((folder, f"{folder}: b.jsonl, line 1: found list"), (folder / "b.jsonl", "b.jsonl, line 1: ")):
        with pytest.raises(ModelError) as raised:
            stage(url).models()
        assert said in str(raised.value)


def test_a_recipe_pins_it(registry: Path) -> None:
    data = {
        "name": "r",
        "output": "/tmp/c",
        "sources": [{"name": "s", "uri": "/tmp/*.jsonl"}],
        "stages": [{"kind": "contamination", "registry": str(registry)}],
    }
    pinned = Recipe.model_validate(data).pinned().stages[0]
    assert isinstance(pinned, Contamination)
    assert pinned.registry_sha256 == load_registry(str(registry)).sha256
    write_jsonl(registry, ITEMS[:2])
    with pytest.raises(ModelError, match=f"expected {pinned.registry_sha256}"):
        pinned.models()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the registry is empty"),
        (b"\n \n", "the registry is empty"),
        (b"[1]\n", "line 1: found list, expected an object"),
        (b'{"id": "1", "question": "q"}', "found no 'benchmark'"),
        (b'{"benchmark": "b", "question": "q"}', "found no 'id'"),
        (b'{"benchmark": "b", "id": 1}', "found neither 'question' nor 'text' nor 'canary'"),
        (b'{"benchmark": "b", "canary": "short"}', "fewer than 16 characters"),
        (b'{"benchmark": "b", "id": 1, "text": "q"}\n{"benchmark": "b", "id": 1, "text": "p"}', "have the id '1'"),
        (b'{"benchmark": "b", "id": 1, "text": "too short"}', "none of its 1 items has 8 words"),
        (b'{"benchmark": ', "line 1: unexpected end of data"),
        (gzip.compress(b"{}", mtime=0)[:-5], "the gzip stream is cut short"),
        (gzip.compress(b"{}", mtime=0) + b"rest", "something follows the gzip stream"),
        (b"\x28\xb5\x2f\xfd1234", "cannot be decompressed"),
    ],
)
def test_registries_that_are_not_taken(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "registry.jsonl"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=said):
        stage(path).models()


def test_a_registry_may_be_of_canaries_alone(tmp_path: Path) -> None:
    made = stage(write_jsonl(tmp_path / "r.jsonl", ITEMS[3:]), canaries=["another mark, of a user"], action="cut")
    batch = annotated(made, essay(1), f"{essay(1)} {GUID}", f"{essay(1)} another mark, of a user")
    assert made.drop_reasons(batch).to_pylist() == [None, *["contamination.canary"] * 2]
    assert batch["contamination.item"].to_pylist() == [None, "canary", "canary"]


def test_other_mistakes(tmp_path: Path, registry: Path) -> None:
    with pytest.raises(ModelError, match="there is no such registry"):
        stage(tmp_path / "nothing.jsonl").models()
    with pytest.raises(ModelError, match="there is no such registry"):
        stage(tmp_path / "none*").models()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="there is no such registry"):
        stage(tmp_path / "empty").models()
    with pytest.raises(ModelError, match="fewer than 16"):
        stage(registry, canaries=["x"]).models()
    for wrong in ({"rule": "bleu"}, {"threshold": 0}, {"registry_sha256": "1"}, {"action": "hide"}):
        with pytest.raises(ValidationError):
            stage(registry, **wrong)


@pytest.mark.parametrize("threshold", [1.01, 35, math.inf, math.nan])
@pytest.mark.parametrize("rule", ["cluster", "gpt3", "tulu"])
def test_a_threshold_that_whole_copies_would_pass_is_refused(registry: Path, rule: Rule, threshold: float) -> None:
    with pytest.raises(ValidationError, match=r"expected at most 1: a whole copy|greater than 0"):
        stage(registry, rule=rule, threshold=threshold)
    least = stage(registry, rule=rule, threshold=1)
    batch = annotated(least, QUESTION, " ".join(OTHER.split()[:-7]))
    assert least.drop_reasons(batch).to_pylist() == [f"contamination.{rule}", None]


@settings(max_examples=50)
@given(
    st.sampled_from(["cluster", "gpt3", "tulu"]),
    st.sampled_from(["drop", "cut"]),
    st.lists(st.sampled_from([QUESTION, HALF, OTHER, GUID, "é", "filler " * 60]), max_size=9).map(" ".join),
    st.floats(0.1, 1),
)
def test_evidence_is_what_a_plain_account_says(rule: Rule, action: str, text: str, threshold: float) -> None:
    with TemporaryDirectory() as folder:
        registry = write_jsonl(Path(folder) / "registry.jsonl", ITEMS)
        made = stage(registry, rule=rule, action=action, threshold=threshold, max_pieces=2, name="bench")
        batch = annotated(made, essay(1), text, QUESTION)
    reasons = made.drop_reasons(batch)
    evidence = made.evidence(batch, reasons)
    limits = {"canary": 1, rule: threshold, "too_many_pieces": 2, "nothing_left": 1}
    for row, (document, reason) in enumerate(zip(batch.to_pylist(), reasons.to_pylist(), strict=True)):
        said: tuple[object, ...] = (None, None, None)
        if reason is not None:
            why = reason.removeprefix("bench.")
            value = document["bench.pieces" if why in ("too_many_pieces", "nothing_left") else "bench.score"]
            benchmark, item, start, end = (document[f"bench.{name}"] for name in ("benchmark", "item", "start", "end"))
            said = (value, limits[why], f"{benchmark}/{item} {start}-{end}")
        assert (evidence.values[row].as_py(), evidence.thresholds[row].as_py(), evidence.details[row].as_py()) == said


@pytest.mark.parametrize("rule", ["cluster", "gpt3", "tulu"])
def test_a_canary_has_a_threshold_of_its_own(registry: Path, rule: Rule) -> None:
    made = stage(registry, rule=rule)
    batch = annotated(made, GUID)
    evidence = made.evidence(batch, made.drop_reasons(batch))
    assert (evidence.values.to_pylist(), evidence.thresholds.to_pylist()) == ([1], [1])
    assert evidence.details.to_pylist() == [f"coast/canary 0-{len(GUID)}"]


# ---------------------------------------------------------------------- real text


def read(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    is_zstd = path.suffix == ".zst"
    plain = zstandard.ZstdDecompressor().stream_reader(data).read() if is_zstd else gzip.decompress(data)
    return [json.loads(line) for line in plain.splitlines() if line]


def test_copies_of_real_items_are_found_and_clean_documents_stay(shared_data: Path) -> None:
    folder = shared_data / "contamination"
    documents = [each for path in sorted(folder.glob("docs-*")) for each in read(path)]
    made = stage(folder / "benchmarks.jsonl.gz")
    found = made.find(pa.array([each["text"] for each in documents], pa.large_string()))
    by_id = {each["id"]: items for each, items in zip(documents, found, strict=True)}
    seen, right = Counter[str](), Counter[str]()
    spans = defaultdict(list)
    for truth in read(folder / "truth.jsonl.gz"):
        hits = {each.item: each for each in by_id[truth["doc_id"]] if each.score >= made.bar}
        seen[truth["mode"]] += 1
        right[truth["mode"]] += truth["item_id"] in hits if truth["item_id"] else not hits
        if truth["item_id"] in hits:
            each = hits[truth["item_id"]]
            spans[truth["mode"]].append(truth["start"] <= each.start + 3 and each.end <= truth["end"])
    exact = ("verbatim", "verbatim_q_only", "case", "whitespace", "punctuation", "html_escaped")
    for mode in (*exact, "interleaved", "numbers_changed"):
        assert right[mode] >= 0.97 * seen[mode], mode
        assert sum(spans[mode]) >= 0.9 * len(spans[mode]), mode
    for mode in ("truncated", "truncated_head"):
        assert right[mode] >= 0.8 * seen[mode], mode
    for mode in ("clean", "lookalike_other_split"):
        assert right[mode] == seen[mode], mode
