"""What another threshold would keep: decisions replayed from stored values, and previews of a recipe on a sample."""

from curation.whatif.curve import curve
from curation.whatif.model import Curve, Sweep, Thresholds, WhatIf
from curation.whatif.preview import Preview, preview
from curation.whatif.thresholds import thresholds
from curation.whatif.whatif import sweep, what_if

__all__ = [
    "Curve",
    "Preview",
    "Sweep",
    "Thresholds",
    "WhatIf",
    "curve",
    "preview",
    "sweep",
    "thresholds",
    "what_if",
]
