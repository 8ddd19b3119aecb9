"""What a takedown keeps out: by id, by place on the web, by source, by licence, and by the text itself."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation import manifest
from curation.document import document_batch
from curation.storage import open_storage
from curation.tombstones import Criteria, Tombstones, WantedId, new_salt, text_hashes, tombstone

SALT = new_salt()


def stones(**criteria: object) -> Tombstones:
    return Tombstones([tombstone("run", Criteria.model_validate(criteria), SALT)])


@pytest.mark.parametrize(
    ("prefix", "url", "is_there"),
    [
        ("https://example.org/blog", "https://example.org/blog", True),
        ("https://example.org/blog", "HTTPS://Example.ORG:443/blog/2024?x=1#top", True),
        ("https://example.org/blog/", "https://example.org/blog", True),
        ("https://example.org/blog", "https://example.org/blogs", False),
        ("https://example.org/blog", "https://example.org/", False),
        ("https://example.org/blog", "http://example.org/blog", False),
        ("example.org/blog", "http://example.org/blog/a", True),
        ("example.org", "https://user@example.org/any", True),
        ("example.org", "https://www.example.org/any", False),
        ("example.org", "https://example.org.evil.net/", False),
        ("https://example.org:8080", "https://example.org/", False),
        ("https://example.org/a%20b", "https://example.org/a b/c", True),
        ("https://example.org/p?id=3", "https://example.org/p?id=3&lang=de", True),
        ("https://example.org/p?id=3", "https://example.org/p?id=31", False),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x/y", True),
        ("example.org", "no URL at all", False),
        ("example.org", "http://[broken", False),
    ],
)
def test_a_place_holds_what_lies_below_it(prefix: str, url: str, is_there: bool) -> None:
    batch = document_batch(["text", "text"], source="web", shard="s", urls=[url, None])
    assert stones(urls=[prefix]).refused(batch).to_pylist() == ["takedown.url" if is_there else None, None]


def test_ids_of_a_source_and_of_any() -> None:
    wanted = stones(ids=[{"id": "a"}, {"id": "b", "source": "notes"}, {"id": "ü\0é"}])
    ids = ["a", "b", "c", "ü\0é"]
    refused = [
        wanted.refused(document_batch(["t"] * 4, source=source, shard="s", ids=ids)).to_pylist()
        for source in ("web", "notes")
    ]
    hit = "takedown.ids"
    assert refused == [[hit, None, None, hit], [hit, hit, None, hit]]


@pytest.mark.parametrize(
    ("metadata", "is_refused"),
    [
        ('{"license": "CC-BY-NC-4.0"}', True),
        ('{"licence": " cc-by-nc-4.0 "}', True),
        ('{"licence": ["mit", "cc-by-nc-4.0"]}', True),
        ('{"license": "cc-by-4.0"}', False),
        ('{"other": {"license": "cc-by-nc-4.0"}}', False),
        ('{"title": "licence cc-by-nc-4.0"}', False),
        ('["licence", "cc-by-nc-4.0"]', False),
        ("licence: not JSON", False),
        (None, False),
    ],
)
def test_a_licence_stands_at_the_top_of_the_metadata(metadata: str | None, is_refused: bool) -> None:
    batch = document_batch(["text"], source="web", shard="s", metadata=[metadata])
    expected = ["takedown.licence" if is_refused else None]
    assert stones(licences=["CC-by-nc-4.0"]).refused(batch).to_pylist() == expected


def test_a_source_is_out_as_a_whole() -> None:
    wanted = stones(sources=["web"])
    assert wanted.refused(document_batch(["a", "b"], source="web", shard="s")).to_pylist() == ["takedown.source"] * 2
    assert wanted.refused(document_batch(["a"], source="webs", shard="s")).null_count == 1


@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_a_text_is_known_again_but_for_case_and_white_space(texts: list[str]) -> None:
    batch = document_batch(texts, source="s", shard="s")
    stone = tombstone("run", Criteria.model_validate({"sources": ["x"]}), SALT)
    gone = Tombstones([stone.model_copy(update={"texts": (text_hashes(SALT, batch["text"])[0],)})])
    again = [texts[0], f"  {texts[0].lower()}\n", f"{texts[0]} more"]
    refused = gone.refused_texts(document_batch(again, source="other", shard="s")).to_pylist()
    assert refused == ["takedown.text", "takedown.text", None]
    expected = [" ".join(text.lower().split()) == " ".join(texts[0].lower().split()) for text in texts]
    assert gone.refused_texts(batch).is_valid().to_pylist() == expected


def test_several_tombstones_of_several_salts_are_all_asked(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    parts = []
    for name, salt in (("a", SALT), ("b", new_salt())):
        data = tombstone(name, Criteria.model_validate({"ids": [{"id": name}]}), salt).model_dump_json().encode()
        storage.write(f"{name}.json", data)
        parts.append(manifest.part(f"{name}.json", data, 0))
    loaded = pickle.loads(pickle.dumps(Tombstones.load(storage, parts)))
    batch = document_batch(["t"] * 3, source="s", shard="s", ids=["a", "b", "c"])
    assert loaded.refused(batch).is_valid().to_pylist() == [True, True, False]
    assert not Tombstones.load(storage, ())
    assert "a" not in {value for stone in loaded.stones for value in stone.ids}


def test_the_same_criteria_are_known_again() -> None:
    both = (WantedId(id="a"), WantedId(id="b"))
    asked = Criteria(ids=both, urls=("example.org",))
    again = Criteria(ids=both[::-1], urls=("example.org",))
    other = Criteria(ids=both, urls=("example.org",), licences=("MIT",))
    there = Tombstones([tombstone("run", asked, SALT)])
    assert there.of(again) is there.stones[0]
    assert there.of(other) is None


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ({}, "say what to take down"),
        ({"urls": ["/path/only"]}, "names no host"),
        ({"urls": ["word"]}, "names no host"),
        ({"licences": [" "]}, "a licence has a name"),
        ({"ids": [{"id": ""}]}, "at least 1 character"),
    ],
)
def test_criteria_that_name_nothing_are_refused(criteria: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Criteria.model_validate(criteria)
