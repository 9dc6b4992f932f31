"""Scheduling for a grid of threads: which loop's turns become whose work.

It starts from loops as they are emitted, all of them serial, and needs nothing but the loop IR:

1. `registers.py` turns sums kept in memory into sums kept in registers, by exchanging loops.
2. `turns.py` finds what each loop's turns share: nothing, a sum, or an order.
3. `place.py` makes launches of the outermost loops; `split.py` cuts long sums and scans into chunks
   where there are too few of them to fill the device.
4. `team.py` shares out the loops inside a team's work.

The result is the same loop IR with other kinds of loops, so the interpreter runs it as it is.
"""
