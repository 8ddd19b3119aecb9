"""Jobs: their states, what they are, and the store that they are kept in."""
