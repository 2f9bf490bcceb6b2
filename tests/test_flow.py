"""The cheapest maximum flow, against a linear programme and against a plain version of itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from sim.kernels.flow import flows_in_turn, min_cost_max_flow, minimum_cut, paths_of, residual_reach

often = settings(max_examples=150)


def graph(arcs, nodes=None):
    """Turn (tail, head, capacity, cost) rows into the kernel's arguments, from node 0 to the last node."""
    tail, head, capacity, cost = (np.array(column, np.int64) for column in zip(*arcs, strict=True))
    nodes = nodes or int(max(tail.max(), head.max())) + 1
    return nodes, tail, head, capacity, cost, 0, nodes - 1


def drawn(rng, dearest):
    """Draw a graph with parallel arcs, loops, dead ends, closed arcs and many equal costs."""
    nodes, arcs = rng.integers(2, 14), rng.integers(1, 50)
    ends = rng.integers(0, nodes, (2, arcs))
    return int(nodes), *ends, rng.integers(0, 7, arcs), rng.integers(0, dearest + 1, arcs), 0, int(nodes) - 1


@st.composite
def graphs(draw, dearest=6):
    """Draw small graphs of the same kind, which shrink when a test fails."""
    nodes = draw(st.integers(2, 7))
    node, capacity, cost = st.integers(0, nodes - 1), st.integers(0, 9), st.integers(0, dearest)
    return graph(draw(st.lists(st.tuples(node, node, capacity, cost), min_size=1, max_size=22)), nodes)


def plain(nodes, tail, head, capacity, cost, source, sink):
    """Return the flow that is cheapest when arc a costs 2**a more per 2**arcs of cost: no ties are left.

    Bellman-Ford on Python's unbounded integers, one path after the other.
    """
    arcs = range(len(tail))
    price = [(int(cost[a]) << len(tail)) + (1 << a) for a in arcs]
    flow = [0] * len(tail)
    while True:
        best, came_by = {source: 0}, {}
        for _ in range(nodes):
            for a in arcs:
                t, h = int(tail[a]), int(head[a])
                if flow[a] < capacity[a] and t in best and best[t] + price[a] < best.get(h, np.inf):
                    best[h], came_by[h] = best[t] + price[a], (a, t, +1)
                if flow[a] > 0 and h in best and best[h] - price[a] < best.get(t, np.inf):
                    best[t], came_by[t] = best[h] - price[a], (a, h, -1)
        if sink not in best:
            return flow
        node = sink
        while node != source:
            a, node, way = came_by[node]
            flow[a] += way


def balance(nodes, tail, head, flow):
    """Return what leaves each node less what enters it."""
    out = np.zeros(nodes, np.int64)
    np.add.at(out, tail, flow)
    np.subtract.at(out, head, flow)
    return out


def best_by_linear_programme(nodes, tail, head, capacity, cost, source, sink):
    """Return value and cost of the cheapest maximum flow by HiGHS."""
    arcs = np.arange(len(tail))
    leaves = np.zeros((nodes, len(tail)))
    np.add.at(leaves, (tail, arcs), 1)
    np.subtract.at(leaves, (head, arcs), 1)
    inner = np.delete(leaves, [source, sink], axis=0)
    bounds = np.stack([np.zeros(len(tail)), capacity], axis=1)
    zero = np.zeros(len(inner))
    most = linprog(-leaves[source], A_eq=inner if len(inner) else None, b_eq=zero if len(inner) else None,
                   bounds=bounds, method="highs")  # fmt: skip
    value = round(-most.fun)
    cheapest = linprog(cost, A_eq=np.vstack([inner, leaves[source]]), b_eq=np.append(zero, value),
                       bounds=bounds, method="highs")  # fmt: skip
    return value, round(cheapest.fun)


@often
@given(graphs())
def test_no_more_can_be_sent_and_not_for_less(problem):
    _, _, _, _, cost, _, _ = problem
    flow, value = min_cost_max_flow(*problem)
    assert (value, int(flow @ cost)) == best_by_linear_programme(*problem)


@often
@given(graphs(dearest=2))
def test_the_kernel_agrees_exactly_with_its_plain_version_on_graphs_full_of_ties(problem):
    flow, _ = min_cost_max_flow(*problem)
    assert flow.tolist() == plain(*problem)


@pytest.mark.parametrize("dearest", [0, 1, 3])
def test_the_kernel_agrees_exactly_with_its_plain_version_on_larger_graphs(dearest):
    rng = np.random.default_rng(dearest)
    for _ in range(300):
        problem = drawn(rng, dearest)
        assert min_cost_max_flow(*problem)[0].tolist() == plain(*problem)


@often
@given(graphs())
def test_nothing_is_made_lost_or_forced_through_on_the_way(problem):
    nodes, tail, head, capacity, _, source, sink = problem
    flow, value = min_cost_max_flow(*problem)
    out = balance(nodes, tail, head, flow)
    assert ((flow >= 0) & (flow <= capacity)).all()
    assert out[source] == value
    assert out[sink] == -value
    assert not np.delete(out, [source, sink]).any()


@often
@given(graphs())
def test_closing_the_minimum_cut_stops_exactly_the_flow(problem):
    nodes, tail, head, capacity, cost, source, sink = problem
    flow, value = min_cost_max_flow(*problem)
    cut = minimum_cut(nodes, tail, head, capacity, flow, source)
    assert capacity[cut].sum() == value
    assert (flow[cut] == capacity[cut]).all()
    closed = capacity.copy()
    closed[cut] = 0
    assert min_cost_max_flow(nodes, tail, head, closed, cost, source, sink)[1] == 0


@often
@given(graphs(dearest=2), st.randoms(use_true_random=False))
def test_the_numbers_of_the_nodes_change_nothing(problem, random):
    nodes, tail, head, capacity, cost, source, sink = problem
    name = np.array(random.sample(range(nodes), nodes))
    renamed = min_cost_max_flow(nodes, name[tail], name[head], capacity, cost, name[source], name[sink])
    assert renamed[0].tolist() == min_cost_max_flow(*problem)[0].tolist()


@often
@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_of_the_arcs_changes_nothing_where_no_two_ways_cost_the_same(problem, random):
    nodes, tail, head, capacity, _, source, sink = problem
    distinct = 2 ** np.arange(len(tail))
    order = np.array(random.sample(range(len(tail)), len(tail)))
    flow, value = min_cost_max_flow(nodes, tail, head, capacity, distinct, source, sink)
    other = min_cost_max_flow(nodes, tail[order], head[order], capacity[order], distinct[order], source, sink)
    assert (other[0].tolist(), other[1]) == (flow[order].tolist(), value)


@often
@given(graphs(dearest=1))
def test_paths_add_up_to_the_flow(problem):
    nodes, tail, head, _, _, source, sink = problem
    flow, value = min_cost_max_flow(*problem)
    units, paths = paths_of(nodes, tail, head, flow, source, sink)
    again = np.zeros_like(flow)
    for amount, path in zip(units, paths, strict=True):
        arcs = path[path >= 0]
        assert (tail[arcs[0]], head[arcs[-1]]) == (source, sink)
        assert (head[arcs[:-1]] == tail[arcs[1:]]).all()
        again[arcs] += amount
    assert again.tolist() == flow.tolist()
    assert units.sum() == value


@often
@given(graphs(dearest=1))
def test_compiling_changes_nothing(problem):
    assert min_cost_max_flow.py_func(*problem)[0].tolist() == min_cost_max_flow(*problem)[0].tolist()


@st.composite
def shared(draw):
    """Draw a graph that three users share: what each could use alone in four cases, and roads of several arcs."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    nodes, tail, head, capacity, cost, source, sink = drawn(rng, dearest=3)
    roads = int(rng.integers(1, 6))
    road, room = rng.integers(-1, roads, tail.size), rng.integers(0, 12, roads)
    cases = np.stack([rng.permutation(capacity) for _ in range(12)]).reshape(4, 3, -1)
    cases[1] = np.maximum(0, cases[0] - rng.integers(0, 3, cases[0].shape))  # less of the same
    cases[2, :, :] = cases[0] * (rng.random(tail.size) < 0.8)  # some arcs closed
    return (nodes, tail, head, cases, cost, source, sink, road, room, rng.permutation(3))


def in_turn(nodes, tail, head, capacity, cost, source, sink, road, room, order):
    """Return capacity and flow of every user in every case, each solved by itself."""
    capacity, flow = capacity.copy(), np.zeros_like(capacity)
    for case, user in np.ndindex(capacity.shape[:2]):
        user = order[user]
        left = room.copy()
        for arc in np.flatnonzero(road >= 0):
            left[road[arc]] -= flow[case, :, arc].sum()
        for arc in np.flatnonzero(road >= 0):
            capacity[case, user, arc] = min(capacity[case, user, arc], left[road[arc]])
        flow[case, user], _ = min_cost_max_flow(nodes, tail, head, capacity[case, user], cost, source, sink)
    return capacity, flow


@settings(max_examples=60)
@given(shared())
def test_sharing_a_graph_departs_from_solving_every_case_by_itself(day):
    known = np.zeros_like(day[3][0]), np.zeros_like(day[3][0])
    for first in (day, (*day[:3], day[3][[3, 0, 1, 2]], *day[4:])):  # after nothing, and after a day of other cases
        capacity = first[3].copy()
        flow = flows_in_turn(*first[:3], capacity, *first[4:], *known)
        plain_capacity, plain_flow = in_turn(*first)
        assert flow.tolist() == plain_flow.tolist()
        assert capacity.tolist() == plain_capacity.tolist()
        assert [table.tolist() for table in known] == [capacity[0].tolist(), flow[0].tolist()]


@often
@given(graphs(dearest=2), st.data())
def test_the_cheapest_flow_changes_though_only_what_it_does_not_use_is_closed(problem, data):
    nodes, tail, head, capacity, cost, source, sink = problem
    flow, value = min_cost_max_flow(*problem)
    fewer = np.array(
        [data.draw(st.integers(int(least), int(most))) for least, most in zip(flow, capacity, strict=True)]
    )
    again = min_cost_max_flow(nodes, tail, head, fewer, cost, source, sink)
    assert (again[0].tolist(), again[1]) == (flow.tolist(), value)


def test_the_cheap_way_fills_before_the_dear_one():
    problem = graph([(0, 1, 3, 1), (1, 3, 3, 1), (0, 2, 5, 4), (2, 3, 4, 4)])
    flow, value = min_cost_max_flow(*problem)
    assert (flow.tolist(), value) == ([3, 3, 4, 4], 7)


def test_an_early_choice_is_taken_back_where_more_gets_through_that_way():
    # The cheapest path 0-1-2-3 must be undone: both units pass only over 0-1-3 and 0-2-3.
    flow, value = min_cost_max_flow(*graph([(0, 1, 1, 1), (0, 2, 1, 9), (1, 2, 1, 1), (1, 3, 1, 9), (2, 3, 1, 1)]))
    assert (flow.tolist(), value) == ([1, 1, 0, 1, 1], 2)


def test_the_known_maximum_of_a_textbook_network_is_found():
    # Cormen, Leiserson, Rivest & Stein, Introduction to Algorithms, 3rd ed., figure 26.1: 23.
    into = [(0, 1, 16), (0, 2, 13), (2, 1, 4), (1, 3, 12), (3, 2, 9), (2, 4, 14)]
    problem = graph([(*arc, 1) for arc in [*into, (4, 3, 7), (3, 5, 20), (4, 5, 4)]])
    nodes, tail, head, capacity, _, source, _ = problem
    flow, value = min_cost_max_flow(*problem)
    assert value == 23
    assert minimum_cut(nodes, tail, head, capacity, flow, source).tolist() == [3, 6, 8]
    assert np.flatnonzero(residual_reach(nodes, tail, head, capacity, flow, source)).tolist() == [0, 1, 2, 4]


@pytest.mark.parametrize("first", [0, 1])
def test_among_equal_ways_the_lower_arc_is_used(first):
    ways = [(0, 1, 2, 5), (1, 3, 2, 5)], [(0, 2, 2, 4), (2, 3, 2, 6)]
    flow, _ = min_cost_max_flow(*graph([*ways[first], *ways[1 - first], (3, 4, 2, 0)]))
    assert flow.tolist() == [2, 2, 0, 0, 2]


def test_nothing_runs_in_a_circle_even_for_free():
    problem = graph([(0, 1, 5, 0), (1, 2, 5, 0), (2, 1, 5, 0), (1, 3, 2, 0), (2, 3, 1, 0)])
    flow, _ = min_cost_max_flow(*problem)
    assert flow.tolist() == [3, 1, 0, 2, 1]


def test_a_sink_off_every_arc_gets_nothing():
    nodes, tail, head, capacity, cost, source, sink = graph([(0, 1, 5, 1)], nodes=3)
    flow, value = min_cost_max_flow(nodes, tail, head, capacity, cost, source, sink)
    assert (flow.tolist(), value) == ([0], 0)
    assert minimum_cut(nodes, tail, head, capacity, flow, source).size == 0


def test_a_flow_that_runs_in_a_circle_is_refused_by_the_split_into_paths():
    nodes, tail, head, _, _, source, sink = graph([(0, 1, 1, 0), (1, 2, 1, 0), (2, 1, 1, 0)], nodes=4)
    with pytest.raises(ValueError, match="circle"):
        paths_of(nodes, tail, head, np.ones(3, np.int64), source, sink)


def test_large_capacities_and_costs_stay_exact():
    most, dear = 2**60, 2**57
    problem = graph([(0, 1, most, dear), (0, 1, most, dear + 1), (1, 2, most + 1, 0)])
    flow, value = min_cost_max_flow(*problem)
    assert (flow.tolist(), value) == ([most, 1, most + 1], most + 1)
