"""Capture: Python's control flow as structured control flow of the IR."""
