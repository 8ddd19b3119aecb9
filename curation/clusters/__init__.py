"""Clusters: the documents that a version dropped because a copy of them is kept, what tells them apart, and whether
they are copies indeed."""

from curation.clusters.comparison import Comparison, Stretch, compare
from curation.clusters.copies import Asked, Duplicates, duplicates
from curation.clusters.likest import Likest, likest
from curation.clusters.members import Member, Members, members
from curation.clusters.precision import Precision, precision
from curation.clusters.reading import Reading, Record, Text, Unreadable, kept_texts

__all__ = [
    "Asked",
    "Comparison",
    "Duplicates",
    "Likest",
    "Member",
    "Members",
    "Precision",
    "Reading",
    "Record",
    "Stretch",
    "Text",
    "Unreadable",
    "compare",
    "duplicates",
    "kept_texts",
    "likest",
    "members",
    "precision",
]
