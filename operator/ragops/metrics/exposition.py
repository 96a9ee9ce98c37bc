"""What a Prometheus endpoint exposes, of those metrics that are wanted.

Source: Prometheus documentation, Exposition formats; OpenMetrics 1.0. Sample lines of the two differ only
behind the value, in timestamps and exemplars, which are of no use here.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from ragops.metrics.source import MissingReason, SourceError

MAX_BYTES: Final = 1 << 20
"""Of one answer."""
MAX_LINES: Final = 1000
"""Of the wanted metrics, one a series. A histogram of the reference images has 17 a route."""
MAX_LINE: Final = 1024
"""Bytes of one line."""
MAX_WANTED_BYTES: Final = 1 << 17
"""Bytes of all lines of the wanted metrics: reading them must not hold up the event loop."""

# Possessive: a hostile line costs one pass over it. Labels may hold any character between their quotes.
_SAMPLE: Final = re.compile(
    r'[ \t]*+(?P<series>[a-zA-Z_:][a-zA-Z0-9_:]*+[ \t]*+(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*+")*+\})?)[ \t]*+'
    r"(?P<value>[^ \t]++)"
)


class Series(NamedTuple):
    """The identity of a series."""

    name: str
    labels: frozenset[tuple[str, str]]

    def label(self, name: str) -> str | None:
        """The value of a label."""
        return dict(self.labels).get(name)


@dataclass(frozen=True)
class Exposition:
    """The wanted part of one answer."""

    values: Mapping[Series, float] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    """Of the samples; of a metric that is announced but has no series yet, its name without suffix."""

    def exposes(self, name: str) -> bool:
        """Whether there are samples of this name, or there will be."""
        return name in self.names or _family(name) in self.names


def parse(body: bytes, wanted: Collection[str]) -> Exposition:
    """The samples of the `wanted` names, which are names of samples: a histogram's with its suffixes.

    Raises SourceError where a wanted line cannot be read or there are too many of them. Other lines are
    passed over, whatever they are.
    """
    if len(body) > MAX_BYTES:
        raise SourceError(MissingReason.TOO_LARGE, f"more than {MAX_BYTES >> 20} MiB of metrics")
    values: dict[Series, float] = {}
    announced = set()
    size = 0
    for number, line in enumerate(_lines(body, wanted)):
        size += len(line)
        if number == MAX_LINES or size > MAX_WANTED_BYTES:
            limit = f"{MAX_LINES} lines, or {MAX_WANTED_BYTES >> 10} KiB,"
            why = f"more than {limit} of the metrics that are needed"
            raise SourceError(MissingReason.TOO_LARGE, why)
        if line.lstrip().startswith("#"):
            announced.add(line.split()[2])
            continue
        series, value = _sample(line)
        values[series] = value
    names = frozenset(series.name for series in values)
    return Exposition(values, names | (announced - set(map(_family, names))))


def _lines(body: bytes, wanted: Collection[str]) -> Iterator[str]:
    """The lines of interest, found without looking at each of the others in Python."""
    for found in _pattern(frozenset(wanted)).finditer(body):
        if found.end() - found.start() > MAX_LINE:
            raise SourceError(MissingReason.TOO_LARGE, f"a line of more than {MAX_LINE} bytes")
        try:
            yield found[0].decode()
        except UnicodeDecodeError as error:
            raise SourceError(MissingReason.MALFORMED, "metrics that are not UTF-8") from error


@lru_cache(maxsize=256)
def _pattern(wanted: frozenset[str]) -> re.Pattern[bytes]:
    # The line that tells of a metric before its first series has the name without suffix.
    names = "|".join(map(re.escape, sorted(wanted | set(map(_family, wanted)))))
    return re.compile(rf"^[ \t]*+(?:#[ \t]++TYPE[ \t]++)?(?:{names})[ \t{{][^\n]*+".encode(), re.MULTILINE)


def _sample(line: str) -> tuple[Series, float]:
    try:
        found = _SAMPLE.match(line)
        if found is None or "_" in found["value"]:
            raise ValueError
        return _series(found["series"]), float(found["value"])
    except (ValueError, IndexError) as error:  # the parser's own, on different malformed lines
        raise SourceError(MissingReason.MALFORMED, "metrics that cannot be read") from error


def _family(name: str) -> str:
    return re.sub("_(total|sum|count|bucket)$", "", name)


@lru_cache(maxsize=4096)
def _series(text: str) -> Series:
    """Name and labels. Kept, since they are the same in each sample and for each pod, and slow to parse."""
    (family,) = text_string_to_metric_families(f"{text} 0")
    (sample,) = family.samples
    return Series(sample.name, frozenset(sample.labels.items()))
