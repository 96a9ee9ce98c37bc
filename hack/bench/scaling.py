"""The policies of `ragops simulate` on the recorded loads: a table of all, and a plot of each load."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Final

from PIL import Image

from bench.page import IMAGES, ROOT, table
from ragops.cli.comparison import Result, compare, named, read_traces
from ragops.cli.plot import Plot
from ragops.scaling.simulation import catalog
from ragops.scaling.simulation.parameters import Parameters
from ragops.scaling.simulation.trace import Trace

SPEEDUPS: Final = {"azure-llm-conv": 1.0, "nab-elb": 10.0, "servegen-m-large": 10.0}
PARAMETERS: Final = Parameters(max_replicas=20)
PEAK_REPLICAS: Final = 10
WISHED: Final = 1.9
"""Mean J that mode Predictive was meant to reach."""
DRAWN: Final = ("predictive", "hpa", "oracle")
COLOURS: Final = 128
"""Of a picture: its file is a third of one with all colours, and looks the same."""
PIXELS: Final = 1100
"""Width of a picture at most."""


def report() -> str:
    """Runs all: the table, the plots, and the command for each load."""
    results, hindsight = _results(), _hindsight()
    by_trace = {name: [r for r in results if r.run.trace.name == name] for name in SPEEDUPS}
    for name, found in by_trace.items():
        _draw(found, IMAGES / f"scaling-{name}.png")
    return "\n\n".join(
        (
            _comparison(by_trace, hindsight),
            "One load alone, with more figures: " + _command("nab-elb") + ".",
            *(f"![{name}](images/scaling-{name}.png)" for name in by_trace),
        )
    )


def loads() -> list[Trace]:
    """The recorded loads, at the scale and speed of the comparison."""
    paths = [_path(name) for name in SPEEDUPS]
    traces = read_traces(paths, list(SPEEDUPS.values()))
    return [trace.scaled_to_peak(PEAK_REPLICAS * PARAMETERS.capacity) for trace in traces]


def _path(name: str) -> Path:
    return ROOT / "tests" / "data" / "traces" / f"{name}.csv"


def _command(name: str) -> str:
    path = _path(name).relative_to(ROOT)
    options = f"--speedup {SPEEDUPS[name]:g} --peak-replicas {PEAK_REPLICAS}"
    return f"`ragops simulate --trace {path} {options} --max-replicas {PARAMETERS.max_replicas}`"


def _results() -> list[Result]:
    return list(compare(loads(), named(catalog.NAMES, PARAMETERS, {}, None), PARAMETERS))


def _hindsight() -> dict[str, Result]:
    """For each load the fixed number of replicas that would have been best."""
    sizes = [f"fixed:{number}" for number in range(1, PARAMETERS.max_replicas + 1)]
    best: dict[str, Result] = {}
    for result in compare(loads(), named(sizes, PARAMETERS, {}, None), PARAMETERS):
        name = result.run.trace.name
        best[name] = min(best.get(name, result), result, key=lambda r: r.figures.j)
    return best


def _comparison(by_trace: dict[str, list[Result]], hindsight: dict[str, Result]) -> str:
    header = ["policy", *(f"{name}: late %, times oracle, J, actions" for name in by_trace), "mean J"]
    policies = [r.policy for r in next(iter(by_trace.values()))]
    rows = [
        _row(f"`{policy}`", [next(r for r in found if r.policy == policy) for found in by_trace.values()])
        for policy in policies
    ]
    sizes = ", ".join(best.policy.removeprefix("fixed:") for best in hindsight.values())
    rows.append(_row(f"fixed at {sizes}: best in hindsight", list(hindsight.values())))
    rows.append(["wished of `predictive`", *("" for _ in by_trace), f"{WISHED}"])
    return table(header, rows)


def _row(title: str, results: Sequence[Result]) -> list[str]:
    figures = [result.figures for result in results]
    cells = [f"{100 * f.violations:.2f}, {f.oracle_ratio:.2f}, **{f.j:.2f}**, {f.actions}" for f in figures]
    return [title, *cells, f"**{fmean(f.j for f in figures):.2f}**"]


def _draw(results: Iterable[Result], path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    Plot([result for result in results if result.policy in DRAWN]).save(path)
    with Image.open(path) as image:
        plain = image.convert("RGB")
    plain.thumbnail((PIXELS, plain.height))
    small = plain.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
