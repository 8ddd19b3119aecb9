"""What another threshold would keep: decisions replayed from stored values, and previews of a recipe on a sample."""
