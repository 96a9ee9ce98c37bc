"""`ragops simulate`: policies on a recorded load, compared by the same figures."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Annotated, Final, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from ragops.cli.comparison import (
    Result,
    compare,
    field,
    named,
    numbers,
    of_object,
    policy_in,
    read_traces,
)
from ragops.scaling.simulation import catalog
from ragops.scaling.simulation.parameters import Parameters
from ragops.scaling.simulation.trace import Trace

DEFAULTS: Final = Parameters()
TABLE_WIDTH: Final = 100
PLOT_SUFFIXES: Final = (".png", ".html")

_Traces = Annotated[
    list[Path], typer.Option("--trace", help="CSV t,rps: seconds, mean requests/s from then on. Repeatable.")
]
_Policies = Annotated[
    list[str],
    typer.Option("--policy", help=f"{', '.join(catalog.NAMES)} or fixed:N; several by commas, or repeated."),
]
_Scale = Annotated[float | None, typer.Option(help="Multiplies the load.")]
_Peak = Annotated[
    float | None, typer.Option(help="Scales the load so that its peak needs this many replicas at 100 %.")
]
_Speedup = Annotated[
    str, typer.Option(help="Divides the time axis, not the load: one for all traces, or one each, by commas.")
]
_Capacity = Annotated[float, typer.Option(help="Requests/s that one replica serves at 100 % CPU.")]
_ServiceTime = Annotated[float, typer.Option(help="Seconds of a request, unloaded.")]
_StartUp = Annotated[
    str,
    typer.Option("--start-up", "--startup", help="Seconds from order to ready; several, by commas, in turn."),
]
_Timeout = Annotated[float, typer.Option(help="Seconds a request waits before it is dropped.")]
_Slo = Annotated[float, typer.Option(help="Seconds of response time above which a request is late.")]
_Min = Annotated[
    int | None,
    typer.Option("--min-replicas", "--min", help=f"Lower bound. Default: {DEFAULTS.min_replicas}."),
]
_Max = Annotated[
    int | None,
    typer.Option("--max-replicas", "--max", help=f"Upper bound. Default: {DEFAULTS.max_replicas}."),
]
_Initial = Annotated[
    int | None,
    typer.Option(
        "--initial-replicas",
        "--initial",
        help="Ready at the start. Default: the least that carries the first step at 70 %.",
    ),
]
_Sample = Annotated[
    int | None,
    typer.Option(help=f"Seconds between two samples. Default: {DEFAULTS.sample_seconds}."),
]
_Memory = Annotated[
    float | None, typer.Option(help="Per cent of memory in use, constantly. Without it Memory is left out.")
]
_Target = Annotated[
    float | None, typer.Option(help="targetViolationPercent: the share of requests that may be late.")
]
_Stability = Annotated[int | None, typer.Option(help="stabilitySeconds of our policies.")]
_Cooldown = Annotated[int | None, typer.Option(help="cooldownSeconds of our policies.")]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value: any other field of autoscaling, the value in YAML. Repeatable."),
]
_Object = Annotated[
    Path | None,
    typer.Option(
        help="YAML of a RAGDeployment: the policy of its service is compared too, as `object`. Bounds and "
        "seconds between samples are its own unless given here."
    ),
]
_Service = Annotated[str | None, typer.Option(help="The service of --from-object, if it scales several.")]
_Json = Annotated[bool, typer.Option("--json", help="Print a JSON list, an object per policy and trace.")]
_Plots = Annotated[
    list[Path] | None, typer.Option("--plot", help="Draw it all into a .png or .html file. Repeatable.")
]
_T = TypeVar("_T")


def command(
    trace: _Traces,
    policy: _Policies = list(catalog.NAMES),  # noqa: B006 - typer reads it, nobody changes it
    scale: _Scale = None,
    peak_replicas: _Peak = None,
    speedup: _Speedup = "1",
    capacity: _Capacity = DEFAULTS.capacity,
    service_time: _ServiceTime = DEFAULTS.service_time,
    start_up: _StartUp = "30",
    timeout: _Timeout = DEFAULTS.timeout,
    slo: _Slo = DEFAULTS.slo,
    min_replicas: _Min = None,
    max_replicas: _Max = None,
    initial_replicas: _Initial = None,
    sample_seconds: _Sample = None,
    memory: _Memory = None,
    target_violation_percent: _Target = None,
    stability_seconds: _Stability = None,
    cooldown_seconds: _Cooldown = None,
    overrides: _Set = None,
    from_object: _Object = None,
    service: _Service = None,
    as_json: _Json = False,
    plot: _Plots = None,
) -> None:
    """Compare scaling policies on a recorded load, without a cluster.

    The policies predictive, proportional and step are decided by the very code that the operator runs.
    """
    try:
        _check_plots(plot or ())
        given = policy_in(from_object, service) if from_object else None
        common = given or DEFAULTS
        parameters = Parameters(
            capacity=capacity,
            service_time=service_time,
            start_up=numbers(start_up, "--start-up"),
            timeout=timeout,
            slo=slo,
            min_replicas=_first(min_replicas, common.min_replicas),
            max_replicas=_first(max_replicas, common.max_replicas),
            initial_replicas=initial_replicas,
            sample_seconds=_first(sample_seconds, common.sample_seconds),
        )
        fields = dict(field(text) for text in overrides or ())
        options = {
            "targetViolationPercent": target_violation_percent,
            "stabilitySeconds": stability_seconds,
            "cooldownSeconds": cooldown_seconds,
        }
        fields |= {name: value for name, value in options.items() if value is not None}
        contenders = named(policy, parameters, fields, memory)
        if given is not None:
            contenders.insert(0, of_object(given, parameters, memory))
        loads = [
            _scaled(load, scale, peak_replicas, capacity)
            for load in read_traces(trace, numbers(speedup, "--speedup"))
        ]
        results = list(compare(loads, contenders, parameters))
        _draw(results, plot or ())
    except (ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        rows = [{"trace": r.run.trace.name, "policy": r.policy, **asdict(r.figures)} for r in results]
        typer.echo(json.dumps(rows, indent=2))
    else:
        _print(results)


def _first(given: _T | None, default: _T) -> _T:
    return default if given is None else given


def _scaled(trace: Trace, scale: float | None, peak_replicas: float | None, capacity: float) -> Trace:
    if peak_replicas is None:
        return trace if scale is None else trace.scaled(scale)
    if scale is not None:
        raise ValueError("--scale and --peak-replicas contradict each other; give one of them")
    return trace.scaled_to_peak(peak_replicas * capacity)


def _check_plots(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.suffix.lower() not in PLOT_SUFFIXES:
            raise ValueError(f"--plot {path} ends neither in .png nor in .html; rename it")
        if not path.parent.is_dir():
            raise ValueError(f"--plot {path}: there is no directory {path.parent}; create it")


def _draw(results: Sequence[Result], paths: Sequence[Path]) -> None:
    if not paths:
        return
    try:
        from ragops.cli.plot import Plot  # the extra may not be installed
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "matplotlib":
            raise
        raise ValueError("--plot needs matplotlib; install it with: pip install 'ragops[plot]'") from error
    drawn = Plot(results)
    for path in paths:
        drawn.save(path)


def _print(results: Sequence[Result]) -> None:
    """A table for each trace, and one of the means over several traces."""
    console = Console(width=TABLE_WIDTH, highlight=False)
    traces = {r.run.trace.name: r.run.trace for r in results}
    for trace in traces.values():
        console.print(_table(trace, [r for r in results if r.run.trace is trace]))
    if len(traces) > 1:
        console.print(_summary(traces, results))


def _table(trace: Trace, results: Iterable[Result]) -> Table:
    table = _empty_table(f"{trace.name}: {trace.ticks / 3600:.1f} h, peak {trace.peak:.1f} requests/s")
    for header in ("late\n%", "pod-\nhours", "times\noracle", "\nJ", "\nactions", "rever-\nsals"):
        table.add_column(header, justify="right", no_wrap=True)
    for header in ("under\n% time", "longest\nunder s", "p95\ns", "p99\ns"):
        table.add_column(header, justify="right", no_wrap=True)
    for result in results:
        f = result.figures
        table.add_row(
            result.policy,
            f"{100 * f.violations:.2f}",
            f"{f.pod_hours:.1f}",
            f"{f.oracle_ratio:.2f}",
            f"[bold]{f.j:.2f}[/bold]",
            str(f.actions),
            str(f.reversals),
            f"{100 * f.tau_u:.1f}",
            str(f.longest_under_seconds),
            f"{f.p95_response_seconds:.2f}",
            f"{f.p99_response_seconds:.2f}",
        )
    return table


def _summary(traces: Iterable[str], results: Sequence[Result]) -> Table:
    table = _empty_table("J by trace")
    for header in (*traces, "mean"):
        table.add_column(header, justify="right")
    for policy in dict.fromkeys(r.policy for r in results):
        scores = [r.figures.j for r in results if r.policy == policy]
        table.add_row(policy, *(f"{j:.2f}" for j in scores), f"[bold]{fmean(scores):.2f}[/bold]")
    return table


def _empty_table(title: str) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True
    )
    table.add_column("policy", no_wrap=True, vertical="bottom")
    return table
