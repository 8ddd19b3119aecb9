"""The rules that look at the text itself, each in a named flavour: the tool whose arithmetic it has."""

from __future__ import annotations

from curation.rules.c4 import C4
from curation.rules.fineweb_quality import FineWebQuality
from curation.rules.gopher_quality import GopherQuality
from curation.rules.gopher_repetition import GopherRepetition

__all__ = ["C4", "FineWebQuality", "GopherQuality", "GopherRepetition"]
