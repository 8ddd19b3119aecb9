"""Text repair: what went wrong with a text on its way, undone by ftfy where a quick look finds anything to undo."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any, ClassVar, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curation.document import TEXT, with_text
from curation.rules.ratio import with_values
from curation.stage import RowStage, Stage

_PARTS_OF_FIX_ENCODING = frozenset(
    {"restore_byte_a0", "replace_lossy_sequences", "decode_inconsistent_utf8", "fix_c1_controls"}
)
"""Options that say how encodings are fixed, and mean nothing where they are not."""


class Repair(RowStage):
    """Rewrite each text with what can be mended in it mended: wrong encodings, HTML entities, control characters.

    The options are ftfy's, with datatrove's defaults, which mend what is broken and leave a writer's quotation marks,
    ligatures and widths alone. Nothing is dropped.
    """

    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = "ftfy 6.3 (Speer 2019); defaults of datatrove 0.10.1 FTFYFormatter, as FineWeb-2 ran it"

    kind: Literal["repair"] = "repair"
    unescape_html: Literal["auto"] | bool = "auto"
    """Whether `&lt;` and the like become characters; `auto`: in texts before their first line with a `<`."""
    remove_terminal_escapes: bool = True
    """Whether colours and other commands to terminals go."""
    fix_encoding: bool = True
    """Whether text that was read in the wrong encoding is read in the right one ("schÃ¶n")."""
    restore_byte_a0: bool = True
    """Whether a blank is taken for a byte A0 where the encoding is right then."""
    replace_lossy_sequences: bool = True
    """Whether mojibake of which a part is lost becomes U+FFFD."""
    decode_inconsistent_utf8: bool = True
    """Whether mojibake is mended where it is only a part of the text."""
    fix_c1_controls: bool = True
    """Whether C1 controls are taken for characters of Windows-1252."""
    fix_latin_ligatures: bool = False
    """Whether ligatures become letters."""
    fix_character_width: bool = False
    """Whether fullwidth Latin and halfwidth Katakana become ordinary; changes punctuation that is right in Chinese."""
    uncurl_quotes: bool = False
    """Whether curly quotation marks become straight."""
    fix_line_breaks: bool = False
    """Whether all line ends become line feeds."""
    fix_surrogates: bool = True
    """Whether halves of a character become one. Texts here hold none, so this changes nothing."""
    remove_control_chars: bool = True
    """Whether control characters go, but for those of layout."""
    normalization: Literal["NFC", "NFKC", "NFD", "NFKD"] | None = None
    """The normal form of Unicode that the text is put in."""
    max_newlines: Annotated[int, Field(ge=1)] | None = None
    """Longest run of line feeds; a longer one becomes so many (DCLM: 2)."""

    @model_validator(mode="after")
    def _mends_something(self) -> Self:
        if not any(self.model_dump(exclude={*Stage.model_fields, *_PARTS_OF_FIX_ENCODING, "fix_surrogates"}).values()):
            raise ValueError("every repair is switched off: give one, or leave the stage out")
        return self

    def columns(self) -> pa.Schema:
        """`changed` says whether the text did; `characters` how many code points it has gained, or lost if below 0."""
        return pa.schema([(self.column("changed"), pa.bool_()), (self.column("characters"), pa.int64())])

    def reasons(self) -> frozenset[str]:
        return frozenset()

    def models(self) -> dict[str, str]:
        """What mends is a library, so its version is part of what determines the result."""
        return {"ftfy": version("ftfy")}

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        from curation.rules.repair.mending import mended  # here, for ftfy takes a tenth of a second to load

        before = batch[TEXT]
        after = mended(before, self.model_dump(exclude={*Stage.model_fields, "max_newlines"}))
        if self.max_newlines is not None:
            feeds = "\n" * self.max_newlines
            after = pc.replace_substring_regex(after, f"{feeds}\n+", feeds)
        changed = pc.not_equal(before, after)
        values: dict[str, Any] = {
            "changed": changed,
            "characters": pc.subtract(pc.utf8_length(after), pc.utf8_length(before)).cast(pa.int64()),
        }
        if pc.any(changed).as_py():
            batch = with_text(batch, after)
        return with_values(batch, self.columns(), values)

    def drop_reasons(self, batch: pa.RecordBatch) -> pa.StringArray:
        return pa.nulls(batch.num_rows, pa.string())
