"""The line filter of C4, over Arrow's buffers."""
