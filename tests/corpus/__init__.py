"""Plain Python functions as scientists write them; `tests/test_corpus.py` runs them all.

The functions know nothing of wengert and have no annotations, as most such code has none. Each file
ends with its table of cases.
"""
