"""Runs tasks over items: in this process (`local`) or on Ray (`ray`)."""
