"""How good a document is, as a classifier scores it: training, scoring, percentiles."""
