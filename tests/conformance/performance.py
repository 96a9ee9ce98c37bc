"""One case played on a clock that nobody holds: what is to be done next, by what was seen so far.

Samples come when they come, so a step is played until the decision that it expects has been seen, and a Hold
for as long as it takes in the case once its values have arrived. All decisions count: at the end, nothing may
have been done beside what the steps expect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ragops.api.autoscaling import MetricType

from .cases import Case, Step


class Seen(NamedTuple):
    """A decision as status shows it, and as a step expects it."""

    desired: int
    action: str
    reason: str

    @property
    def acts(self) -> bool:
        """It changes the replicas."""
        return self.action != "Hold"


@dataclass
class Performance:
    """A case under way."""

    case: Case
    decisions: list[Seen] = field(default_factory=list)
    """All that were seen."""
    _met: int = 0
    """Index of the decision that met the last step."""
    _number: int = 0
    _prepared: bool = False
    _arrived_at: float | None = None

    @property
    def is_over(self) -> bool:
        """All steps were seen."""
        return self._number == len(self.case.steps)

    @property
    def step(self) -> Step:
        """The current step; at the end the last one goes on."""
        return self.case.steps[min(self._number, len(self.case.steps) - 1)]

    def observe(self, scaling: Mapping[str, Any]) -> None:
        """Takes in a state of the service's `status.scaling`."""
        seen = Seen(scaling["desired"], scaling["action"], scaling["reason"])
        if self.decisions[-1:] != [seen]:
            self.decisions.append(seen)

    def to_prepare(self) -> Step | None:
        """The current step, once: what a person or a pod does before its sample is to be done now."""
        if self._prepared or self.is_over:
            return None
        self._prepared = True
        return self.step

    def advance(self, arrived: bool, now: float) -> None:
        """Goes on to the next step if it is time. `arrived`: the metrics tell the current step's values;
        `now`: seconds of any clock."""
        if self.is_over:
            return
        if arrived and self._arrived_at is None:
            self._arrived_at = now
        expected = _expected(self.step)
        met = next((i for i, seen in enumerate(self.decisions) if i >= self._met and seen == expected), None)
        if met is not None and (expected.acts or self._has_lasted(now)):
            self._met, self._number = met, self._number + 1
            self._prepared, self._arrived_at = False, None

    def fault(self) -> str | None:
        """In what it was not as the case says; None if it was."""
        expected = [_expected(step) for step in self.case.steps]
        if not self.is_over:
            return f"{self.case.name}: not seen: {expected[self._number]}; seen: {self.decisions}"
        if [seen for seen in self.decisions if seen.acts] != [step for step in expected if step.acts]:
            return f"{self.case.name}: expected: {expected}; seen: {self.decisions}"
        return None

    def _has_lasted(self, now: float) -> bool:
        seconds = (self.step.every or 0) * self.step.times
        return self._arrived_at is not None and now - self._arrived_at >= seconds


def loads(step: Step, pods: int) -> list[dict[MetricType, float]]:
    """What each of so many pods uses during a step, in per cent of its requests; a pod beyond the step's
    values uses nothing."""
    result: list[dict[MetricType, float]] = [{} for _ in range(pods)]
    for metric, values in (step.metrics or {}).items():
        each = values if isinstance(values, list) else [values] * pods
        for load, value in zip(result, each, strict=False):
            if isinstance(value, float):
                load[metric] = value
    return result


def _expected(step: Step) -> Seen:
    expect = step.expect
    assert expect is not None, "checked in Case"
    assert isinstance(expect.desired, int), "checked in Case"
    return Seen(expect.desired, str(expect.action), str(expect.reason))
