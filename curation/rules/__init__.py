"""The rules that look at the text itself or at its address, each in a named flavour where tools differ."""

from __future__ import annotations

from curation.rules.c4 import C4
from curation.rules.code import Code
from curation.rules.fineweb_quality import FineWebQuality
from curation.rules.gopher_quality import GopherQuality
from curation.rules.gopher_repetition import GopherRepetition
from curation.rules.line_modifiers import LineModifiers
from curation.rules.period import Period
from curation.rules.repair import Repair
from curation.rules.urls import Urls

__all__ = [
    "C4",
    "Code",
    "FineWebQuality",
    "GopherQuality",
    "GopherRepetition",
    "LineModifiers",
    "Period",
    "Repair",
    "Urls",
]
