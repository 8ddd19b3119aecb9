"""How good a document is, as a classifier scores it: training, scoring, percentiles."""

from __future__ import annotations

from curation.quality.quality_classifier import QualityClassifier

__all__ = ["QualityClassifier"]
