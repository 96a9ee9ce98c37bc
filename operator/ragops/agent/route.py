"""Where connections of one service go while HAProxy is away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragops.gateway.naming import backend_name
from ragops.gateway.runtime import ServerStat
from ragops.resources.variant import Variant


@dataclass(frozen=True)
class Route:
    """The good pods of a service, as `address:port`, by variant."""

    service: str
    share: int
    """Per cent that goes to the candidate."""
    stable: Sequence[str]
    candidate: Sequence[str]

    def order(self, draw: int) -> tuple[Sequence[str], Sequence[str]]:
        """The pods to try first, and those to try after them. `draw`: from 0 to 99.

        As in HAProxy: a variant without pods leaves its requests to the other one, but a candidate whose
        share is 0 gets none.
        """
        if self.share <= 0:
            return self.stable, ()
        return (self.candidate, self.stable) if draw < self.share else (self.stable, self.candidate)

    def __bool__(self) -> bool:
        """Whether there is any pod for it."""
        return any(self.order(0))

    def served(self, stats: Mapping[str, Mapping[str, ServerStat]]) -> bool:
        """Whether an HAProxy with these servers has one for the service. `stats`: by backend and slot."""
        variants = [Variant.STABLE] if self.share <= 0 else list(Variant)
        return any(
            server.up and server.address is not None and server.weight > 0
            for variant in variants
            for server in stats.get(backend_name(self.service, variant), {}).values()
        )
