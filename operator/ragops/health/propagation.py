"""Trouble along the dependencies: which failing services are at the root of it."""

from collections.abc import Mapping, Set

Upstreams = Mapping[str, Set[str]]
"""By service: all that it depends on, directly or not."""


def roots_of_trouble(name: str, upstreams: Upstreams, failing: Set[str]) -> tuple[str, ...]:
    """The failing services upstream of `name` that have no failing service upstream of themselves, sorted.

    In a chain a → b → c with b and c failing, the root for a is c alone.
    """
    above = upstreams[name] & failing
    return tuple(sorted(root for root in above if not upstreams[root] & failing))
