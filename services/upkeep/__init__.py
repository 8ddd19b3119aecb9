"""Upkeep: what is done to corpora's versions beside jobs."""
