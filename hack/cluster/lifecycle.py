"""Make a cluster, find out how it fares, and take it away."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster import addons, fake, images, kubeconfig, node, processes
from cluster.api import Api, condition
from cluster.binaries import Built, programs
from cluster.components import Plan, log_tail
from cluster.errors import ClusterError
from cluster.locks import locked
from cluster.preflight import require
from cluster.progress import step
from cluster.state import Cluster, Place, Profile, existing
from cluster.supervisor import Status

_START_SECONDS = 120.0
# How long a cluster that already runs gets to answer before it is taken for broken.
_RECOVER_SECONDS = 15.0
_POLL_SECONDS = 0.1
# A component that ended this often before the cluster was up will not make it.
_STARTS = 4
_COMPLETE = "complete"


@dataclass(frozen=True)
class Wanted:
    """What ``up`` was asked for."""

    name: str
    profile: Profile
    merge: bool
    fake: fake.Options


@dataclass(frozen=True)
class Row:
    """One row of ``status``."""

    name: str
    profile: str
    state: str
    server: str
    detail: str


def up(wanted: Wanted) -> None:
    """Make the cluster, or return when it already runs; clear what is left of one that does not.

    Raises ClusterError when something is missing on this machine or the cluster does not come up.
    """
    require(wanted.profile)
    place = Place.of(wanted.name)
    with locked(place.lock, f"another command on cluster {wanted.name}"):
        needed = programs(fake.programs(wanted.fake) if wanted.profile == "fake" else node.PROGRAMS)
        kubectl = needed["kubectl"].path
        if wanted.merge:
            kubeconfig.check(place, kubectl)
        if _runs(place, wanted):
            step(f"cluster {wanted.name} already runs")
        else:
            if place.root.exists():
                step(f"cluster {wanted.name} does not run: clearing what is left of it; its data is gone")
                clear(place)
            _make(wanted, place, needed)
        if wanted.merge:
            path = kubeconfig.merge(place, kubectl)
            step(f"kubectl context {kubeconfig.context_name(wanted.name)} is now the current one in {path}")


def down(place: Place) -> bool:
    """Remove the cluster and all traces of it; returns whether there was one."""
    with locked(place.lock, f"another command on cluster {place.name}"):
        was_there = place.root.exists()
        if was_there:
            clear(place)
        place.lock.unlink(missing_ok=True)
        kubectl = programs(["kubectl"])["kubectl"].path
        return kubeconfig.unmerge(place, kubectl) or was_there


def clear(place: Place) -> None:
    """End whatever runs of a cluster and remove whatever is left of it, however it ended."""
    processes.stop(place)
    cluster = Cluster.load(place)
    if cluster and cluster.profile == "node":
        node.clear(place, cluster)
    shutil.rmtree(place.root)


def describe(place: Place) -> Row:
    """How a cluster fares."""
    cluster = Cluster.load(place)
    if cluster is None:
        return Row(place.name, "?", "incomplete", "", "run up to make it anew, or down")
    state, detail = "stopped", "run up to make it anew, or down"
    if processes.supervisor(place) is not None:
        state, detail = _state(place, cluster)
    return Row(place.name, cluster.profile, state, cluster.server, detail)


def taken_ports() -> list[int]:
    """Ports that clusters of this user have been given."""
    clusters = [Cluster.load(place) for place in existing()]
    return [port for cluster in clusters if cluster for port in cluster.ports.values()]


def _state(place: Place, cluster: Cluster) -> tuple[str, str]:
    ended = [name for name, process in Status.load(place).processes.items() if not process.pid]
    missing = _missing(Api.of(place, cluster), cluster)
    if ended or missing:
        return "failing", "; ".join(([f"not running: {', '.join(ended)}"] if ended else []) + missing[:1])
    return "running", ""


def _runs(place: Place, wanted: Wanted) -> bool:
    """Whether the cluster runs, completely; gives one that is not healthy some time to get well."""
    cluster = Cluster.load(place)
    if cluster is None or processes.supervisor(place) is None or not (place.root / _COMPLETE).exists():
        return False
    if cluster.profile != wanted.profile:
        raise ClusterError(
            f"cluster {wanted.name} runs with profile {cluster.profile}, not {wanted.profile}: "
            "take it down first, or choose another --name"
        )
    api, end = Api.of(place, cluster), time.monotonic() + _RECOVER_SECONDS
    while missing := _missing(api, cluster):
        if time.monotonic() > end:
            step(f"cluster {wanted.name} runs but is not healthy: {missing[0]}")
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _make(wanted: Wanted, place: Place, needed: dict[str, Built]) -> None:
    place.logs.mkdir(parents=True)
    place.root.chmod(0o700)
    try:
        cluster = _create(wanted, place, needed)
        cluster.save(place)
        step("certificates and configuration written")
        _start(place, cluster)
    except BaseException:
        # Also on Ctrl-C. The files stay: their logs are what the error message names.
        processes.stop(place)
        raise
    (place.root / _COMPLETE).touch()
    step(f"cluster {wanted.name} is ready: {cluster.server}")


def _create(wanted: Wanted, place: Place, needed: dict[str, Built]) -> Cluster:
    if wanted.profile == "fake":
        return fake.create(place, needed, taken_ports(), wanted.fake)
    return node.create(place, needed)


def _start(place: Place, cluster: Cluster) -> None:
    process = processes.launch(place, as_node=cluster.profile == "node")
    alive: Callable[[], bool] = lambda: process.poll() is None  # noqa: E731
    api = Api.of(place, cluster)
    _wait(place, alive, "the supervisor", lambda: processes.supervisor(place) is not None)
    if cluster.profile == "node":
        node.connect(place, cluster)
    for name in Plan.load(place).names():
        _wait(place, alive, name, lambda name=name: _is_up(place, name))  # type: ignore[misc]
        step(f"{name} is up")
    if cluster.profile == "node":
        images.load_pause(place)
    api.create(fake.objects(place, cluster) if cluster.profile == "fake" else node.objects(place, cluster))
    waiting = ""
    end = time.monotonic() + _START_SECONDS
    while missing := _missing(api, cluster):
        if missing[0] != waiting:
            waiting = missing[0]
            step(f"waiting: {waiting}")
        _fail_if_broken(place, alive)
        if time.monotonic() > end:
            lacks = "; ".join(missing)
            raise ClusterError(f"not up after {_START_SECONDS:.0f} s: {lacks}. Logs: {place.logs}")
        time.sleep(_POLL_SECONDS)


def _is_up(place: Place, name: str) -> bool:
    process = Status.load(place).processes.get(name)
    return process is not None and process.ready


def _wait(place: Place, alive: Callable[[], bool], name: str, done: Callable[[], bool]) -> None:
    end = time.monotonic() + _START_SECONDS
    while not done():
        if not alive():
            raise ClusterError(f"the supervisor ended; {log_tail(place, 'supervisor')}")
        _fail_if_broken(place, alive)
        if time.monotonic() > end:
            raise ClusterError(f"{name} is not up after {_START_SECONDS:.0f} s; {log_tail(place, name)}")
        time.sleep(_POLL_SECONDS)


def _fail_if_broken(place: Place, alive: Callable[[], bool]) -> None:
    if not alive():
        raise ClusterError(f"the supervisor ended; {log_tail(place, 'supervisor')}")
    for name, process in Status.load(place).processes.items():
        if process.starts >= _STARTS and not process.ready:
            raise ClusterError(f"{name} keeps ending ({process.exit}); {log_tail(place, name)}")


def _missing(api: Api, cluster: Cluster) -> list[str]:
    """What a running cluster still lacks, in words."""
    if not api.ready():
        return ["the API server is not ready"]
    nodes = (api.get("/api/v1/nodes") or {}).get("items", [])
    not_ready = [item["metadata"]["name"] for item in nodes if not condition(item, "Ready")]
    missing = [f"node {name} is not ready" for name in not_ready] if nodes else ["there is no node"]
    return missing + (addons.missing(api) if cluster.has_metrics else [])
