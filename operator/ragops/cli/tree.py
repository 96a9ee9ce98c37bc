"""The services as a tree along their dependencies: below each service, what it needs.

A dependency that another one of the service needs anyway is left out, as in the Hasse diagram of the graph.
What several services need is shown in full below the first of them, by name alone below the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ragops.api.service import ServiceSpec

BRANCH: Final = "├─ "
LAST_BRANCH: Final = "└─ "
OPTIONAL: Final = str.maketrans("─", "┄")
TRUNK: Final = "│  "
GAP: Final = "   "


@dataclass(frozen=True)
class Node:
    """One line of the tree."""

    name: str
    guide: str = ""
    """The lines that lead to the name."""
    below: str = ""
    """What goes on with those lines one row further down, beside a note."""
    repeated: bool = False
    """It was shown before, with all that it needs."""


def tree(services: Sequence[ServiceSpec]) -> tuple[Node, ...]:
    """The lines, from the services that nobody needs downwards. `services` are resolved.

    Every service is in it, also those of a cycle, which the operator does not accept.
    """
    needs = _reduced({s.name: {d.name: d.required for d in s.depends_on or ()} for s in services})
    needed = {name for upstream in needs.values() for name in upstream}
    shown: set[str] = set()
    nodes: list[Node] = []
    for root in sorted(needs, key=lambda name: name in needed):
        if root not in shown:
            nodes += _nodes(root, needs, shown, "", "")
    return tuple(nodes)


def _nodes(
    name: str, needs: Mapping[str, Mapping[str, bool]], shown: set[str], guide: str, indent: str
) -> Iterator[Node]:
    """A service and what it needs. `indent`: the lines of the services above, in the rows after this one."""
    if name in shown:
        yield Node(name, guide, indent, repeated=True)
        return
    shown.add(name)
    below = list(needs[name].items())
    yield Node(name, guide, indent + (TRUNK if below else ""))
    for position, (upstream, required) in enumerate(below, start=1):
        last = position == len(below)
        branch = LAST_BRANCH if last else BRANCH
        yield from _nodes(
            upstream,
            needs,
            shown,
            indent + (branch if required else branch.translate(OPTIONAL)),
            indent + (GAP if last else TRUNK),
        )


def _reduced(needs: Mapping[str, Mapping[str, bool]]) -> dict[str, dict[str, bool]]:
    """Without the dependencies that follow from others: an optional one from any, a required one from
    required ones alone. Unknown services are left out."""
    known = {name: {n: r for n, r in upstream.items() if n in needs} for name, upstream in needs.items()}
    reach = {required: _closure(known, required) for required in (True, False)}

    def follows(name: str, upstream: str, required: bool) -> bool:
        others = (n for n, r in known[name].items() if n != upstream and (r or not required))
        return any(upstream in reach[required][other] for other in others)

    return {
        name: {n: required for n, required in upstream.items() if not follows(name, n, required)}
        for name, upstream in known.items()
    }


def _closure(needs: Mapping[str, Mapping[str, bool]], required_only: bool) -> dict[str, set[str]]:
    """What each service needs, directly or not."""
    closure: dict[str, set[str]] = {}
    for name in needs:
        found: set[str] = set()
        pending = [name]
        while pending:
            upstream = needs[pending.pop()].items()
            new = {n for n, required in upstream if required or not required_only} - found
            found |= new
            pending.extend(new)
        closure[name] = found
    return closure
