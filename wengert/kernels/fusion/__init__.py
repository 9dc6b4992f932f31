"""From stages to loop nests: which loops are shared, and where values live."""
