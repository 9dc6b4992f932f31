"""Routines that all programs share, as LLVM text: compiled once and kept."""
