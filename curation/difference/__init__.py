"""What differs between two versions of a corpus: documents, rules, distributions, with samples."""

from curation.difference.difference import SAMPLES, difference, previous
from curation.difference.model import Difference

__all__ = ["SAMPLES", "Difference", "difference", "previous"]
