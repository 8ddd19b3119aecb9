"""The commands about which versions stay: what they print, and what they exit with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.cli import main
from curation.corpus import Corpus
from tests.nights import check, publish_night


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    url = str(tmp_path / "corpus")
    for documents in ("ab", "bc", "cd"):
        publish_night(Corpus(url), documents)
    return url


def test_a_person_names_holds_cleans_and_brings_back(
    corpus: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["curation", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out + err

    assert call("tag", corpus, "1", "production", "--by", "ada") == (0, "production: version 1\n")
    assert call("tag", corpus, "newest", "staging")[0] == 0
    code, out = call("tags", corpus, "--json")
    assert [(tag["name"], tag["version"], tag["previous"]) for tag in json.loads(out)] == [
        ("production", 1, None),
        ("staging", 3, None),
    ]
    assert "ada" in call("tags", corpus)[1]
    assert call("verify", corpus, "--version", "production") == (
        0,
        "version 1: 7 files are what the manifest says\n",
    )
    assert call("tag", corpus, "--delete", "staging") == (0, "staging: version 3 has this tag no more\n")
    assert call("tag", corpus, "2")[0] == 2
    assert "none" in call("tags", corpus, "--history", "staging")[1]

    assert call("hold", corpus, "2")[0] == 2
    assert call("hold", corpus, "2", "--reason", "matter 7") == (0, "version 2 is held: matter 7\n")
    assert call("hold", corpus, "2", "--reason", "matter 8")[0] == 5
    assert "matter 7" in call("holds", corpus)[1]
    assert call("hold", corpus, "2", "--release") == (0, "version 2 is released\n")
    assert json.loads(call("holds", corpus, "--json")[1]) == []

    code, out = call("vacuum", corpus, "--keep", "1", "--grace-days", "0", "--dry-run", "--json")
    look = json.loads(out)
    assert (code, look["dry_run"], look["stays"]["1"]) == (0, True, ["tag production"])
    assert "would be removed" in call("vacuum", corpus, "--dry-run")[1]
    assert call("vacuum", corpus, "--keep", "0")[0] == 2

    assert call("restore", corpus, "production") == (0, "Version 4 is version 1 again.\n")
    assert call("restore", corpus, "1")[1].startswith("Nothing to do: version 4")
    marked = {version["version"]: version["marks"] for version in json.loads(call("versions", corpus, "--json")[1])}
    assert marked == {1: ["production"], 2: [], 3: [], 4: []}
    assert "production" in call("versions", corpus)[1]
    assert call("report", corpus, "--version", "nothing")[0] == 4
    assert check(Corpus(corpus)) == {1, 2, 3, 4}
