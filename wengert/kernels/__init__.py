"""The loop IR: fusion groups lowered to loop nests over scalars, scheduled, with buffers planned.

Nothing is imported here: a program found in the disk cache needs `kernels.loops` alone.
"""
