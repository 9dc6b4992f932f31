"""Tracing: a Python function, run once on abstract values, becomes a Program."""
