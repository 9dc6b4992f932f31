"""Benchmarks of wengert against the tools that take the same functions; see README.md."""
