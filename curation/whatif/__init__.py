"""What another threshold would keep: decisions replayed from stored values, and previews of a recipe on a sample."""

from curation.whatif.model import Sweep, WhatIf
from curation.whatif.preview import Preview, preview
from curation.whatif.whatif import sweep, what_if

__all__ = ["Preview", "Sweep", "WhatIf", "preview", "sweep", "what_if"]
