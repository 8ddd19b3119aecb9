"""What is taken down is gone, stays out, and is erased to the last byte; what resembled it comes forward."""

from __future__ import annotations

import io
import json
import re
import shutil
import uuid
from pathlib import Path
from typing import Any

import deltalake
import pyarrow.parquet as pq
import pytest

from curation.cli import main
from curation.corpus import Corpus
from curation.errors import ConflictError, CorruptError, MissingError, StorageError
from curation.pipeline import curate, refresh
from curation.pipeline.certificate import checked_certificate
from curation.pipeline.takedown import TakenDown, look, takedown
from curation.retention import put_hold
from curation.runner.local import LocalRunner
from curation.storage.client import s3_client
from curation.storage.local import LocalStorage
from curation.tags import put_tag
from curation.tombstones import Criteria
from tests.pipeline.inputs import recipe, write_inputs
from tests.storage.servers import S3Server
from tests.texts import edited, essay, write_jsonl

STAGES = [{"kind": "gopher_quality"}, {"kind": "exact_dedup"}, {"kind": "minhash_dedup"}]


STEP = 5
"""Every so manieth change to the store is cut off."""


def ids(*wanted: str) -> Criteria:
    return Criteria.model_validate({"ids": [{"id": each} for each in wanted]})


def curated(folder: Path, **changes: Any) -> Corpus:
    write_inputs(folder)
    wanted = recipe(folder, folder / "corpus", **{"stages": STAGES} | changes)
    curate(wanted, LocalRunner())
    return Corpus(wanted.output)


def take_down(corpus: Corpus, criteria: Criteria, **options: Any) -> TakenDown:
    return takedown(corpus.url, criteria, LocalRunner(), **options)


def fates(corpus: Corpus, number: int | None = None) -> dict[str, str]:
    """Document id → `kept` or its reason."""
    rows = corpus.decisions(number).to_table().to_pylist()
    return {row["id"]: row["reason"] or row["outcome"] for row in rows if row["id"]}


def kept(corpus: Corpus, number: int | None = None) -> set[str]:
    return {row["id"] for row in corpus.documents(number).to_table(columns=["id"]).to_pylist()}


def where(corpus: Corpus, text: str) -> list[str]:
    """The files of the corpus's folder in which these bytes stand, Parquet decompressed."""
    found, wanted = [], text.encode()
    for path in sorted(Path(corpus.url).rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.suffix == ".parquet":
                data += "\0".join(map(str, _cells(data))).encode()
            if wanted in data or json.dumps(text)[1:-1].encode() in data:
                found.append(str(path.relative_to(corpus.url)))
    return found


def _cells(data: bytes) -> list[object]:
    return [cell for column in pq.read_table(io.BytesIO(data)).columns for cell in column.to_pylist()]


def test_a_version_without_the_document_whose_copy_comes_forward(tmp_path: Path) -> None:
    corpus = curated(tmp_path)
    assert (fates(corpus)["w2"], fates(corpus)["near"]) == ("kept", "minhash_dedup.duplicate")
    done = take_down(corpus, ids("w2"), reason="the author asked", who="ada")
    assert done.published
    assert (fates(corpus)["w2"], fates(corpus)["near"]) == ("takedown.ids", "kept")
    (row,) = corpus.explain("w2")
    assert (row["outcome"], row["stage"], row["detail"]) == ("dropped", "takedown", "the author asked")
    report = corpus.report()
    assert report.documents() == corpus.report(1).documents() == len(corpus.decisions().to_table())
    assert corpus.documents().count_rows() == report.documents("kept") == report.funnel()[-1].documents_out
    assert corpus.verify() > 0
    certificate = checked_certificate(corpus)
    assert certificate == done.certificate
    assert (certificate.version, certificate.base, certificate.promoted) == (2, 1, 1)
    assert (certificate.who, certificate.asked.ids, certificate.documents.lines) == ("ada", 1, 1)
    assert [(each.version, each.documents) for each in certificate.versions] == [(1, 1)]
    assert corpus.manifest(1).digest == certificate.digest_before != certificate.digest_after


def test_an_exact_copy_goes_with_its_text(tmp_path: Path) -> None:
    corpus = curated(tmp_path)
    take_down(corpus, ids("w1"))
    assert (fates(corpus)["w1"], fates(corpus)["exact"]) == ("takedown.ids", "takedown.text")


def test_a_copy_of_a_source_that_is_taken_down_may_stay(tmp_path: Path) -> None:
    corpus = curated(tmp_path)
    take_down(corpus, Criteria(sources=("web",)))
    rows = corpus.decisions().to_table().to_pylist()
    assert {row["source"] for row in rows if row["outcome"] == "kept"} == {"notes"}
    (copy,) = [row for row in rows if row["shard"].endswith("copy.txt")]
    assert copy["outcome"] == "kept"


def test_without_promotion_duplicates_stay_where_they_are(tmp_path: Path) -> None:
    corpus = curated(tmp_path, refresh={"promote": False})
    done = take_down(corpus, ids("w2"))
    assert (fates(corpus)["near"], done.certificate.promoted) == ("minhash_dedup.duplicate", 0)
    assert done.certificate.stranded == 1


def test_copies_that_a_recipe_keeps_go_too(tmp_path: Path) -> None:
    corpus = curated(tmp_path, stages=[{"kind": "gopher_quality"}])
    done = take_down(corpus, ids("w1"))
    assert (fates(corpus)["w1"], fates(corpus)["exact"]) == ("takedown.ids", "takedown.text")
    assert done.certificate.documents.lines == 2


@pytest.mark.parametrize(
    ("criteria", "gone"),
    [
        (Criteria(urls=("example.org/3",)), {"w3"}),
        (Criteria(urls=("https://example.org",)), {f"w{n}" for n in range(8)}),
        (Criteria(licences=("mit",)), {"free"}),
        (Criteria(sources=("web",)), {*(f"w{n}" for n in range(8)), "free", "far", "lines", "german"}),
    ],
)
def test_by_place_licence_and_source(tmp_path: Path, criteria: Criteria, gone: set[str]) -> None:
    write_jsonl(tmp_path / "web/l.jsonl", [{"id": "free", "text": essay(60), "license": "MIT"}])
    corpus = curated(tmp_path)
    before = kept(corpus)
    said = look(corpus.url, criteria, LocalRunner())
    take_down(corpus, criteria)
    assert before - kept(corpus) == gone & before
    assert said.documents == len(gone & before)
    assert [(each.version, each.documents) for each in said.versions] == [(1, said.documents)]


def test_what_was_taken_down_does_not_come_back(tmp_path: Path) -> None:
    corpus = curated(tmp_path)
    take_down(corpus, ids("w1"))
    write_jsonl(
        tmp_path / "web/d.jsonl",
        [
            {"id": "w1", "text": essay(90)},
            {"id": "again", "text": "  " + essay(1).upper()},
            {"id": "fresh", "text": essay(91)},
        ],
    )
    wanted = recipe(tmp_path, corpus.url, stages=STAGES)
    refresh(wanted, LocalRunner())
    rows = {(row["shard"], row["id"]): row for row in corpus.decisions().to_table().to_pylist()}
    file = str(tmp_path / "web/d.jsonl")
    reasons = [rows[file, each]["reason"] for each in ("w1", "again", "fresh")]
    assert reasons == ["takedown.ids", "takedown.text", None]
    assert where(corpus, essay(90)[:60]) == []
    curate(recipe(tmp_path, corpus.url, stages=[{"kind": "gopher_quality"}]), LocalRunner())
    assert kept(corpus) & {"w1", "exact", "again"} == set()
    assert corpus.manifest().tombstones == corpus.manifest(2).tombstones


def test_nothing_matches(tmp_path: Path) -> None:
    corpus = curated(tmp_path)
    for ask in (take_down, lambda corpus, criteria: look(corpus.url, criteria, LocalRunner())):
        with pytest.raises(MissingError, match="no document that a version keeps matches"):
            ask(corpus, ids("nobody"))
    assert len(corpus.versions()) == 1
    assert corpus.storage.list("_tombstones/") == corpus.storage.list("_runs/") == []


def test_twice_is_once(tmp_path: Path) -> None:
    corpus = curated(tmp_path)
    first = take_down(corpus, ids("w1", "w2"))
    again = take_down(corpus, ids("w2", "w1"))
    assert (again.published, again.certificate) == (False, first.certificate)
    assert len(corpus.versions()) == 2


def test_erased_to_the_last_byte(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    corpus = Corpus(str(tmp_path / "corpus"))
    curate(recipe(tmp_path, corpus.url, stages=[{"kind": "gopher_quality"}]), LocalRunner())
    curate(recipe(tmp_path, corpus.url, stages=STAGES), LocalRunner())
    put_tag(corpus, "production", 2)
    Path(corpus.url, "source=web/.tmp-killed").write_text(essay(1))
    start = essay(1)[:45]
    assert len(where(corpus, start)) >= 4
    done = take_down(corpus, ids("w1"), erase=True)
    assert where(corpus, start) == []
    remaining = "\0".join(corpus.documents().to_table(columns=["text"])["text"].to_pylist())
    stretches = {essay(1)[at : at + 40] for at in range(0, 900, 15)}
    own = [stretch for stretch in stretches if stretch not in remaining]
    assert len(own) > len(stretches) / 2
    assert [stretch for stretch in own if where(corpus, stretch)] == []
    erasure = done.certificate.erasure
    assert erasure
    assert erasure.search.excerpts > 0
    assert [(each.version, each.tags) for each in done.certificate.versions] == [(1, ()), (2, ("production",))]
    assert kept(corpus) == {*kept(corpus)} - {"w1", "exact"}
    assert corpus.verify() > 0
    assert checked_certificate(corpus) == done.certificate
    assert corpus.storage.list("_erasures/") == corpus.storage.list("_runs/") == []
    for number in (1, 2):
        assert corpus.report(number).documents() == 25
        with pytest.raises(MissingError, match=f"version {number} was erased"):
            corpus.documents(number)
    assert not take_down(corpus, ids("w1"), erase=True).published


def test_a_version_that_never_held_it_stays(tmp_path: Path) -> None:
    corpus = curated(tmp_path)
    take_down(corpus, ids("w1"))
    write_jsonl(tmp_path / "web/d.jsonl", [{"id": "fresh", "text": essay(91)}])
    refresh(recipe(tmp_path, corpus.url, stages=STAGES), LocalRunner())
    done = take_down(corpus, ids("fresh"), erase=True)
    assert [each.version for each in done.certificate.versions] == [3]
    assert all(corpus.verify(number) for number in (1, 2, 4))
    assert where(corpus, essay(91)[:60]) == []


def test_taken_down_first_and_erased_later(tmp_path: Path) -> None:
    corpus = curated(tmp_path)
    take_down(corpus, ids("w1"))
    assert where(corpus, essay(1)[:60])
    done = take_down(corpus, ids("w1"), erase=True)
    assert (done.published, done.certificate.number, len(corpus.versions())) == (False, 2, 2)
    assert where(corpus, essay(1)[:60]) == []
    assert checked_certificate(corpus).previous == checked_certificate(corpus, 1).digest


def test_a_legal_hold_stands_before_an_erasure(tmp_path: Path) -> None:
    corpus = curated(tmp_path)
    put_hold(corpus, 1, "evidence")
    with pytest.raises(ConflictError, match=r"version 1 .* legal hold \(evidence\)"):
        take_down(corpus, ids("w1"), erase=True)
    assert len(corpus.versions()) == 1
    assert take_down(corpus, ids("w1")).published


def test_a_near_copy_that_stays_may_keep_what_it_shares(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "web/n.jsonl", [{"id": "one", "text": essay(70)}])
    write_jsonl(tmp_path / "web/o.jsonl", [{"id": "two", "text": edited(essay(70), seed=5, words=3)}])
    corpus = curated(tmp_path)
    lost, stays = ("one", "two") if fates(corpus)["one"] == "kept" else ("two", "one")
    done = take_down(corpus, ids(lost), erase=True)
    assert stays in kept(corpus)
    assert done.certificate.erasure
    assert done.certificate.erasure.search.shared > 0


def test_a_certificate_that_was_changed_is_found_out(tmp_path: Path) -> None:
    corpus = curated(tmp_path)
    take_down(corpus, ids("w1"))
    take_down(corpus, ids("w2"))
    path = Path(corpus.url, "_certificates/00000001.json")
    path.write_text(path.read_text().replace('"ids": 1', '"ids": 2'))
    with pytest.raises(CorruptError, match="certificate 1 is not what was written"):
        checked_certificate(corpus, 2)


def test_cut_off_at_any_write_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = curated(tmp_path)
    changes, cut = 0, 0

    def counted(name: str) -> None:
        original = getattr(LocalStorage, name)

        def call(storage: LocalStorage, *arguments: Any, **named: Any) -> Any:
            nonlocal changes
            changes += 1
            if changes == cut:
                raise KeyboardInterrupt
            return original(storage, *arguments, **named)

        monkeypatch.setattr(LocalStorage, name, call)

    commit = deltalake.DeltaTable.create_write_transaction

    def committed(*arguments: Any, **named: Any) -> None:
        nonlocal changes
        commit(*arguments, **named)
        changes += 1
        if changes == cut:
            raise KeyboardInterrupt

    monkeypatch.setattr(deltalake.DeltaTable, "create_write_transaction", committed)

    def erased(name: str, at: int) -> Corpus:
        nonlocal changes, cut
        corpus = Corpus(str(shutil.copytree(begun.url, tmp_path / name)))
        changes, cut = 0, at
        try:
            take_down(corpus, ids("w1"), erase=True)
        except KeyboardInterrupt:
            take_down(corpus, ids("w1"), erase=True)
        return corpus

    for name in ("write", "create", "delete", "delete_many", "delete_prefix", "clear_unfinished"):
        counted(name)
    whole = erased("whole", 0)
    moments, expected = changes, kept(whole)
    for at in range(1, moments + 1, STEP):
        corpus = erased(f"cut-{at}", at)
        assert where(corpus, essay(1)[:45]) == [], f"cut at {at} of {moments}"
        assert (kept(corpus), len(corpus.versions())) == (expected, 2)
        assert checked_certificate(corpus).number == 1
        assert corpus.storage.list("_erasures/") == []
        shutil.rmtree(corpus.url)


@pytest.mark.parametrize("state", ["Enabled", "Suspended"])
def test_a_bucket_that_keeps_what_is_deleted_is_refused(moto: S3Server, state: str) -> None:
    with moto.used():
        url = moto.make_bucket(f"b-{uuid.uuid4()}", versioned=True)
        versioning: Any = {"Status": state}
        s3_client().put_bucket_versioning(Bucket=url.removeprefix("s3://"), VersioningConfiguration=versioning)
        with pytest.raises(StorageError, match=f"versioning is {state.lower()}"):
            takedown(f"{url}/corpus", ids("w1"), LocalRunner(), erase=True)


def test_in_a_bucket_unfinished_uploads_go_too(moto: S3Server, tmp_path: Path) -> None:
    write_inputs(tmp_path)
    with moto.used():
        url = f"{moto.make_bucket(f'b-{uuid.uuid4()}')}/some prefix"
        curate(recipe(tmp_path, url, stages=STAGES), LocalRunner())
        bucket = url.removeprefix("s3://").partition("/")[0]
        s3_client().create_multipart_upload(Bucket=bucket, Key="some prefix/source=web/left.parquet")
        s3_client().create_multipart_upload(Bucket=bucket, Key="another/file")
        corpus = Corpus(url)
        done = take_down(corpus, ids("w1"), erase=True)
        left = [upload["Key"] for upload in s3_client().list_multipart_uploads(Bucket=bucket)["Uploads"]]
        assert left == ["another/file"]
        assert "w1" not in kept(corpus)
        assert checked_certificate(corpus) == done.certificate


def test_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = curated(tmp_path)
    listed = tmp_path / "ids.txt"
    listed.write_text("w1\nnotes\tw2\r\n\nnobody\n")

    def called(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["curation", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return (int(end.value.code or 0), *capsys.readouterr())

    local = ("--engine", "local")
    code, out, _ = called("takedown", corpus.url, "--ids", str(listed), "--dry-run", "--json", *local)
    assert (code, json.loads(out)["documents"], len(corpus.versions())) == (0, 1, 1)
    code, out, _ = called("takedown", corpus.url, "--ids", str(listed), "--erase", "--by", "ada", *local)
    assert code == 0
    assert "by ada" in out
    assert "3 ids; erase" in out
    code, out, _ = called("certificate", corpus.url, "--json")
    assert (code, json.loads(out)["asked"]["ids"]) == (0, 3)
    code, out, _ = called("certificate", corpus.url)
    assert "Checked: certificate 1" in out
    for arguments, wrong in (
        (("takedown", corpus.url), "say what to take down"),
        (("takedown", corpus.url, "--url", "/blog"), "--url: '/blog' names no host"),
        (("takedown", corpus.url, "--ids", str(tmp_path / "none")), "--ids: .*cannot be read"),
        (("takedown", corpus.url, "--source", ""), "--source"),
    ):
        code, _, err = called(*arguments, *local)
        assert code == 2
        assert re.search(wrong, err), err
