"""The chart, rendered: as Kubernetes objects for the checks, and as plain manifests for users of kubectl."""

import re
import shutil
from pathlib import Path

from cluster.binaries import programs
from cluster.errors import ClusterError
from cluster.run import run

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "ragops"
MANIFESTS = ROOT / "manifests"
NAMESPACE = "ragops-system"

_HEADER = """\
# Generated from charts/ragops by `python hack/policy manifests`; change the chart, not this file.
"""
# Marks of a Helm release, which these objects are not; and empty lines, which differ by version of Helm.
_HELM_ONLY = re.compile(r"\s*(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*|# Source: .*|\s*")


def helm() -> Path:
    """The pinned helm, built where it is missing."""
    return programs(["helm"])["helm"].path


def kubectl() -> Path:
    """An installed kubectl, else the pinned one, built where it is missing."""
    installed = shutil.which("kubectl")
    return Path(installed) if installed else programs(["kubectl"])["kubectl"].path


def render_chart(*arguments: str | Path, release: str = "ragops", namespace: str = NAMESPACE) -> str:
    """The chart's objects, with further arguments for `helm template`, such as -f and a file of values."""
    return run([helm(), "template", release, CHART, "--namespace", namespace, *arguments])


def render_manifests() -> str:
    """What `kubectl apply -k manifests` applies."""
    return run([kubectl(), "kustomize", MANIFESTS])


def write_manifests(*, check: bool) -> None:
    """Generate manifests/operator.yaml; with `check`, only compare.

    Raises ClusterError when the file on disk differs and `check` is set.
    """
    path = MANIFESTS / "operator.yaml"
    lines = render_chart("--no-hooks").splitlines()
    text = _HEADER + "\n".join(line.rstrip() for line in lines if not _HELM_ONLY.fullmatch(line)) + "\n"
    if not check:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        raise ClusterError(
            f"{path.relative_to(ROOT)} differs from what the chart renders; "
            "run `python hack/policy manifests` and commit the result"
        )
