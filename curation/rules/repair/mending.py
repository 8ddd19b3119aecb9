"""ftfy, shown only what is suspect: the texts in which a quick look finds anything, and of these the lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ftfy import TextFixerConfig, fix_text

from curation.rules.repair import kernels
from curation.rules.repair.suspects import suspects
from curation.text.arrow import text_buffers
from curation.text.unicode import tables


def mended(texts: pa.LargeStringArray, options: Mapping[str, Any]) -> pa.LargeStringArray:
    """The texts as ftfy has them with these options of its own."""
    config = TextFixerConfig(explain=False, **options)
    found = _are_suspect(texts, config)
    if not found.any():
        return texts
    rest = [_mended_lines(text, config) for text in texts.filter(pa.array(found)).to_pylist()]
    return pc.replace_with_mask(texts, pa.array(found), pa.array(rest, pa.large_string()))


def _are_suspect(texts: pa.LargeStringArray, config: TextFixerConfig) -> np.ndarray[Any, np.dtype[np.bool_]]:
    found = np.zeros(len(texts), np.bool_)
    looks_for_entities = config.unescape_html is not False
    kernels.find_suspects(*text_buffers(texts), *suspects(config), tables().classes, looks_for_entities, found)
    return found


def _mended_lines(text: str, config: TextFixerConfig) -> str:
    """`fix_text`, which goes from line to line, of the lines that are suspect."""
    lines = text.split("\n")
    lines = [*(line + "\n" for line in lines[:-1]), lines[-1]]
    if max(map(len, lines)) > config.max_decode_length:
        return fix_text(text, config)
    found = _are_suspect(pa.array(lines, pa.large_string()), config)
    is_auto = config.unescape_html == "auto"
    html = next((index for index, line in enumerate(lines) if is_auto and "<" in line), len(lines))
    for index in np.flatnonzero(found).tolist():
        lines[index] = fix_text(lines[index], config._replace(unescape_html=False) if index > html else config)
    return "".join(lines)
