"""What share each part of a corpus has in training: token counts, weights, the report."""

from __future__ import annotations

from curation.mixture.mixture import UNCOUNTED, Mixture, misfits
from curation.mixture.report import mixture_report, planned
from curation.mixture.tokens import Tokens

__all__ = ["UNCOUNTED", "Mixture", "Tokens", "misfits", "mixture_report", "planned"]
