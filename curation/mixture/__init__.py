"""What share each part of a corpus has in training: token counts, weights, the report."""
