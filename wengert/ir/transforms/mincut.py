"""The minimum cut of a graph, by flows that block all shortest paths (Dinitz, 1970)."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from itertools import pairwise

INFINITE = 1 << 60
Node = Hashable


class Graph:
    """Directed edges with capacities."""

    def __init__(self) -> None:
        self.room: dict[Node, dict[Node, int]] = {}

    def edge(self, start: Node, end: Node, capacity: int) -> None:
        """Adds an edge; one that is there already becomes wider."""
        ahead = self.room.setdefault(start, {})
        ahead[end] = min(INFINITE, ahead.get(end, 0) + capacity)
        self.room.setdefault(end, {}).setdefault(start, 0)

    def sink_side(self, source: Node, sink: Node) -> set[Node]:
        """The nodes on the sink's side of the minimum cut, of equal ones the one nearest to it."""
        self.room.setdefault(source, {})
        self.room.setdefault(sink, {})
        while levels := self._levels(source, sink):
            self._block(levels, source, sink)
        side, queue = {sink}, deque([sink])
        while queue:
            node = queue.popleft()
            for before in self.room[node]:
                if before not in side and self.room[before][node] > 0:
                    side.add(before)
                    queue.append(before)
        return side

    def _levels(self, source: Node, sink: Node) -> dict[Node, int]:
        """How many edges with room lead to a node, up to the sink; empty if none do to that."""
        levels, queue = {source: 0}, deque([source])
        while queue and sink not in levels:
            node = queue.popleft()
            for following, room in self.room[node].items():
                if room > 0 and following not in levels:
                    levels[following] = levels[node] + 1
                    queue.append(following)
        return levels if sink in levels else {}

    def _block(self, levels: dict[Node, int], source: Node, sink: Node) -> None:
        """Fills all paths whose edges lead from level to level, depth first."""
        # the edges of a node that are left to try, the next one last
        left: dict[Node, list[Node]] = {source: list(self.room[source])}
        path = [source]
        while path:
            node = path[-1]
            if node == sink:
                path = self._filled(path)
                continue
            ways, below, room = left[node], levels[node] + 1, self.room[node]
            while ways and not (room[ways[-1]] > 0 and levels.get(ways[-1]) == below):
                ways.pop()
            if ways:
                left.setdefault(ways[-1], list(self.room[ways[-1]]))
                path.append(ways[-1])
            else:  # the sink is not to be reached from here: the way here is none either
                path.pop()
                if path:
                    left[path[-1]].pop()

    def _filled(self, path: list[Node]) -> list[Node]:
        """Sends through a path what it has room for; gives the part before its first full edge."""
        edges = list(pairwise(path))
        width = min(self.room[a][b] for a, b in edges)
        for a, b in edges:
            self.room[a][b] -= width
            self.room[b][a] += width
        full = next(k for k, (a, b) in enumerate(edges) if self.room[a][b] == 0)
        return path[: full + 1]
