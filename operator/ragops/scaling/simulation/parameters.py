"""The parameters of the workload model."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ragops.scaling.simulation.trace import Trace

MAX_SHARING: Final = 0.98
"""Utilisation above which processor sharing slows a request no further."""
INITIAL_UTILISATION: Final = 0.7
"""Utilisation at which the default initial replicas carry the first step."""
EPSILON: Final = 1e-9
"""Allowance before rounding up and in comparisons with the SLO."""


class ParameterError(ValueError):
    """A parameter that makes no sense: its name, its fault and the mend."""


@dataclass(frozen=True)
class Parameters:
    """The modelled service. Raises ParameterError for the first value that cannot be used."""

    capacity: float = 10.0
    """Requests per second of one replica at 100 % CPU."""
    service_time: float = 0.2
    """Seconds of a request, unloaded."""
    start_up: tuple[float, ...] = (30.0,)
    """Seconds from order to ready, used in turn."""
    timeout: float = 30.0
    """Seconds a request waits before it is dropped."""
    slo: float = 2.0
    """Seconds of response time above which a request is late."""
    min_replicas: int = 1
    """Least replicas that a policy may order."""
    max_replicas: int = 10
    """Most replicas that a policy may order."""
    initial_replicas: int | None = None
    """Replicas that are ready at the start. None: the least that carries the first step at 70 %."""
    sample_seconds: int = 15
    """Seconds between two samples."""

    def __post_init__(self) -> None:
        for fault in self._faults():
            raise ParameterError(fault)

    @property
    def usable(self) -> float:
        """Utilisation at which a request that need not wait takes as long as the SLO allows."""
        return min(MAX_SHARING, 1 - self.service_time / self.slo)

    def initial(self, trace: Trace) -> int:
        """Replicas that are ready at the start of this trace."""
        if self.initial_replicas is not None:
            return self.initial_replicas
        return self.bounded(ceil(trace.rates[0] / (INITIAL_UTILISATION * self.capacity)))

    def bounded(self, replicas: int) -> int:
        """The nearest number of replicas that a policy may order."""
        return min(max(replicas, self.min_replicas), self.max_replicas)

    def _faults(self) -> Iterator[str]:
        for name in ("capacity", "service_time", "timeout", "slo", "sample_seconds"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                yield f"{_words(name)} {value:g} is not above 0; use a number above 0"
        if not self.start_up:
            yield "start-up time is missing; give at least one number of seconds"
        for value in self.start_up:
            if not (math.isfinite(value) and value >= 0):
                yield f"start-up time {value:g} is not 0 or more; use a number of seconds"
        if self.slo <= self.service_time:
            yield (
                f"slo {self.slo:g} is not above the service time {self.service_time:g}, so every request is "
                "late; raise the slo"
            )
        if self.min_replicas < 1:
            yield f"min replicas {self.min_replicas} is too small; use 1 or more"
        if self.max_replicas < self.min_replicas:
            yield (
                f"max replicas {self.max_replicas} is less than min replicas {self.min_replicas}; raise the "
                "one or lower the other"
            )
        if self.initial_replicas is not None and self.initial_replicas < 0:
            yield f"initial replicas {self.initial_replicas} is negative; use 0 or more"


def ceil(value: float) -> int:
    """Rounded up, where a value just above a whole number by rounding errors counts as that number."""
    return math.ceil(value - EPSILON)


def _words(name: str) -> str:
    return name.replace("_", " ")
