"""Nothing that a recipe names leads out of its project's roots."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.dedup import DedupStage
from curation.stage import stage_kinds
from curation.storage.address import absolute
from services.confinement import Confinement
from services.errors import Invalid

BUCKET = "s3://corpora/team"

HOSTILE = """
../secret
../
..
../../../../../../etc/passwd
./../secret
a/../../secret
a/b/../../../secret
inside/../../secret/*.jsonl
{root}/../secret
{root}/../secret/x.jsonl
{root}/a/../../secret
{root}/./../secret
{root}//../secret
{root}-twin/x.jsonl
{root}twin
{root}.jsonl
{root}/../root-twin/x
/
//
///etc/passwd
//etc/passwd
/etc/passwd
/etc/*
/etc/**/*.conf
/proc/self/environ
/proc/self/fd/0
/proc/1/root/etc/passwd
/dev/stdin
/dev/zero
/sys/kernel
/root/.ssh/id_rsa
/var/run/secrets/token
/*
/**
/**/*.jsonl
/?tc/passwd
/[e]tc/passwd
*/../../secret
**/../../secret
a*/../..
{root}/*/../../secret
{root}/**/../../../etc/passwd
{root}/[a]/../../secret
{root}/?/../../secret
~
~/
~/.ssh/id_rsa
~root
~root/.bashrc
~nobody/x
~{root}
$HOME/../../etc/passwd/../../../..
out/secret.jsonl
out/*.jsonl
out
{root}/out/secret.jsonl
{root}/out
{root}/out/deeper/that/is/not/there
{root}/a/up/secret
{root}/a/up/secret/*.jsonl
a/up
a/up/secret/x
file.jsonl
{root}/file.jsonl
dangling
dangling/x
chain/x
file:///etc/passwd
file:/etc/passwd
file:etc/passwd
file://etc/passwd
file://localhost/etc/passwd
file://localhost
file://
file:///
file:////etc/passwd
file://evil.example/etc/passwd
file://127.0.0.1/etc/passwd
file://user@localhost/etc/passwd
file://localhost:80/etc/passwd
FILE:///etc/passwd
File:///etc/passwd
file:///{root}/%2e%2e/secret
file://{root}/../secret
file://{root}/%2e%2e/secret
file://{root}/%2E%2E/secret
file://{root}/..%2fsecret
file://{root}/%252e%252e/secret
file://{root}/a%00/b
file://{root}/%ff
file://{root}/%5c..%5csecret
file:///%65tc/passwd
file://%2fetc/passwd
%2e%2e/secret
%2E%2e%2fsecret
..%2fsecret
..%2Fsecret
..%5csecret
%2fetc%2fpasswd
a/%2e%2e/%2e%2e/secret
a%00b
%252e%252e/secret
..\\secret
a\\..\\..\\secret
\\\\server\\share
\\etc\\passwd
C:\\Windows\\win.ini
C:/Windows/win.ini
c:secret
http://127.0.0.1/latest
http://169.254.169.254/latest/meta-data/
https://example.org/x.jsonl
HTTPS://example.org/x.jsonl
http:/x
http:x
ftp://example.org/x
sftp://example.org/x
gs://bucket/x
az://container/x
abfss://c@a/x
s3a://corpora/team/x
s3n://corpora/team/x
hdfs://name/x
memory://x
data:text/plain,x
data://x
javascript:x
jar:file:///etc!/x
zip://x
tar://x
simplecache::s3://corpora/team/x
unix:///var/run/x.sock
s3:/corpora/team/x
s3:corpora/team/x
s3://
s3:///
s3:///corpora/team/x
s3://corpora
s3://corpora/
s3://corpora/x
s3://corpora/teams/x
s3://corpora/team-b/x
s3://corpora/team.jsonl
s3://corpora/tea/x
s3://corpora/Team/x
s3://corpora/other/team/x
s3://corpora//team/x
s3://corpora/team//x
s3://corpora/team/../other/x
s3://corpora/team/./../x
s3://corpora/team/.
s3://corpora/team/..
s3://corpora/./team/x
s3://corpora/team/%2e%2e/other/x
s3://corpora/team%2f..%2fother
s3://corpora/team*/x
s3://corpora/tea?/x
s3://corpora/tea[m]/x
s3://corpora/**/x
s3://corpora/*
s3://*/team/x
s3://corpor?/team/x
s3://[c]orpora/team/x
s3://corpora2/team/x
s3://Corpora/team/x
s3://other/team/x
s3://corpora.evil.example/team/x
s3://corpora:9000/team/x
s3://key:secret@corpora/team/x
s3://key@corpora/team/x
s3://@corpora/team/x
s3://corpora@evil/team/x
s3://127.0.0.1:9000/corpora/team/x
s3://arn:aws:s3:us-east-1:1:accesspoint/x/team
s3://corpora\\team\\x
s3://corpora/team\\..\\other
S3://other/team/x
S3://corpora/other
s3://corpora?endpoint=http://evil/team/x
s3://corpora#/team/x
s3://corpora /team/x
""".strip("\n").split("\n")

UNPRINTABLE = [
    "",
    "\0",
    "a\0b",
    "{root}/a\0/../../secret",
    "s3://corpora/team/a\0",
    "a\nb",
    "a\rb",
    "a\tb",
    "a\x1b[2Jb",
    "a\x7fb",
    "a\x85b",
    "a\u2028b",
    "a\u2029b",
    "a\ud800b",
    "\udcffetc",
    "x" * 4097,
    "ä" * 2049,
    "a/" * 3000,
    "s3://corpora/team/" + "x" * 4096,
    "\uff0e\uff0e/secret",
    "\u2024\u2024/secret",
    "\u2025/secret",
    "\uff0fetc\uff0fpasswd",
    "..\uff0fsecret",
    "..\u2100secret",
    "\uff3c..\uff3csecret",
    "\ufe68x",
    "\uff5e/secret",
    "\uff05\uff12\uff45/secret",
    "file\uff1a///etc/passwd",
    "s3\uff1a//other/x",
    "{root}\u0301/x",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with links that lead out of it, beside a folder that nobody may see."""
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "inside").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/secret.jsonl").write_text("{}")
    (tmp_path / "root-twin").mkdir()
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "a/up").symlink_to("../..")
    (root / "file.jsonl").symlink_to(tmp_path / "secret/secret.jsonl")
    (root / "dangling").symlink_to(tmp_path / "not-there")
    (root / "chain").symlink_to("out")
    (root / "home").symlink_to("inside")
    return root


@pytest.fixture
def confinement(root: Path) -> Confinement:
    return Confinement([str(root), BUCKET])


def recipe_of(uri: str) -> dict[str, Any]:
    return {
        "output": uri,
        "sources": [{"name": "web", "uri": uri}],
        "stages": [{"kind": "language", "keep": ["en"], "model": uri}],
    }


def placed(uri: str, root: Path) -> str:
    return uri.replace("{root}", str(root))


@pytest.mark.parametrize("uri", [*HOSTILE, *UNPRINTABLE])
def test_what_leads_out_is_refused_wherever_it_stands(confinement: Confinement, root: Path, uri: str) -> None:
    with pytest.raises(Invalid) as caught:
        confinement.recipe(recipe_of(placed(uri, root)))
    assert [problem.path for problem in caught.value.problems] == ["output", "sources.0.uri", "stages.0.model"]
    with pytest.raises(Invalid):
        confinement.corpus(placed(uri, root))


def test_there_are_enough_of_them() -> None:
    assert len({*HOSTILE, *UNPRINTABLE}) >= 120


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("raw/a.jsonl", "{root}/raw/a.jsonl"),
        ("./raw//a.jsonl", "{root}/raw/a.jsonl"),
        ("raw/../b.jsonl", "{root}/b.jsonl"),
        ("out/../secret", "{root}/secret"),
        ("raw/**/*.jsonl.gz", "{root}/raw/**/*.jsonl.gz"),
        ("[0-9]*.md", "{root}/[0-9]*.md"),
        ("./dump:1.jsonl", "{root}/dump:1.jsonl"),
        ("{root}/raw/é日本.jsonl", "{root}/raw/é日本.jsonl"),
        ("{root}", "{root}"),
        ("file://{root}/a%20b.jsonl", "{root}/a b.jsonl"),
        ("file://localhost{root}/x", "{root}/x"),
        ("home/x.jsonl", "{root}/home/x.jsonl"),
        ("100%.jsonl", "{root}/100%.jsonl"),
        ("raw/", "{root}/raw/"),
        ("...", "{root}/..."),
        ("s3://corpora/team/x.jsonl", "s3://corpora/team/x.jsonl"),
        ("S3://corpora/team/x.jsonl", "s3://corpora/team/x.jsonl"),
        ("s3://corpora/team/*/x?.jsonl", "s3://corpora/team/*/x?.jsonl"),
        ("s3://corpora/team", "s3://corpora/team"),
    ],
)
def test_what_lies_within_becomes_one_spelling(confinement: Confinement, root: Path, uri: str, expected: str) -> None:
    body = {"name": "x", "output": "corpora/x", "sources": [{"name": "web", "uri": placed(uri, root)}]}
    confined = confinement.recipe(body)
    assert confined["sources"][0]["uri"] == placed(expected, root)
    assert confined["output"] == f"{root}/corpora/x"
    assert body["output"] == "corpora/x"
    assert confinement.recipe(confined) == confined


def test_built_in_models_are_no_files_and_others_are(confinement: Confinement, root: Path) -> None:
    stages = [{"kind": "language", "model": "lid.176"}, {"kind": "language", "model": "models/own.bin"}]
    confined = confinement.recipe({"stages": stages})
    assert [stage["model"] for stage in confined["stages"]] == ["lid.176", f"{root}/models/own.bin"]


def test_every_model_of_a_list_is_confined(confinement: Confinement, root: Path) -> None:
    models = [{"path": "models/a.bin"}, {"path": f"{root}/models/../b.bin", "name": "b"}, "no model", {}]
    confined = confinement.recipe({"stages": [{"kind": "quality_classifier", "classifiers": models}]})
    paths = [model.get("path") for model in confined["stages"][0]["classifiers"] if isinstance(model, dict)]
    assert paths == [f"{root}/models/a.bin", f"{root}/b.bin", None]
    with pytest.raises(Invalid) as caught:
        confinement.recipe({"stages": [{"kind": "quality_classifier", "classifiers": [*models, {"path": "../x"}]}]})
    assert [problem.path for problem in caught.value.problems] == ["stages.0.classifiers.4.path"]


def test_a_file_has_no_wildcards_which_would_hide_a_link(confinement: Confinement, root: Path) -> None:
    (root / "models").mkdir(exist_ok=True)
    (root / "models/own[1].bin").symlink_to("/etc/hostname")
    for model in ("models/own[1].bin", "models/*.bin"):
        with pytest.raises(Invalid, match="found a wildcard, expected one file"):
            confinement.recipe({"stages": [{"kind": "language", "model": model}]})
    (root / "models/own.bin").symlink_to("/etc/hostname")
    with pytest.raises(Invalid, match="leads out"):
        confinement.recipe({"stages": [{"kind": "language", "model": f"{root}/models/own.bin"}]})


@pytest.mark.parametrize(
    "uri", ["sets", "sets/", "{root}/sets/../sets", "sets/*.jsonl", "sets/**/*.jsonl.gz", "sets/a.jsonl"]
)
def test_a_set_of_files_may_be_a_folder_or_a_glob_without_links_out(
    confinement: Confinement, root: Path, uri: str
) -> None:
    (root / "sets/deep").mkdir(parents=True)
    for name in ("sets/a.jsonl", "sets/deep/b.jsonl.gz"):
        (root / name).write_text("{}")
    (root / "sets/notes.txt").symlink_to("/etc/hostname")  # which no registry is read from
    recipe = {"stages": [{"kind": "contamination", "registry": placed(uri, root)}]}
    expected = placed(uri, root).replace("/sets/..", "")
    (stage,) = confinement.recipe(recipe)["stages"]
    assert stage["registry"] == expected if uri.startswith("{root}") else f"{root}/{uri}"
    for link in ("sets/z.jsonl", "sets/a.jsonl", "sets/deep/c.jsonl.gz"):
        (root / link).unlink(missing_ok=True)
        (root / link).symlink_to("/etc/hostname")
    with pytest.raises(Invalid, match="a link on its way leads out") as caught:
        confinement.recipe(recipe)
    assert [problem.path for problem in caught.value.problems] == ["stages.0.registry"]


@pytest.mark.parametrize(
    ("uri", "is_taken"),
    [
        (f"{BUCKET}/sets/*.jsonl", True),
        (f"{BUCKET}/sets/", True),
        ("s3://corpora/tea*/x", False),
        ("s3://other/*", False),
    ],
)
def test_a_set_of_objects_lies_below_a_prefix(confinement: Confinement, uri: str, is_taken: bool) -> None:
    recipe = {"stages": [{"kind": "contamination", "registry": uri}]}
    if is_taken:
        assert confinement.recipe(recipe) == recipe
    else:
        with pytest.raises(Invalid, match="not below a root"):
            confinement.recipe(recipe)


@pytest.mark.parametrize("uri", [*HOSTILE, *UNPRINTABLE])
def test_a_set_of_files_never_leads_out(confinement: Confinement, root: Path, uri: str) -> None:
    with pytest.raises(Invalid):
        confinement.recipe({"stages": [{"kind": "contamination", "registry": placed(uri, root)}]})


def test_every_text_field_of_every_stage_is_a_file_or_known_not_to_be() -> None:
    """A new stage that reads a file must say so in `files`, or it would read any."""
    harmless = {
        "kind",
        "name",
        "scope",
        "keep_which",
        "keeper",
        "quality",
        "model_sha256",
        "words",
        "language_column",
        "normalisation",
    }
    for kind, stage in stage_kinds().items():
        texts = {name for name, field in stage.model_fields.items() if field.annotation in {str, str | None}}
        assert texts <= harmless | set(stage.files), f"{kind}: {texts - harmless - set(stage.files)}"
        assert set(stage.file_sets) <= set(stage.files) <= set(stage.model_fields)
    assert issubclass(DedupStage, object)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"output": 7, "sources": "x", "stages": {"kind": "language"}},
        {"sources": [1, {"uri": None}], "stages": [[]]},
    ],
)
def test_what_is_no_recipe_is_left_for_the_recipes_own_validation(
    confinement: Confinement, body: dict[str, Any]
) -> None:
    assert confinement.recipe(body) == body


def test_without_a_folder_a_relative_path_is_nowhere() -> None:
    with pytest.raises(Invalid, match="is relative, and no root here is a folder"):
        Confinement([BUCKET]).corpus("corpora/x")
    with pytest.raises(Invalid, match="not below a root"):
        Confinement([BUCKET]).corpus("/corpora/x")
    with pytest.raises(Invalid, match="not below a root"):
        Confinement([]).corpus("s3://corpora/team/x")


def test_a_whole_bucket_may_be_a_root() -> None:
    bucket = Confinement(["s3://corpora/"])
    assert bucket.corpus("s3://corpora/x") == "s3://corpora/x"
    with pytest.raises(Invalid):
        bucket.corpus("s3://corpora-b/x")


def test_a_root_may_be_a_link(tmp_path: Path, root: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert Confinement([str(tmp_path / "link")]).corpus("x") == f"{tmp_path}/link/x"
    with pytest.raises(Invalid):
        Confinement([str(tmp_path / "link")]).corpus("out/x")


@pytest.mark.parametrize(
    "bad", ["", "~/x", "http://x", "file:///x", "data*", "s3://", "s3://b*/x", "s3://b/../x", "a\0", "s3://b:1/x"]
)
def test_some_things_can_be_no_root(bad: str) -> None:
    with pytest.raises(Invalid) as caught:
        Confinement(["/data", bad])
    assert [problem.path for problem in caught.value.problems] == ["roots.1"]


def test_found_files_are_checked_with_their_links_followed(confinement: Confinement, root: Path) -> None:
    confinement.check([f"{root}/a/x.jsonl", f"{root}/home/x", "s3://corpora/team/a*b", f"{root}/new\nline"])
    (root / "a/[x].jsonl").symlink_to(root.parent / "secret/secret.jsonl")
    for uri in (
        f"{root}/a/[x].jsonl",
        f"{root}/out/secret.jsonl",
        f"{root}/../secret",
        "relative",
        "file:///etc/passwd",
        "s3://corpora/other/x",
        "s3://corpora/team/../x",
        "a\0",
        "",
    ):
        with pytest.raises(Invalid) as caught:
            confinement.check([f"{root}/a/x", uri])
        assert [problem.path for problem in caught.value.problems] == ["uris.1"]


PARTS = st.sampled_from(["..", ".", "", "a", "out", "up", "home", "*", "**", "[a]", "?", "~", "%2e%2e", "x.jsonl", "…"])


@given(parts=st.lists(PARTS, max_size=8), start=st.sampled_from(["", "/", "{root}/", "file://{root}/", BUCKET + "/"]))
def test_whatever_is_let_through_is_within(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], start: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "searched"
    root = folder / "root"
    if not root.exists():
        (root / "a").mkdir(parents=True)
        (root / "out").symlink_to(folder)
        (root / "a/up").symlink_to("../..")
        (root / "home").symlink_to("a")
    try:
        uri = Confinement([str(root), BUCKET]).recipe(recipe_of(placed(start + "/".join(parts), root)))["output"]
    except Invalid:
        return
    assert uri.startswith((f"{BUCKET}/", f"{root}/")) or uri in {BUCKET, str(root)}
    assert ".." not in uri.split("/")
    assert absolute(uri).rstrip("/") == uri.rstrip("/")
    if uri.startswith("/"):
        assert os.path.realpath(uri).startswith(os.path.realpath(root))


@given(uri=st.text(max_size=60))
def test_no_text_breaks_it(uri: str) -> None:
    confinement = Confinement(["/nowhere/root", BUCKET])
    try:
        confined = confinement.corpus(uri)
    except Invalid:
        return
    assert confined.startswith(("/nowhere/root", BUCKET))
