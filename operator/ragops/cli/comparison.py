"""What `ragops simulate` compares: traces, policies and the results."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from ragops.api.autoscaling import AutoscalingSpec, ScalingMode
from ragops.cli.planning import read_all
from ragops.scaling.simulation import catalog
from ragops.scaling.simulation.figures import Figures, evaluate
from ragops.scaling.simulation.model import Policy, Run, simulate
from ragops.scaling.simulation.ours import Ours
from ragops.scaling.simulation.parameters import Parameters
from ragops.scaling.simulation.trace import Trace, TraceError, read_trace

OWN_OPTIONS: Final = {
    "mode": "--policy",
    "minReplicas": "--min-replicas",
    "maxReplicas": "--max-replicas",
    "sampleSeconds": "--sample-seconds",
}
"""Fields of autoscaling with an option of their own, since the other policies depend on them too."""


@dataclass(frozen=True)
class Contender:
    """A policy to be compared, made anew for each trace."""

    name: str
    build: Callable[[Trace], Policy]


@dataclass(frozen=True)
class Result:
    """A policy on a trace."""

    policy: str
    run: Run
    figures: Figures


def compare(
    traces: Iterable[Trace], contenders: Iterable[Contender], parameters: Parameters
) -> Iterator[Result]:
    """Each policy on each trace, in their order."""
    contenders = tuple(contenders)
    for trace in traces:
        # All are built before any runs: what cannot be built is told at once.
        for name, policy in [(contender.name, contender.build(trace)) for contender in contenders]:
            run = simulate(trace, policy, parameters)
            yield Result(name, run, evaluate(run))


def named(
    names: Iterable[str], parameters: Parameters, fields: Mapping[str, Any], memory: float | None
) -> list[Contender]:
    """The policies of the catalog by lists of names separated by commas, each once. Raises ValueError."""
    plain = dict.fromkeys(catalog.checked(name) for part in names for name in part.split(","))
    return [
        Contender(name, partial(catalog.build, name, parameters=parameters, fields=fields, memory=memory))
        for name in plain
    ]


def of_object(spec: AutoscalingSpec, parameters: Parameters, memory: float | None) -> Contender:
    """The policy of an object, within the bounds and at the pace of the comparison."""
    common = spec.model_copy(
        update={
            "min_replicas": parameters.min_replicas,
            "max_replicas": parameters.max_replicas,
            "sample_seconds": parameters.sample_seconds,
        }
    )
    return Contender("object", lambda _: Ours(common, memory))


def policy_in(path: Path, service: str | None) -> AutoscalingSpec:
    """The resolved policy of a service of the RAGDeployment in a YAML file.

    Raises ValueError where there is no such object or service, or none whose replicas we decide about.
    """
    rag = next(read_all(_text(path)), None)
    if rag is None:
        raise ValueError(f"{path} has no RAGDeployment; give a file with one")
    scaled = {
        s.name: s.autoscaling
        for s in rag.spec.services
        if s.autoscaling is not None and s.autoscaling.mode is not ScalingMode.EXTERNAL
    }
    if service is None and len(scaled) == 1:
        return next(iter(scaled.values()))
    if service in scaled:
        return scaled[service]
    if not scaled:
        raise ValueError(
            f"{path} has no service that ragops scales; give one the block autoscaling, of another mode than "
            "External"
        )
    fault = f"has no scaled service {service!r}" if service else f"has {len(scaled)} scaled services"
    raise ValueError(f"{path} {fault}; use --service with one of {', '.join(scaled)}")


def field(text: str) -> tuple[str, Any]:
    """Key and value of a `--set key=value`, the value in YAML. Raises ValueError."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ValueError(f"--set {text!r} is not key=value; write such as tolerancePercent=5")
    if key in OWN_OPTIONS:
        raise ValueError(f"--set {key} would hold for our policies alone; use {OWN_OPTIONS[key]}")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {key} {value!r} is not YAML; put text with signs in quotes") from error


def numbers(text: str, option: str) -> tuple[float, ...]:
    """Numbers separated by commas. Raises ValueError naming the option."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"{option} {text!r} is not a number or a list of numbers such as 20,45; correct it"
        ) from None


def read_traces(paths: Sequence[Path], speedups: Sequence[float]) -> list[Trace]:
    """The traces in the files, named after them. One speedup holds for all. Raises ValueError."""
    if len(speedups) == 1:
        speedups = [*speedups] * len(paths)
    if len(speedups) != len(paths):
        raise ValueError(
            f"--speedup has {len(speedups)} numbers for {len(paths)} traces; give one, or one for each"
        )
    return [_trace(path, speedup) for path, speedup in zip(paths, speedups, strict=True)]


def _trace(path: Path, speedup: float) -> Trace:
    try:
        # The csv module wants line ends as they are.
        return read_trace(_text(path).splitlines(keepends=True), path.stem, speedup)
    except TraceError as error:
        raise TraceError(f"{path}: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text; save it as such") from error
