"""Wavefronts: nests of two loops whose turns wait for one another, run along their diagonals.

    for i: for j: d[i, j] = f(d[i-1, j-1], d[i-1, j], d[i, j-1])

Neither loop may run its turns at once, but the cells of an anti-diagonal i + j = t need only those
of the diagonals before. This is the hyperplane method (L. Lamport, The parallel execution of DO
loops, CACM 17(2), 1974), or loop skewing with an interchange (M. Wolfe, Loop skewing: the wavefront
method revisited, Int. J. Parallel Programming 15(4), 1986).

Legality. Two points p before q (in lexicographic order) access the same element, one of them
writing. Then d = q - p is a dependence distance. Turns go by t = a*i + b*j, with all points of one
t at once. If a*d_i + b*d_j > 0 for every distance, then t(p) < t(q), so p still comes before q.
With a or b = 1 the points of one t are all integers of a range (`fronts.py`).

Additions into one element may come in another order (`loops.py`). So where two statements
add to the same element at two points of one diagonal (a distance with t = 0), each gets a loop over
the diagonal of its own, in which no element comes twice. What they add waits in a row of memory.

- `perfect.py` makes a perfect nest of loops over rows that surround the recurrence.
- `distances.py` solves for the distances, `hyperplane.py` chooses t.
- `layout.py` lays temporaries out by diagonals, so that each is read and written in one piece.
- `fronts.py` is the pass.
"""
