"""The roots of trouble along the dependencies."""

import pytest

from ragops.health.propagation import roots_of_trouble

CHAIN = {f"s{n}": {f"s{m}" for m in range(n)} for n in range(32)}
DIAMOND = {"top": {"left", "right", "bottom"}, "left": {"bottom"}, "right": {"bottom"}, "bottom": set()}
TWO = {"api": {"db", "llm"}, "db": set(), "llm": set()}


@pytest.mark.parametrize(
    ("graph", "failing", "name", "roots"),
    [
        (CHAIN, {"s0"}, "s31", ("s0",)),
        (CHAIN, {"s0", "s7", "s30"}, "s31", ("s0",)),
        (CHAIN, {"s7", "s30"}, "s31", ("s7",)),
        (CHAIN, {"s7"}, "s6", ()),
        (CHAIN, {"s7"}, "s7", ()),
        (DIAMOND, {"bottom"}, "top", ("bottom",)),
        (DIAMOND, {"bottom", "left", "right"}, "top", ("bottom",)),
        (DIAMOND, {"left", "right"}, "top", ("left", "right")),
        (DIAMOND, {"left"}, "right", ()),
        (TWO, {"llm", "db"}, "api", ("db", "llm")),
        (TWO, set(), "api", ()),
    ],
)
def test_roots(graph: dict[str, set[str]], failing: set[str], name: str, roots: tuple[str, ...]) -> None:
    assert roots_of_trouble(name, graph, failing) == roots
