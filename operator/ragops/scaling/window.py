"""Samples of one service over time, reduced to what a decision needs."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ragops.scaling.learning import Learned
from ragops.scaling.sample import MAX_VALUE, Reading, Sample, reading

__all__ = ["MAX_VALUE", "Reading", "Sample", "Window", "reading"]


@dataclass(frozen=True)
class Window:
    """The samples of one service, oldest first."""

    samples: tuple[Sample, ...] = ()
    seen_until: datetime | None = None
    """Time of the last complete sample before these; after a takeover, until when the previous leader was
    alive."""
    learned: Learned | None = field(default=None, compare=False)
    """What mode Predictive has learned from all samples so far, these included."""

    def with_sample(
        self, sample: Sample, keep: timedelta, counts: Callable[[Sample], bool] = lambda _: True
    ) -> "Window":
        """The window with one more sample, and without those older than `keep` before it.

        A sample that is not newer than the last one is dropped. Where the clock was set back by more than
        `keep`, the window begins anew. `counts`: whether a sample can bear witness that there was no gap.
        """
        if self.samples and sample.at <= self.samples[-1].at:
            return (
                self if self.samples[-1].at - sample.at <= keep else Window((sample,), learned=self.learned)
            )
        older = [old for old in self.samples if old.at <= sample.at - keep]
        seen_until = next((old.at for old in reversed(older) if counts(old)), self.seen_until)
        return Window((*self.samples[len(older) :], sample), seen_until, self.learned)

    def with_learned(self, learned: Learned) -> "Window":
        """The same samples, and what has been learned by now."""
        return replace(self, learned=learned)
