"""Benchmarks of ragops: what is in docs/benchmarks.md."""
