"""The scheduler: due occurrences become jobs, lost jobs are found again, old rows are trimmed."""
