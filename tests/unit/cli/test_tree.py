"""The tree of dependencies."""

from typing import Any

from ragops.cli.tree import tree

from .objects import six, system


def drawn(services: list[dict[str, Any]]) -> list[str]:
    """The tree as text."""
    spec = system(services).spec
    assert spec is not None
    return [node.guide + node.name + (" again" if node.repeated else "") for node in tree(spec.services)]


def service(name: str, *needs: str, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """A service with dependencies."""
    wanted = [{"name": n} for n in needs] + [{"name": n, "required": False} for n in optional]
    return {"name": name, "type": "Generation", "dependsOn": wanted}


def test_what_follows_from_other_dependencies_is_left_out() -> None:
    assert drawn(six()) == [
        "api",
        "├─ documents",
        "│  └─ embeddings",
        "│     └─ vector-store",
        "├─ retrieval",
        "│  └─ embeddings again",
        "└─ generation",
    ]


def test_several_roots_in_the_order_of_the_spec() -> None:
    assert drawn([service("c"), service("a", "c"), service("b", "c")]) == ["a", "└─ c", "b", "└─ c again"]


def test_optional_dependencies_look_different() -> None:
    assert drawn([service("a", "b", optional=("c",)), service("b"), service("c")]) == ["a", "├─ b", "└┄ c"]


def test_a_required_dependency_does_not_follow_from_an_optional_one() -> None:
    services = [service("a", "c", optional=("b",)), service("b", "c"), service("c")]
    assert drawn(services) == ["a", "├─ c", "└┄ b", "   └─ c again"]
    services = [service("a", "b", optional=("c",)), service("b", optional=("c",)), service("c")]
    assert drawn(services) == ["a", "└─ b", "   └┄ c"]


def test_all_services_of_a_cycle_are_shown() -> None:
    names = {line.split()[-1] for line in drawn([service("a", "b"), service("b", "a"), service("c", "a")])}
    assert {"a", "b", "c"} <= names


def test_a_deep_graph_is_drawn_at_once() -> None:
    """With 32 services, each of which needs all before it, this took seconds without the closure."""
    names = [f"s{i}" for i in range(32)]
    lines = drawn([service(name, *names[:i]) for i, name in enumerate(names)])
    assert len(lines) == 32
