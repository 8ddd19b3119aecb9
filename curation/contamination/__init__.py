"""Benchmark items in the corpus: the registry of benchmarks, the rules that find them, the report."""
