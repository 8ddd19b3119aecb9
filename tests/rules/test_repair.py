"""Text repair."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ftfy import TextFixerConfig, fix_text
from ftfy.badness import MOJIBAKE_CATEGORIES
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.document import document_batch
from curation.rules import Repair
from curation.rules.repair.suspects import expanded
from tests.rules.texts import TEXTS, annotated

DATATROVE = TextFixerConfig(
    fix_latin_ligatures=False, fix_character_width=False, uncurl_quotes=False, fix_line_breaks=False, normalization=None
)
ALL = TextFixerConfig(normalization="NFKC")
MOJIBAKE = sorted(set().union(*map(expanded, MOJIBAKE_CATEGORIES.values())))
PIECES = st.one_of(
    st.sampled_from(MOJIBAKE),
    st.sampled_from(
        [*"aAz 1πÂâÄóøÐЂўГў²\n\t\r<&;", "&lt;", "&amp;", "&#233;", "\x1b[31m", "\u0301", "ﬁ", "Ａ", "’", "ᄀ", "ᅡ"]
    ),
    st.sampled_from(["schön", "«Слово»", "“Été”", "naïve café", "ΑΒΓ", "日本"]).map(
        lambda text: text.encode().decode("windows-1252", "replace")
    ),
)


def repaired(stage: Repair, text: str) -> str:
    found: str = annotated(stage, [text])["text"][0].as_py()
    return found


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("schÃ¶n", "schön"),
        ("â€œquotedâ€\x9d", "“quoted”"),
        ("a &lt;b&gt; c", "a <b> c"),
        ("L&amp;\nx<y\nAT&amp;T", "L&\nx<y\nAT&amp;T"),
        ("a\x00b\x1b[31mc", "abc"),
        ("“curly” ﬁne ＡＢ\r\n", "“curly” ﬁne ＡＢ\r\n"),
        ("«Слово», “Été” – naïve", "«Слово», “Été” – naïve"),
        ("e\u0301", "e\u0301"),
    ],
)
def test_repair(text: str, mended: str) -> None:
    assert repaired(Repair(), text) == mended


def test_options() -> None:
    assert repaired(Repair(normalization="NFC"), "e\u0301") == "é"
    assert repaired(Repair(uncurl_quotes=True), "“x”") == '"x"'
    assert repaired(Repair(unescape_html=False), "&lt;") == "&lt;"
    assert repaired(Repair(max_newlines=2), "a\n\n\n\nb\n\nc\n\n\n") == "a\n\nb\n\nc\n\n"


@pytest.mark.parametrize("config", [DATATROVE, ALL], ids=["datatrove", "all"])
@given(text=st.one_of(st.lists(PIECES, max_size=8).map("".join), TEXTS))
@settings(max_examples=400)
def test_it_is_as_if_ftfy_saw_every_text(config: TextFixerConfig, text: str) -> None:
    options = {name: value for name, value in config._asdict().items() if name not in ("max_decode_length", "explain")}
    assert repaired(Repair(**options), text) == fix_text(text, config)


def test_pairs_of_all_that_mojibake_is_made_of() -> None:
    """Each with each, in the contexts that ftfy asks for."""
    texts = [
        context.format(pair)
        for first in MOJIBAKE[::5]
        for pair in map(first.__add__, MOJIBAKE[::3])
        for context in ("a{}", "{} a", "С{}a")
    ]
    found = annotated(Repair(), texts)["text"].to_pylist()
    wrong = [text for text, ours in zip(texts, found, strict=True) if ours == text != fix_text(text, DATATROVE)]
    assert wrong == []


def test_a_repair_that_mends_nothing_is_refused() -> None:
    every = {name: False for name, field in Repair.model_fields.items() if field.annotation is bool}
    with pytest.raises(ValidationError, match="every repair is switched off"):
        Repair.model_validate({**every, "unescape_html": False, "restore_byte_a0": True})
    assert Repair.model_validate({**every, "unescape_html": False, "max_newlines": 2}).max_newlines == 2


def test_columns_and_scratch() -> None:
    batch = document_batch(["fine", "schÃ¶n"], source="s", shard="f")
    stage = Repair()
    found = stage.annotate(batch)
    assert found["repair.changed"].to_pylist() == [False, True]
    assert found["repair.characters"].to_pylist() == [0, -1]
    assert stage.drop_reasons(found).null_count == 2
    assert stage.models().keys() == {"ftfy"}


def test_a_text_without_lines() -> None:
    assert repaired(Repair(), "x" * 1_000_001 + "\x00" + "é" * 10) == "x" * 1_000_001 + "é" * 10


def test_what_only_some_recipes_need_is_loaded_for_them_only() -> None:
    """Every command reads recipes, and most recipes mend nothing."""
    command = "import sys, curation.recipe; print(*sorted({'ftfy', 'budoux', 'spacy'} & sys.modules.keys()))"
    loaded = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert loaded.stdout == "\n"
