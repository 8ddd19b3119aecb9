"""Repeated parts of documents: whole paragraphs or lines, and stretches of words, of which the first copy stays."""

from curation.dedup.spans.cutting import Cut, Taken, cut, listed
from curation.dedup.spans.repeats import SPANS, find_repeats
from curation.dedup.spans.stages import ParagraphDedup, SpanStage, SubstringDedup

__all__ = ["SPANS", "Cut", "ParagraphDedup", "SpanStage", "SubstringDedup", "Taken", "cut", "find_repeats", "listed"]
