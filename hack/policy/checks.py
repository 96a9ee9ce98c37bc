"""What is checked, and how the outcome is told: one line each, and the tool's own words where one fails."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from cluster.errors import ClusterError
from cluster.run import run

from policy.render import CHART, ROOT, helm, render_chart, render_manifests, write_manifests
from policy.tools import Conform, score

_VALUES = Path(__file__).resolve().parent / "values"
_CHILDREN = "children"


class Report:
    """Runs checks, prints each outcome, and remembers whether all went well."""

    def __init__(self) -> None:
        self._failed = 0

    def check(self, name: str, action: Callable[[], None]) -> None:
        """Run one check. It fails by raising ClusterError; the others run all the same."""
        try:
            action()
        except ClusterError as error:
            self._failed += 1
            print(f"FAIL {name}\n{error}\n")
        else:
            print(f"ok   {name}")

    def status(self) -> int:
        """The exit status: 0 when every check passed, else 1."""
        if self._failed:
            print(f"{self._failed} check(s) failed", file=sys.stderr)
        return int(self._failed > 0)


def check_project() -> int:
    """Check the chart with every file of values, the manifests, the examples and what comes of them.

    Returns the exit status. Raises ClusterError when a tool is missing and cannot be built.
    """
    report = Report()
    with Conform.with_schemas() as conform:
        _check_chart(report, conform, "default values", "default")
        for values in sorted(_VALUES.glob("*.yaml")):
            _check_chart(report, conform, f"values/{values.name}", values.stem, "-f", values)
        report.check("manifests: as the chart renders them", partial(write_manifests, check=True))
        report.check("manifests: kubeconform", lambda: conform(render_manifests()))
        for path in sorted((ROOT / "crds").glob("*.yaml")):
            report.check(f"crds/{path.name}: kubeconform", partial(conform, path.read_text()))
        for path in sorted((ROOT / "examples").glob("*.yaml")):
            _check_example(report, conform, path)
    return report.status()


def check_children(text: str) -> int:
    """Check objects that the operator creates; returns the exit status."""
    report = Report()
    with Conform.with_schemas() as conform:
        report.check("kubeconform", partial(conform, text))
        report.check("kube-score", partial(score, text, _CHILDREN))
    return report.status()


def _check_chart(report: Report, conform: Conform, name: str, scope: str, *values: str | Path) -> None:
    def lint() -> None:
        run([helm(), "lint", "--strict", "--quiet", CHART, *values])

    report.check(f"chart, {name}: helm lint", lint)
    report.check(f"chart, {name}: kubeconform", lambda: conform(render_chart(*values)))
    report.check(f"chart, {name}: kube-score", lambda: score(render_chart(*values), scope))


def _check_example(report: Report, conform: Conform, path: Path) -> None:
    def plan() -> str:
        return run([Path(sys.executable).with_name("ragops"), "plan", "-f", path, "-o", "yaml"])

    name = f"examples/{path.name}"
    report.check(f"{name}: kubeconform", partial(conform, path.read_text()))
    report.check(f"{name}, planned: kubeconform", lambda: conform(plan()))
    report.check(f"{name}, planned: kube-score", lambda: score(plan(), _CHILDREN))
