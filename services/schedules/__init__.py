"""Schedules: when a recipe runs, and what happens when it could not."""
