"""The pipeline: the only code that removes documents, and it accounts for every one of them."""

from curation.pipeline.curate import curate
from curation.pipeline.guard import Guard
from curation.pipeline.held import held
from curation.pipeline.identity import is_begun
from curation.pipeline.progress import Progress
from curation.pipeline.publishing import Outcome
from curation.pipeline.refresh import refresh

__all__ = ["Guard", "Outcome", "Progress", "curate", "held", "is_begun", "refresh"]
