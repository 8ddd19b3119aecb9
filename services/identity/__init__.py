"""Who asks: projects, keys, roles, tokens, and the audit log of what they did."""
