"""Documents by their web address."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.document import document_batch
from curation.errors import ModelError
from curation.recipe import parse_recipe
from curation.rules import Urls

LISTS = {
    "domains": "# adult\nBad.com\n*.worse.org.\nbad.co.uk\n[2001:DB8::2]\n\n",
    "addresses": "https://fine.net/one\n",
    "hard_words": "casino\nPorn\n",
    "soft_words": "free\ncheap\npills\n",
    "substrings": "xxx\nviagra\nxy\n",
}


@pytest.fixture
def lists(tmp_path: Path) -> dict[str, str]:
    for name, text in LISTS.items():
        (tmp_path / name).write_text(text)
    return {name: str(tmp_path / name) for name in LISTS}


def found(stage: Urls, urls: list[str | None]) -> list[tuple[str | None, str | None]]:
    """The reason and the detail for each address."""
    batch = stage.annotate(document_batch(["text"] * len(urls), source="s", shard="f", urls=urls))
    assert [batch.schema.field(name) for name in stage.columns().names] == list(stage.columns())
    reasons = stage.drop_reasons(batch)
    assert {reason for reason in reasons.to_pylist() if reason} <= stage.reasons()
    return list(zip(reasons.to_pylist(), stage.evidence(batch, reasons).details.to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("url", "why", "detail"),
    [
        ("http://bad.com", "domain", "domains: bad.com"),
        ("https://www.BAD.com:8080/a?b#c", "domain", "domains: bad.com"),
        ("bad.com/page", "domain", "domains: bad.com"),
        ("//bad.com/page", "domain", "domains: bad.com"),
        ("http://user:word@a.b.worse.org./", "domain", "domains: worse.org"),
        ("http://shop.bad.co.uk?x", "domain", "domains: bad.co.uk"),
        ("http://notbad.com/", None, None),
        ("http://bad.com.example.net/", None, None),
        ("http://example.net/bad.com", None, None),
        ("http://example.net/?u=http://bad.com/", None, None),
        ("http://bad.com@example.net/", None, None),
        ("http://[2001:db8::1]:80/", None, None),
        ("http://[2001:db8::2]:80/", "domain", "domains: [2001:db8::2]"),
        ("https://FINE.net/one", "address", "addresses: https://fine.net/one"),
        ("https://fine.net/one/", None, None),
        ("http://a.net/best-casino", "hard_word", "hard_words: casino"),
        ("http://a.net/bestcasino", None, None),
        ("http://a.net/cheap/pills", "soft_words", "soft_words: cheap"),
        ("http://a.net/cheap/cheap", None, None),
        ("http://a.net/-x-x.x", "substring", "substrings: xxx"),
        ("http://a.net/0xy0", "substring", "substrings: xy"),
        ("", None, None),
        (None, None, None),
    ],
)
def test_reason(lists: dict[str, str], url: str | None, why: str | None, detail: str | None) -> None:
    assert found(Urls(**lists), [url]) == [(why and f"urls.{why}", detail)]


def test_a_host_alone(lists: dict[str, str]) -> None:
    stage = Urls(domains=lists["domains"], subdomains=False)
    assert found(stage, ["http://bad.com/", "http://www.bad.com/"]) == [
        ("urls.domain", "domains: bad.com"),
        (None, None),
    ]


def test_documents_without_an_address_may_go(lists: dict[str, str]) -> None:
    stage = Urls(domains=lists["domains"], without_url="drop")
    assert [why for why, _ in found(stage, [None, " ", "http://a.net"])] == ["urls.no_url", "urls.no_url", None]


def test_evidence_of_soft_words(lists: dict[str, str]) -> None:
    stage = Urls(soft_words=lists["soft_words"], min_soft_words=3)
    batch = stage.annotate(
        document_batch(["a", "b"], source="s", shard="f", urls=["x.net/free-cheap", "x.net/free-cheap-pills"])
    )
    assert batch["urls.soft_words"].to_pylist() == [2, 3]
    evidence = stage.evidence(batch, stage.drop_reasons(batch))
    assert (evidence.values.to_pylist(), evidence.thresholds.to_pylist()) == ([None, 3], [None, 3])


NAMES = st.text("abx.", min_size=1, max_size=7).map(lambda name: name.strip(".") or "a")


@given(st.lists(NAMES, min_size=1, max_size=8), st.lists(NAMES, min_size=1, max_size=8))
def test_domains_as_a_plain_reference(
    tmp_path_factory: pytest.TempPathFactory, listed: list[str], hosts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("lists") / "domains"
    path.write_text("\n".join(listed))
    expected = []
    for host in hosts:
        labels = host.split(".")
        above = [".".join(labels[i:]) for i in range(len(labels))]
        expected.append(next((f"domains: {name}" for name in above if name in listed), None))
    assert [detail for _, detail in found(Urls(domains=str(path)), [f"http://{host}/x" for host in hosts])] == expected


@given(
    st.lists(st.text("abc1", min_size=2, max_size=4), min_size=1, max_size=5),
    st.lists(st.text("abc1-/.é", max_size=12), min_size=1, max_size=6),
)
def test_words_as_a_plain_reference(
    tmp_path_factory: pytest.TempPathFactory, listed: list[str], urls: list[str]
) -> None:
    path = tmp_path_factory.mktemp("lists") / "words"
    path.write_text("\n".join(listed))
    stage = Urls(substrings=str(path), soft_words=str(path), min_soft_words=1)
    batch = stage.annotate(document_batch(["x"] * len(urls), source="s", shard="f", urls=list(urls)))
    words = [set(re.split(r"[^a-z0-9]+", url)) for url in urls]
    assert batch["urls.soft_words"].to_pylist() == [len(set(listed) & each) for each in words]
    squeezed = [re.sub(r"[^a-z0-9]", "", url) for url in urls]
    hits = [any(word in url for word in listed) for url in squeezed]
    assert batch["urls.substring"].is_valid().to_pylist() == hits


def test_lists_are_pinned(lists: dict[str, str]) -> None:
    text = "name: x\noutput: /nowhere\nsources: [{name: web, uri: '/nowhere/*.jsonl'}]\nstages:\n  - {kind: urls, "
    options = ", ".join(f"{name}: {path}" for name, path in lists.items())
    stage = parse_recipe(f"{text}{options}}}").pinned().stages[0]
    assert isinstance(stage, Urls)
    assert {getattr(stage, name): getattr(stage, f"{name}_sha256") for name in lists} == stage.models()
    Path(lists["domains"]).write_text("other.com")
    with pytest.raises(ModelError, match=r"domains: its SHA-256 is .*, expected"):
        Urls(domains=lists["domains"], domains_sha256="0" * 64).models()


@pytest.mark.parametrize(
    ("field", "data", "message"),
    [
        ("domains", b"", "no entry"),
        ("domains", b"# only this\n", "no entry"),
        ("domains", b"\xff\xfe", "UTF-8"),
        ("domains", b"good.com\nhttps://bad.com/\n", "'https://bad.com/' is no domain"),
        ("domains", b"bad.com/page\n", "no domain"),
        ("domains", b"0.0.0.0 bad.com\n", "no domain"),
        ("domains", b"bad.com:8080\n", "no domain"),
        ("domains", b"*.\n", "no domain"),
        ("hard_words", "слово\n".encode(), "no letter or digit of ASCII"),
        ("substrings", b"x\n", "at least two"),
        ("domains", None, "there is no such file"),
    ],
)
def test_wrong_lists(tmp_path: Path, field: str, data: bytes | None, message: str) -> None:
    path = tmp_path / "list"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ModelError, match=message):
        Urls(**{field: str(path)}).models()


def test_a_list_is_needed() -> None:
    with pytest.raises(ValidationError, match="give at least one list"):
        Urls()
