"""The control plane: the REST API."""
