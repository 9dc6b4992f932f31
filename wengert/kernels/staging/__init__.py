"""From programs to stages: what is stored, and the loops that compute it."""
