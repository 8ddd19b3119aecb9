"""fastText's supervised models: read from their files, and asked for labels and scores, without a fastText package."""

from __future__ import annotations

from curation.text.fasttext.model import Model, Predictions
from curation.text.fasttext.model_file import BEGINNING, LABEL_PREFIX, MOST_BYTES, parse_model

__all__ = ["BEGINNING", "LABEL_PREFIX", "MOST_BYTES", "Model", "Predictions", "parse_model"]
