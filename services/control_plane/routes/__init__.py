"""Routes: parse, ask, shape."""
