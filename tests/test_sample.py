"""The harvest: what is found on a made-up machine, and that this machine gives enough."""

from __future__ import annotations

import gzip
import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from curation.errors import StorageError
from curation.sample import Machine, harvest
from curation.sample.machine import fair
from curation.sample.manual import plain_text

PROSE = (
    "The mill by the river has stood there for a long time, and whoever passes it in the evening hears the wheel. "
    "Nobody remembers who built it, but every child of the village knows the path that leads to its door. "
)
DEUTSCH = "Die Mühle am Fluss steht dort schon lange, und wer abends vorbeigeht, hört das Rad und das Wasser. " * 3


def catalogue(messages: Mapping[str, str]) -> bytes:
    """A gettext .mo file."""
    pairs = sorted({"": "Content-Type: text/plain; charset=UTF-8\n", **messages}.items())
    texts = [[key.encode() for key, _ in pairs], [value.encode() for _, value in pairs]]
    position = 28 + 16 * len(pairs)
    tables, blob = b"", b""
    for column in texts:
        for text in column:
            tables += struct.pack("<2I", len(text), position + len(blob))
            blob += text + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0) + tables + blob


def put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (1_700_000_000, 1_700_000_000))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    packages, library, system = (
        tmp_path / "test" / "licences" / "site-packages",
        tmp_path / "test" / "python3",
        tmp_path / "root",
    )
    metadata = f"Metadata-Version: 2.4\nName: Mill\nVersion: 1\nLicense-Expression: MIT\n\n# Mill\n\n{PROSE}"
    put(packages / "mill-1.dist-info" / "METADATA", metadata)
    put(packages / "mill-1.dist-info" / "licenses" / "LICENSE", "You may do as you like. " * 20)
    put(packages / "wheel_of-2.dist-info" / "METADATA", "Metadata-Version: 2.4\nName: wheel-of\nVersion: 2\n\nshort")
    put(packages / "wheel_of-2.dist-info" / "LICENSE.txt", "You may do as you like. " * 20)
    put(packages / "mill" / "__init__.py", f'"""{PROSE}"""\n\ndef turn() -> None:\n    """Turns the wheel."""\n')
    put(packages / "mill" / "broken.py", "def (:\n" + "# a comment\n" * 30)
    put(packages / "mill" / "latin.py", "# caf\xe9\n".encode("latin-1") * 100)
    put(packages / "mill" / "binary.txt", b"\0\1" * 500)
    put(packages / "mill" / "huge.txt", "large " * 200_000)
    put(packages / "mill" / "README.md", PROSE * 2)
    put(packages / "spacy" / "lang" / "de" / "examples.py", f'"""About."""\nsentences = [\n    "{DEUTSCH}",\n]\n')
    operations = {
        "Turn": {"documentation": f"<p>{PROSE}</p><p>{PROSE}</p><p>A &amp; B</p>"},
        "Stop": {"documentation": "x"},
    }
    service = gzip.compress(json.dumps({"operations": operations}).encode())
    put(packages / "botocore" / "data" / "mill" / "2020" / "service-2.json.gz", service)
    put(library / "river.py", f'"""{PROSE * 2}"""\n')
    put(library / "pydoc_data" / "topics.py", f"topics = {{'water': '{PROSE * 2}'}}\n")
    put(system / "usr/share/doc/river/copyright", "You may do as you like. " * 20)
    put(system / "usr/share/man/man1/mill.1.gz", gzip.compress(f".TH MILL 1\n.SH NAME\nmill\n.PP\n{PROSE}\n".encode()))
    put(system / "usr/share/man/man1/torn.1.gz", gzip.compress(PROSE.encode() * 9)[:-9])
    put(system / "usr/share/man/de/man1/mill.1", f".SH NAME\nM\\[u00FC]hle\n.PP\n{DEUTSCH}\n")
    put(system / "usr/share/locale/de/LC_MESSAGES/mill.mo", catalogue({"mill": DEUTSCH, "ok": "Gut"}))
    put(system / "usr/share/locale/fr/LC_MESSAGES/torn.mo", catalogue({"mill": DEUTSCH})[:60])
    asked = f"Template: mill/ask\nType: note\nDescription: The mill\n {PROSE}\n .\n {PROSE}\n"
    put(system / "var/lib/dpkg/info/mill.templates", f"{asked}Description-de.UTF-8: Die Mühle\n {DEUTSCH}\n")
    return Machine(packages, library, system)


def documents(directory: Path) -> dict[str, list[dict[str, Any]]]:
    """The harvested documents, by source."""
    read: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(directory.glob("*/*")):
        if path.suffix == ".parquet":
            found = pq.read_table(path).to_pylist()
        else:
            data = path.read_bytes()
            lines = gzip.decompress(data) if path.suffix == ".gz" else zstandard.decompress(data)
            found = [json.loads(line) for line in lines.splitlines()]
        read.setdefault(path.parent.name, []).extend(found)
    return read


def test_what_is_found(machine: Machine, tmp_path: Path) -> None:
    summary = harvest(tmp_path / "sample", machine)
    found = documents(tmp_path / "sample")
    assert {name: [document["url"] for document in each] for name, each in found.items()} == {
        "descriptions": ["site-packages/mill-1.dist-info/METADATA"],
        "docstrings": ["python/river.py#docstrings", "site-packages/mill/__init__.py#docstrings"],
        "documentation": ["python/pydoc_data/topics.py#water", "site-packages/mill/README.md"],
        "licences": [
            "site-packages/mill-1.dist-info/licenses/LICENSE",
            "site-packages/wheel_of-2.dist-info/LICENSE.txt",
            "/usr/share/doc/river/copyright",
        ],
        "manuals": ["/usr/share/man/de/man1/mill.1", "/usr/share/man/man1/mill.1.gz"],
        "modules": [
            "python/pydoc_data/topics.py",
            "python/river.py",
            "site-packages/mill/__init__.py",
            "site-packages/mill/broken.py",
            "site-packages/spacy/lang/de/examples.py",
        ],
        "questions": ["/var/lib/dpkg/info/mill.templates#de", "/var/lib/dpkg/info/mill.templates#en"],
        "sentences": ["site-packages/spacy/lang/de/examples.py"],
        "services": ["site-packages/botocore/data/mill/2020/service-2.json.gz#Turn"],
        "translations": ["/usr/share/locale/de/LC_MESSAGES/mill.mo"],
    }
    assert {source.name: source.documents for source in summary.sources} == {
        name: len(each) for name, each in found.items()
    }
    assert {source.name: source.bytes for source in summary.sources} == {
        name: sum(len(document["text"].encode()) for document in each) for name, each in found.items()
    }
    every = [document for each in found.values() for document in each]
    assert len({document["id"] for document in every}) == len(every)
    assert all(document["added"] == "2023-11-14T22:13:20+00:00" for document in every)
    assert not any(str(tmp_path) in json.dumps(document) for document in every)
    assert found["descriptions"][0]["license"] == "MIT"
    assert len({document["text"] for document in found["licences"]}) == 1
    assert found["translations"][0]["text"] == DEUTSCH.strip()
    assert found["sentences"][0]["text"] == DEUTSCH.strip()
    assert found["questions"][1]["text"].split("\n") == ["The mill", "", PROSE.strip(), "", PROSE.strip()]
    assert found["services"][0]["text"] == f"{PROSE}\n\n{PROSE}\n\nA & B"
    assert found["manuals"][0]["text"].startswith("NAME\n\nMühle\n\nDie Mühle am Fluss")


def test_twice_is_once(machine: Machine, tmp_path: Path) -> None:
    harvest(tmp_path / "a", machine)
    harvest(tmp_path / "b", machine)
    first = {path.relative_to(tmp_path / "a"): path.read_bytes() for path in (tmp_path / "a").glob("*/*")}
    assert first == {path.relative_to(tmp_path / "b"): path.read_bytes() for path in (tmp_path / "b").glob("*/*")}
    put(tmp_path / "a" / "modules" / "modules-007.jsonl.gz", "of an earlier, larger harvest")
    put(tmp_path / "a" / "modules" / "notes.txt", "the user's own")
    harvest(tmp_path / "a", machine)
    assert not (tmp_path / "a" / "modules" / "modules-007.jsonl.gz").exists()
    assert (tmp_path / "a" / "modules" / "notes.txt").exists()


def test_a_bare_machine_has_empty_sources(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    summary = harvest(tmp_path / "sample", Machine(nowhere / "a", nowhere / "b", nowhere))
    assert {(source.files, source.documents) for source in summary.sources} == {(1, 0)}
    assert not any(documents(tmp_path / "sample").values())


def test_where_nothing_can_be_written(machine: Machine, tmp_path: Path) -> None:
    put(tmp_path / "file", "not a folder")
    with pytest.raises(StorageError, match="cannot write the harvest"):
        harvest(tmp_path / "file", machine)


def test_this_machine(tmp_path: Path) -> None:
    summary = harvest(tmp_path, most=12)
    sizes = {source.name: source.documents for source in summary.sources}
    assert all(size <= 12 for size in sizes.values())
    always = ("descriptions", "docstrings", "documentation", "licences", "modules", "sentences", "services")
    assert all(sizes[name] >= 6 for name in always), sizes


def test_fair_shares() -> None:
    items = [f"{group}{number}" for group, size in (("a", 100), ("b", 2), ("c", 40)) for number in range(size)]
    chosen = list(fair(items, 22, lambda item: item[0]))
    assert [sum(item.startswith(group) for item in chosen) for group in "abc"] == [10, 2, 10]
    assert chosen[:3] == ["a0", "a10", "a20"]
    assert list(fair(items, 1000, lambda item: item[0])) == items
    assert list(fair([], 5, str)) == []


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ('.\\" a comment\n.TH A 1\n.SH "SEE ALSO"\nFirst\nline.\n.PP\nSecond.\n', "SEE ALSO\n\nFirst line.\n\nSecond."),
        (".B bold words\nand \\fIitalic\\fR, \\-x \\(em end", "bold words and italic, -x — end"),
        ('.BR ls (1),\n.IR "a b" c', "ls(1), a bc"),
        (".nf\n  kept\n    as it is\n.fi\nfilled\ntext", "kept\n    as it is\n\nfilled text"),
        (".de XX\nhidden\n..\n.TS\nl l.\ntable\n.TE\nshown", "shown"),
        (".Dd today\n.Sh NAME\n.Nm mill\n.Nd a mill\n.Fl v\n.Ar file", "NAME\n\nmill a mill -v file"),
        (".IP \\(bu 2\nfirst\n.IP \\(bu\nsecond", "• first\n\n• second"),
        ("M\\[u00FC]hle \\e \\s-1small\\s0 \\*(Tmx", "Mühle \\ small x"),
        (".so man1/other.1", ""),
    ],
)
def test_manual_pages(page: str, text: str) -> None:
    assert plain_text(page) == text
