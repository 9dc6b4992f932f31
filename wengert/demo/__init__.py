"""`python -m wengert demo`: trains a classifier on real handwritten digits."""
