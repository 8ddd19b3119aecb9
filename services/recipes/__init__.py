"""Named, versioned recipes."""
