"""A recorded load: requests per second over time."""

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

HEADER: Final = ["t", "rps"]


class TraceError(ValueError):
    """A trace that cannot be used: what is wrong where, and the mend."""


@dataclass(frozen=True)
class Trace:
    """Steps of constant load, one after the other without gaps."""

    name: str
    """What to call it, such as the file's name."""
    seconds: tuple[int, ...]
    """Length of each step, in ticks of a second."""
    rates: tuple[float, ...]
    """Requests per second in each step."""

    @property
    def ticks(self) -> int:
        """Length of the whole trace in seconds."""
        return sum(self.seconds)

    @property
    def peak(self) -> float:
        """The highest rate, in requests per second."""
        return max(self.rates)

    def per_tick(self) -> NDArray[np.float64]:
        """Requests per second in each second; shape (ticks,)."""
        return np.repeat(np.array(self.rates), self.seconds)

    def scaled(self, factor: float) -> "Trace":
        """The same shape at `factor` times the load. Raises TraceError unless it is a number above 0."""
        if not (math.isfinite(factor) and factor > 0):
            raise TraceError(f"scale {factor:g} is not a number above 0; give one, such as 1.5")
        return replace(self, rates=tuple(rate * factor for rate in self.rates))

    def scaled_to_peak(self, requests_per_second: float) -> "Trace":
        """The same shape with this peak. Raises TraceError where there is no load at all."""
        if not self.peak:
            raise TraceError("has no load, so no scale reaches a peak; leave out --peak-replicas")
        return self.scaled(requests_per_second / self.peak)


def read_trace(lines: Iterable[str], name: str, speedup: float = 1) -> Trace:
    """The trace in the lines of a CSV file with the columns `t` (seconds) and `rps` (requests per second).

    A step ends where the next one begins; the last is as long as the one before it. Time counts from the
    first step. `speedup` divides the time axis, not the rates. Raises TraceError naming the line.
    """
    if not (math.isfinite(speedup) and speedup > 0):
        raise TraceError(f"speedup {speedup:g} is not a number above 0; give one, such as 10")
    try:
        rows = list(_rows(lines))
    except (csv.Error, UnicodeDecodeError) as error:
        raise TraceError(f"is not a CSV file ({error}); give one with the columns t,rps") from error
    if len(rows) < 2:
        raise TraceError(
            f"has {len(rows)} steps, but the last step is as long as the one before it; give at least two"
        )
    seconds = [_ticks(begin, end, line, speedup) for (line, begin, _), (_, end, _) in pairwise(rows)]
    return Trace(name, (*seconds, seconds[-1]), tuple(rate for _, _, rate in rows))


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, float, float]]:
    """Line number, t and rps of each step, checked."""
    reader = csv.reader(lines)
    header = next(reader, None)
    if header is None:
        raise TraceError("is empty; give a CSV file with the columns t,rps")
    if [cell.strip().lstrip("\ufeff") for cell in header] != HEADER:
        raise TraceError(f"line 1: {','.join(header)[:60]!r} is not the header; begin the file with 't,rps'")
    previous = -math.inf
    for row in reader:
        if not row:
            continue
        line = reader.line_num
        if len(row) != len(HEADER):
            raise TraceError(f"line {line}: has {len(row)} values; write two, t and rps")
        t, rps = (_number(cell, column, line) for column, cell in zip(HEADER, row, strict=True))
        if t <= previous:
            raise TraceError(
                f"line {line}: t {t:g} is not above {previous:g} of the line before; sort the lines by t and "
                "give each t once"
            )
        if rps < 0:
            raise TraceError(f"line {line}: rps {rps:g} is negative; use 0 where there is no load")
        previous = t
        yield line, t, rps


def _number(text: str, column: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        mend = "remove the line; the step before then lasts on" if column == "rps" else "use seconds"
        raise TraceError(f"line {line}: {column} {text.strip()!r} is not a finite number; {mend}")
    return value


def _ticks(begin: float, end: float, line: int, speedup: float) -> int:
    """The length of a step in whole ticks."""
    seconds = (end - begin) / speedup
    ticks = round(seconds)
    if ticks < 1 or not math.isclose(seconds, ticks, rel_tol=1e-9):
        mend = "use another speedup" if speedup != 1 else "use steps of whole seconds"
        raise TraceError(
            f"line {line}: the step of {end - begin:g} s lasts {seconds:g} ticks of a second at speedup "
            f"{speedup:g}, which is not whole; {mend}"
        )
    return ticks
