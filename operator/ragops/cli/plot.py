"""The figure of `ragops simulate --plot`: load and capacity, replicas with the decisions, response times.

Needs matplotlib, the extra `plot`. The HTML page holds the same figure as inline SVG, in which each mark of a
decision tells its reasons on hover.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ragops.cli.comparison import Result
from ragops.scaling.simulation import oracle
from ragops.scaling.simulation.model import Change, Run

WIDTH_INCHES: Final = 13.0
CURVES_INCHES: Final = 2.6
POLICY_INCHES: Final = 1.3
MARGIN_INCHES: Final = 1.5
DPI: Final = 110
POINTS: Final = 1200
"""Of a curve at most: no screen shows more."""
MARKS: Final = 120
"""Of one policy at most: decisions that are closer to each other share a mark."""
MESSAGES: Final = 6
"""Decisions that the tooltip of one mark lists at most."""
HOURS_FROM_SECONDS: Final = 7200
"""From this length on the time axis counts hours."""
# Told apart with any colour vision: Okabe and Ito, "Color Universal Design".
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#666666", "#000000")
STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "svg.fonttype": "none",
    "svg.hashsalt": "ragops",
}
PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>ragops simulate</title>
<style>
body {{ font-family: sans-serif; margin: 1.5em; color: #222 }}
svg {{ max-width: 100%; height: auto }}
svg text {{ font-family: "DejaVu Sans", sans-serif }}
svg [id^="decision-"]:hover {{ stroke: #000; stroke-width: 3; cursor: help }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>Point at a triangle to read what was decided there, and why.</p>
{svg}
</body>
</html>
"""


def draw(results: Sequence[Result]) -> "Plot":
    """One figure of all results, trace by trace."""
    with mpl.rc_context(STYLE):
        return Plot(results)


class Plot:
    """The drawn figure."""

    def __init__(self, results: Sequence[Result]) -> None:
        """`results` are in the order of their traces."""
        by_trace = [list(group) for _, group in groupby(results, key=lambda r: r.run.trace)]
        self._title = ", ".join(group[0].run.trace.name for group in by_trace)
        self._tooltips: dict[str, str] = {}
        heights = [2 * CURVES_INCHES + POLICY_INCHES * len(group) + MARGIN_INCHES for group in by_trace]
        with mpl.rc_context(STYLE):
            self._figure = Figure(figsize=(WIDTH_INCHES, sum(heights)), layout="constrained")
            parts = self._figure.subfigures(len(by_trace), 1, height_ratios=heights, squeeze=False)[:, 0]
            for part, group in zip(parts, by_trace, strict=True):
                self._draw_trace(part, group)

    def save(self, path: Path) -> None:
        """As the file's suffix says: .png or .html. Raises OSError."""
        if path.suffix.lower() == ".html":
            path.write_text(PAGE.format(title=escape(self._title), svg=self._svg()), encoding="utf-8")
        else:
            self._figure.savefig(path, dpi=DPI)

    def _svg(self) -> str:
        """The figure with a tooltip in each mark."""
        buffer = io.BytesIO()
        with mpl.rc_context(STYLE):
            self._figure.savefig(buffer, format="svg", metadata={"Date": None})
        for prefix, uri in (("", "http://www.w3.org/2000/svg"), ("xlink", "http://www.w3.org/1999/xlink")):
            ElementTree.register_namespace(prefix, uri)
        root = ElementTree.fromstring(buffer.getvalue())
        for element in root.iter():
            if text := self._tooltips.get(element.get("id", "")):
                title = ElementTree.Element("{http://www.w3.org/2000/svg}title")
                title.text = text
                element.insert(0, title)
        return ElementTree.tostring(root, encoding="unicode")

    def _draw_trace(self, part: SubFigure, results: Sequence[Result]) -> None:
        trace = results[0].run.trace
        scale = _Scale(trace.ticks)
        axes: Sequence[Axes] = part.subplots(
            len(results) + 2,
            1,
            sharex=True,
            height_ratios=[CURVES_INCHES, *[POLICY_INCHES] * len(results), CURVES_INCHES],
        )
        part.suptitle(f"{trace.name}: {scale.note}", fontsize=11)
        _draw_load(axes[0], results, scale)
        top = max(int((r.run.ready + r.run.pending).max()) for r in results)
        reasons = _Reasons()
        for index, result in enumerate(results):
            ax = axes[index + 1]
            _draw_replicas(ax, result, COLOURS[index % len(COLOURS)], scale)
            self._draw_marks(ax, result.run.changes, scale, reasons)
            ax.set_ylim(0, top * 1.15)
        _draw_response(axes[-1], results, scale)
        axes[-1].set_xlabel(scale.label)
        axes[-1].set_xlim(0, scale.at(trace.ticks))
        part.legend(handles=[*_KEY, *reasons.handles()], loc="outside lower center", ncols=6, frameon=False)

    def _draw_marks(self, ax: Axes, changes: Sequence[Change], scale: "_Scale", reasons: "_Reasons") -> None:
        for group in scale.together(changes):
            largest = max(group, key=lambda change: abs(change.after - change.before))
            gid = f"decision-{len(self._tooltips)}"
            self._tooltips[gid] = _tooltip(group)
            (mark,) = ax.plot(
                scale.at(largest.at),
                largest.after,
                marker="^" if largest.after > largest.before else "v",
                markersize=6,
                color=reasons.colour(largest.reason),
                markeredgecolor="white",
                markeredgewidth=0.5,
                gid=gid,
                clip_on=False,
            )
            mark.set_in_layout(False)  # thousands of them would make the layout slow


@dataclass(frozen=True)
class _Scale:
    """The time axis of a trace, and how much of it one point of a curve stands for."""

    ticks: int

    @property
    def width(self) -> int:
        """Ticks in a point."""
        return -(-self.ticks // POINTS)

    @property
    def label(self) -> str:
        return "hours" if self.ticks > HOURS_FROM_SECONDS else "minutes"

    @property
    def note(self) -> str:
        """What a point shows."""
        if self.width == 1:
            return "each second"
        return f"points of {self.width} s with the highest load and response time, and the mean replicas"

    def at(self, tick: float) -> float:
        """The place of a tick on the axis."""
        return tick / (3600 if self.label == "hours" else 60)

    @property
    def times(self) -> NDArray[np.float64]:
        """The place of each point."""
        return np.array([self.at(tick) for tick in range(0, self.ticks, self.width)])

    def highest(self, values: NDArray[Any]) -> NDArray[Any]:
        """For each point the maximum."""
        return np.maximum.reduceat(values, np.arange(0, self.ticks, self.width))

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """For each point the mean."""
        begins = np.arange(0, self.ticks, self.width)
        counts = np.diff(begins, append=self.ticks)
        means: NDArray[np.float64] = np.add.reduceat(values.astype(np.float64), begins) / counts
        return means

    def together(self, changes: Sequence[Change]) -> Iterator[list[Change]]:
        """The changes that share a mark."""
        width = -(-self.ticks // MARKS)
        for _, group in groupby(changes, key=lambda change: change.at // width):
            yield list(group)


@dataclass
class _Reasons:
    """A colour for each reason of a decision."""

    seen: dict[str, Any] = field(default_factory=dict)

    def colour(self, reason: str) -> Any:
        colours = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
        return self.seen.setdefault(reason, colours[len(self.seen) % len(colours)])

    def handles(self) -> list[Line2D]:
        """Entries of a legend."""
        return [
            Line2D([], [], marker="D", linestyle="none", color=colour, label=reason)
            for reason, colour in self.seen.items()
        ]


_KEY: Final = (
    Line2D([], [], color="black", linewidth=0.8, linestyle=":", label="replicas needed"),
    Line2D([], [], color="#999999", linewidth=5, label="ready and pending"),
    Line2D([], [], marker="^", linestyle="none", color="black", label="scaled up"),
    Line2D([], [], marker="v", linestyle="none", color="black", label="scaled down"),
)


def _draw_load(ax: Axes, results: Sequence[Result], scale: _Scale) -> None:
    run = results[0].run
    ax.fill_between(scale.times, scale.highest(run.arrived), color="#dddddd", step="post", label="load")
    for result, colour in zip(results, _cycle(len(results)), strict=True):
        capacity = scale.mean(result.run.ready) * result.run.parameters.capacity
        ax.step(scale.times, capacity, where="post", color=colour, linewidth=1, label=result.policy)
    ax.set_ylabel("load and capacity\nrequests/s")
    ax.set_ylim(bottom=0)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _cycle(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _draw_replicas(ax: Axes, result: Result, colour: str, scale: _Scale) -> None:
    run: Run = result.run
    ready, total = scale.mean(run.ready), scale.mean(run.ready + run.pending)
    needed = scale.mean(oracle.needed(run.trace, run.parameters))
    ax.fill_between(scale.times, ready, color=colour, alpha=0.35, step="post", linewidth=0)
    ax.fill_between(scale.times, ready, total, color="#999999", step="post", linewidth=0)
    ax.step(scale.times, needed, where="post", color="black", linewidth=0.8, linestyle=":")
    ax.set_ylabel(result.policy)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))


def _draw_response(ax: Axes, results: Sequence[Result], scale: _Scale) -> None:
    for result, colour in zip(results, _cycle(len(results)), strict=True):
        ax.plot(scale.times, scale.highest(result.run.response), color=colour, linewidth=0.9, alpha=0.9)
    slo = results[0].run.parameters.slo
    ax.axhline(slo, color="black", linestyle="--", linewidth=1)
    ax.annotate(f"SLO {slo:g} s", (1, slo), xycoords=("axes fraction", "data"), va="center")
    ax.set_yscale("log")
    ax.set_ylabel("response time\nseconds")


def _tooltip(changes: Sequence[Change]) -> str:
    """One line a decision."""
    lines = [
        f"{timedelta(seconds=c.at)}  {c.before} to {c.after}  {c.reason}: {c.message}"
        for c in changes[:MESSAGES]
    ]
    more = len(changes) - MESSAGES
    return "\n".join([*lines, f"and {more} more"] if more > 0 else lines)
