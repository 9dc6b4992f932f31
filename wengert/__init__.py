"""wengert: a tensor compiler with forward- and reverse-mode automatic differentiation."""
