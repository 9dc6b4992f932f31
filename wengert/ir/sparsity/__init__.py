"""Which outputs of a program depend on which inputs, element by element."""
