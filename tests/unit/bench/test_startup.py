"""Random graphs and their longest paths."""

import random

import pytest
from bench.startup import DELAY_MS, GRAPHS, NEEDS, SERVICES, Node, critical_seconds, one_by_one, random_graph

DIAMOND = (
    Node("a", 1000),
    Node("b", 2000, ("a",)),
    Node("c", 3500, ("a",)),
    Node("d", 500, ("b", "c")),
    Node("alone", 4000),
)


def test_the_longest_path_counts() -> None:
    assert critical_seconds(DIAMOND) == 5
    assert critical_seconds((*DIAMOND, Node("late", 6000))) == 6


def test_one_by_one_takes_the_sum() -> None:
    assert critical_seconds(one_by_one(DIAMOND)) == 11
    assert [node.needs for node in one_by_one(DIAMOND)][:3] == [(), ("a",), ("b",)]


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_random_graphs_can_be_started(seed: int) -> None:
    graph = random_graph(random.Random(seed))
    assert graph == random_graph(random.Random(seed))
    assert SERVICES[0] <= len(graph) <= SERVICES[1]
    earlier: set[str] = set()
    for node in graph:
        assert set(node.needs) <= earlier
        assert len(set(node.needs)) == len(node.needs) <= NEEDS
        assert DELAY_MS[0] <= node.delay_ms <= DELAY_MS[1]
        earlier.add(node.name)
