"""Examples: each file is a page of plain code on real data, with a picture; see README.md."""
