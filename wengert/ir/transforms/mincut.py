"""The minimum cut of a small graph, by augmenting paths (Edmonds and Karp, 1972)."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

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
        while path := self._path(source, sink):
            width = min(self.room[a][b] for a, b in path)
            for a, b in path:
                self.room[a][b] -= width
                self.room[b][a] += width
        side, queue = {sink}, deque([sink])
        while queue:
            node = queue.popleft()
            for before in self.room[node]:
                if before not in side and self.room[before][node] > 0:
                    side.add(before)
                    queue.append(before)
        return side

    def _path(self, source: Node, sink: Node) -> list[tuple[Node, Node]]:
        """A shortest path with room, as edges; empty if there is none."""
        came: dict[Node, Node] = {source: source}
        queue = deque([source])
        while queue and sink not in came:
            node = queue.popleft()
            for following, room in self.room[node].items():
                if room > 0 and following not in came:
                    came[following] = node
                    queue.append(following)
        if sink not in came:
            return []
        path: list[tuple[Node, Node]] = []
        node = sink
        while node != source:
            path.append((came[node], node))
            node = came[node]
        return path
