"""The picture of the load-balancing benchmark: the share of good requests second by second."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from ragops.cli.plot import COLOURS, DPI, STYLE

if TYPE_CHECKING:
    from bench.balance import Cell

DRAWN: Final = (
    "response-time",
    "response-time-retries",
    "least-connections",
    "haproxy-roundrobin",
    "haproxy-leastconn",
    "haproxy-random",
    "peak-ewma",
)
INCHES: Final = (10.0, 6.0)
COLUMNS: Final = 3


def good_by_second(figures: Mapping[str, Any]) -> list[float]:
    """Per cent, of the requests due in each second. A second without one is good."""
    return [100 * s["good"] / s["requests"] if s["requests"] else 100.0 for s in figures["series"]]


def draw(cells: "Sequence[Cell]", path: Path) -> None:
    """One panel for each scenario, one line for each balancer."""
    scenarios = list(dict.fromkeys(cell.scenario.name for cell in cells))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=INCHES, layout="constrained")
        rows = -(-len(scenarios) // COLUMNS)
        panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, name in zip(panels, scenarios, strict=False):
            for cell in cells:
                if cell.scenario.name == name and cell.balancer.name in DRAWN:
                    number = DRAWN.index(cell.balancer.name)
                    good = good_by_second(cell.figures)
                    panel.plot(
                        good, color=COLOURS[number], linewidth=1.2, label=cell.balancer.title.replace("`", "")
                    )
                    panel.set_title(cell.scenario.title, fontsize=9)
            panel.set_ylim(-3, 103)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        for panel in panels[-COLUMNS:]:
            panel.set_xlabel("second", fontsize=9)
        figure.supylabel("good requests, %", fontsize=9)
        figure.savefig(path, dpi=DPI)
