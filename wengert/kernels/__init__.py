"""The loop IR: fusion groups lowered to loop nests over scalars, scheduled, with buffers planned."""
