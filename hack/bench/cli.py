"""The command line: runs benchmarks, and writes what they give into docs/benchmarks.md."""

import argparse
from collections.abc import Callable, Sequence
from typing import Final

from bench import balance, cost, forecasts, scaling, speed, startup
from bench.page import PAGE, write_section

BENCHMARKS: Final[dict[str, tuple[Callable[[], str], str]]] = {
    "scaling": (scaling.report, "policies of `ragops simulate` on the recorded loads; about two minutes"),
    "forecast": (forecasts.report, "how wrong the forecast of mode Predictive is; seconds"),
    "speed": (speed.report, "from a breach to the accepted request, beside an HPA; about six minutes"),
    "startup": (startup.report, "from apply to all ready, for random dependency graphs; about 18 minutes"),
    "balance": (balance.report, "our load balancing beside others, with failing servers; about 20 minutes"),
    "cost": (cost.report, "CPU and memory of the operator with 300 scaled services; about six minutes"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are named, all of them if none is; returns the exit status."""
    what = "; ".join(f"{name}: {text}" for name, (_, text) in BENCHMARKS.items())
    parser = argparse.ArgumentParser(prog="python hack/bench", description=__doc__, epilog=what)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=", ".join(BENCHMARKS))
    only = "run only the cells of `balance` whose name BALANCER/SCENARIO matches; the page stays as it is"
    parser.add_argument("--only", metavar="PATTERN,...", help=only)
    arguments = parser.parse_args(argv)
    if arguments.only:
        print(balance.partly(arguments.only))
        return 0
    names = arguments.what or list(BENCHMARKS)
    if unknown := [name for name in names if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {unknown[0]!r}; use {', '.join(BENCHMARKS)}")
    for name in names:
        report, _ = BENCHMARKS[name]
        text = report()
        write_section(PAGE, name, text)
        print(f"{text}\nwritten to {PAGE}")
    return 0
