"""A fleet that never changes, for comparison."""

from dataclasses import dataclass
from typing import ClassVar

from ragops.scaling.simulation.model import Order, View


@dataclass(frozen=True)
class Fixed:
    """Always this many replicas."""

    initial: int
    interval: ClassVar = 3600

    def decide(self, view: View) -> Order | None:  # noqa: ARG002 - whatever it sees
        """Nothing to do."""
        return None
