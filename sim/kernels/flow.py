"""Send as much as the arcs carry, as cheaply as it can be sent: integer minimum-cost maximum flow.

    maximise  v = sum of flow out of the source
    then      minimise  sum over arcs of cost[a] * flow[a],     0 <= flow[a] <= capacity[a], integer
    then      minimise  flow[last arc], flow[last arc - 1], ..., flow[0], one after the other

Successive shortest paths with node potentials (Edmonds & Karp 1972, J. ACM 19: 248-264; Ahuja,
Magnanti & Orlin 1993, *Network Flows*, 9.7); the minimum cut is what the source still reaches in
the last residual graph (Ford & Fulkerson 1956; as interdiction: Wood 1993, Math. Comput. Modelling
17(2): 1-18).

**The answer is unique.** The third line orders the optimal flows completely: two different vectors
differ in a last arc, and the one with less on it wins. Among equals the lower arc number carries
more. It is the limit of adding eps * 2**a to each cost, but is found exactly, so it sets no bound on
the number of arcs: once the flow is cheapest, the potentials tell which arcs may still change (those
of reduced cost zero), and from the last arc to the first as much as possible moves over to a detour of
lower-numbered arcs of the same cost. The numbers of the nodes never matter. It follows that no flow
runs in a circle, even where costs are zero.

Bounds: costs and capacities are not negative, nodes * largest cost < 2**62, and capacities add up to
less than 2**63. All arithmetic is on int64. The functions check no index: the caller does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiled import kernel, part

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

UNREACHED = 2**62


@kernel
def min_cost_max_flow(
    nodes: int, tail: Int, head: Int, capacity: Int, cost: Int, source: int, sink: int
) -> tuple[Int, int]:
    """Return the unique cheapest maximum flow: flow int64[arcs] and its value."""
    first, leaving = _adjacency(nodes, tail, head)
    return _solve(first, leaving, tail, head, capacity, cost, source, sink)


@kernel
def flows_in_turn(
    nodes: int, tail: Int, head: Int, capacity: Int, cost: Int, source: int, sink: int, road: Int, room: Int,
    order: Int, known_capacity: Int, known_flow: Int,
) -> Int:  # fmt: skip
    """Let users share one graph, each in its turn on what those before it left; return int64[cases, users, arcs].

    capacity, of the same shape, is what each user could use alone, and is narrowed to what is left to it. Arc a lies
    on road[a], which has room[road[a]] for all users and all its arcs together; -1: on none, shared with nobody.
    known_*, int64[users, arcs]: problems and their answers (all zero to begin with); the first case replaces them.
    """
    first, leaving = _adjacency(nodes, tail, head)
    flow = np.zeros(capacity.shape, np.int64)
    for case in range(capacity.shape[0]):
        left = room.copy()
        for user in order:
            mine = capacity[case, user]
            for arc in range(tail.size):
                if road[arc] >= 0:
                    mine[arc] = min(mine[arc], left[road[arc]])
            sent = known_flow[user]
            if not _still_best(mine, known_capacity[user], sent):
                sent = _solve(first, leaving, tail, head, mine, cost, source, sink)[0]
            for arc in range(tail.size):  # one by one: for slices numba would compile what to say if they do not fit
                flow[case, user, arc] = sent[arc]
                if case == 0:
                    known_capacity[user, arc], known_flow[user, arc] = mine[arc], sent[arc]
                if road[arc] >= 0:
                    left[road[arc]] -= sent[arc]
    return flow


@kernel
def residual_reach(nodes: int, tail: Int, head: Int, capacity: Int, flow: Int, source: int) -> Bool:
    """Return bool[nodes]: where one more unit could still get to from the source.

    After a maximum flow this is the source's side of a minimum cut: the smallest one, the same
    whichever maximum flow was found.
    """
    first, leaving = _adjacency(nodes, tail, head)
    reached = np.zeros(nodes, np.bool_)
    queue = np.empty(nodes, np.int64)
    queue[0], reached[source], queued = source, True, 1
    done = 0
    while done < queued:
        node = queue[done]
        done += 1
        for i in range(first[node], first[node + 1]):
            arc, backward = leaving[i] // 2, leaving[i] % 2
            room = flow[arc] if backward else capacity[arc] - flow[arc]
            other = tail[arc] if backward else head[arc]
            if room > 0 and not reached[other]:
                reached[other], queue[queued] = True, other
                queued += 1
    return reached


@kernel
def minimum_cut(nodes: int, tail: Int, head: Int, capacity: Int, flow: Int, source: int) -> Int:
    """Return the numbers of the arcs with capacity that lead from the source's side to the other.

    Their capacities add up to the value of the maximum flow: closing them stops it altogether.
    """
    reached = residual_reach(nodes, tail, head, capacity, flow, source)
    cut, count = np.empty(tail.size, np.int64), 0
    for arc in range(tail.size):
        if reached[tail[arc]] and not reached[head[arc]] and capacity[arc] > 0:
            cut[count] = arc
            count += 1
    return cut[:count]


@kernel
def paths_of(nodes: int, tail: Int, head: Int, flow: Int, source: int, sink: int) -> tuple[Int, Int]:
    """Split a flow without circles into paths: units int64[paths], arcs int64[paths, nodes], padded with -1.

    From each node the walk follows the lowest-numbered arc that still carries something, so that the
    same flow always falls into the same paths (at most one an arc).
    """
    first, leaving = _adjacency(nodes, tail, head)
    rest = flow.copy()
    units = np.zeros(flow.size, np.int64)
    arcs = np.empty((flow.size, nodes), np.int64)
    arcs[:] = -1
    paths = 0
    while True:
        node, length, least = source, 0, UNREACHED
        while node != sink:
            onward = -1
            for i in range(first[node], first[node + 1]):
                if leaving[i] % 2 == 0 and rest[leaving[i] // 2] > 0:
                    onward = leaving[i] // 2
                    break
            if onward == -1 or length == nodes:
                break
            arcs[paths, length] = onward
            length += 1
            least = min(least, rest[onward])
            node = head[onward]
        if node != sink or length == 0:
            if length > 0:
                raise ValueError("the flow runs in a circle or ends before the sink")
            return units[:paths], arcs[:paths]
        units[paths] = least
        for i in range(length):
            rest[arcs[paths, i]] -= least
        paths += 1


# A residual arc is numbered 2 * arc along the arc and 2 * arc + 1 against it.


@part
def _adjacency(nodes: int, tail: Int, head: Int) -> tuple[Int, Int]:
    """List the residual arcs leaving node n, by number, as leaving[first[n] : first[n + 1]]."""
    first = np.zeros(nodes + 1, np.int64)
    for arc in range(tail.size):
        first[tail[arc] + 1] += 1
        first[head[arc] + 1] += 1
    for node in range(nodes):
        first[node + 1] += first[node]
    free = first[:-1].copy()
    leaving = np.empty(2 * tail.size, np.int64)
    for arc in range(tail.size):
        leaving[free[tail[arc]]] = 2 * arc
        free[tail[arc]] += 1
        leaving[free[head[arc]]] = 2 * arc + 1
        free[head[arc]] += 1
    return first, leaving


@part
def _still_best(capacity: Int, known_capacity: Int, known_flow: Int) -> bool:
    """Say whether a flow that was best is so again: it still fits, and no other has come in, for nothing has opened."""
    arc = 0
    while arc < capacity.size and known_flow[arc] <= capacity[arc] <= known_capacity[arc]:
        arc += 1
    return arc == capacity.size


@part
def _solve(
    first: Int, leaving: Int, tail: Int, head: Int, capacity: Int, cost: Int, source: int, sink: int
) -> tuple[Int, int]:
    """Fill the cheapest path while there is one; then settle ties."""
    nodes, arcs = first.size - 1, tail.size
    to, room, price = np.empty(2 * arcs, np.int64), np.zeros(2 * arcs, np.int64), np.empty(2 * arcs, np.int64)
    for arc in range(arcs):
        to[2 * arc], to[2 * arc + 1] = head[arc], tail[arc]
        price[2 * arc], price[2 * arc + 1] = cost[arc], -cost[arc]
        room[2 * arc] = capacity[arc]
    potential, distance = np.zeros(nodes, np.int64), np.empty(nodes, np.int64)
    came_by, done = np.empty(nodes, np.int64), np.empty(nodes, np.bool_)
    value = 0
    while source != sink and _cheapest_path(
        first, leaving, to, room, price, potential, source, sink, distance, came_by, done
    ):
        for node in range(nodes):  # keeps every reduced cost >= 0, also where the search did not get to
            potential[node] += min(distance[node], distance[sink])
        value += _push(to, room, came_by, source, sink, UNREACHED)
    _settle_ties(first, leaving, tail, head, to, room, price, potential, came_by, done)
    return room[1::2].copy(), value


@part
def _cheapest_path(
    first: Int, leaving: Int, to: Int, room: Int, price: Int, potential: Int, source: int, sink: int,
    distance: Int, came_by: Int, done: Bool,
) -> bool:  # fmt: skip
    """Search by reduced cost up to the sink (Dijkstra); say whether it can be reached."""
    for node in range(distance.size):
        distance[node], done[node] = UNREACHED, False
    distance[source] = 0
    while True:
        here, near = -1, UNREACHED
        for node in range(distance.size):
            if distance[node] < near and not done[node]:
                here, near = node, distance[node]
        if here == -1 or here == sink:
            return here == sink
        done[here] = True
        for i in range(first[here], first[here + 1]):
            arc = leaving[i]
            if room[arc] > 0:
                there = near + price[arc] + potential[here] - potential[to[arc]]
                if there < distance[to[arc]]:
                    distance[to[arc]], came_by[to[arc]] = there, arc


@part
def _push(to: Int, room: Int, came_by: Int, source: int, sink: int, most: int) -> int:
    """Fill the path found, by no more than `most`; return how much went."""
    amount, node = most, sink
    while node != source:
        amount = min(amount, room[came_by[node]])
        node = to[came_by[node] ^ 1]
    node = sink
    while node != source:
        room[came_by[node]] -= amount
        room[came_by[node] ^ 1] += amount
        node = to[came_by[node] ^ 1]
    return amount


@part
def _settle_ties(
    first: Int, leaving: Int, tail: Int, head: Int, to: Int, room: Int, price: Int, potential: Int,
    came_by: Int, done: Bool,
) -> None:  # fmt: skip
    """Empty each arc, last to first, over detours of the same cost and lower numbers.

    There is no detour where the tight arcs of lower number do not even join the two ends.
    """
    nodes, arcs = first.size - 1, tail.size
    group, queue = np.empty(nodes, np.int64), np.empty(nodes, np.int64)
    for node in range(nodes):
        group[node] = node
    to_settle, count = np.empty(arcs, np.int64), 0
    for arc in range(arcs):
        tight = price[2 * arc] + potential[tail[arc]] - potential[head[arc]] == 0
        if tight and room[2 * arc] + room[2 * arc + 1] > 0:
            one, other = _root(group, tail[arc]), _root(group, head[arc])
            if one != other:
                group[one] = other
            else:  # even if empty now: settling a later arc may fill it
                to_settle[count] = arc
                count += 1
    for i in range(count - 1, -1, -1):
        arc = to_settle[i]
        while room[2 * arc + 1] > 0 and _detour(
            arc, first, leaving, tail, head, to, room, price, potential, came_by, done, queue
        ):
            moved = _push(to, room, came_by, tail[arc], head[arc], room[2 * arc + 1])
            room[2 * arc] += moved
            room[2 * arc + 1] -= moved


@part
def _root(group: Int, node: int) -> int:
    """Return the node that stands for the group of this one, shortening the way to it."""
    while group[node] != node:
        group[node] = group[group[node]]
        node = group[node]
    return node


@part
def _detour(
    arc: int, first: Int, leaving: Int, tail: Int, head: Int, to: Int, room: Int, price: Int,
    potential: Int, came_by: Int, done: Bool, queue: Int,
) -> bool:  # fmt: skip
    """Search breadth first for a way from the arc's tail to its head over tight arcs of lower number."""
    if tail[arc] == head[arc]:
        return False
    done[:] = False
    queue[0], done[tail[arc]], taken, queued = tail[arc], True, 0, 1
    while taken < queued:
        here = queue[taken]
        taken += 1
        for i in range(first[here], first[here + 1]):
            step = leaving[i]
            there = to[step]
            tight = price[step] + potential[here] - potential[there] == 0
            if step // 2 < arc and room[step] > 0 and tight and not done[there]:
                done[there], came_by[there], queue[queued] = True, step, there
                queued += 1
                if there == head[arc]:
                    return True
    return False
