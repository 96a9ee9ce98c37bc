"""Make a cluster, find out how it fares, and take it away."""

import shutil
import time
from dataclasses import dataclass

from cluster import fake, health, kubeconfig, node, processes
from cluster.api import Api
from cluster.binaries import Built, programs
from cluster.errors import ClusterError
from cluster.locks import locked
from cluster.preflight import require
from cluster.progress import step
from cluster.startup import Startup
from cluster.state import Cluster, Place, Profile, existing

# How long a cluster that already runs gets to answer before it is taken for broken.
_RECOVER_SECONDS = 15.0
_POLL_SECONDS = 0.1
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
        built = programs(fake.programs(wanted.fake) if wanted.profile == "fake" else node.PROGRAMS)
        kubectl = built["kubectl"].path
        if wanted.merge:
            kubeconfig.check(place, kubectl)
        if _runs(place, wanted):
            step(f"cluster {wanted.name} already runs")
        else:
            if place.root.exists():
                step(f"cluster {wanted.name} does not run: clearing what is left of it; its data is gone")
                clear(place)
            _make(wanted, place, built)
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
        was_merged = kubeconfig.mentions(place) and kubeconfig.unmerge(
            place, programs(["kubectl"])["kubectl"].path
        )
        return was_there or was_merged


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


def _state(place: Place, cluster: Cluster) -> tuple[str, str]:
    lacks = health.missing(place, cluster, Api.of(place, cluster))
    return ("failing", "; ".join(lacks)) if lacks else ("running", "")


def _runs(place: Place, wanted: Wanted) -> bool:
    """Whether the cluster runs. Gives one that is not healthy some time to get well."""
    cluster = Cluster.load(place)
    if cluster is None or processes.supervisor(place) is None or not (place.root / _COMPLETE).exists():
        return False
    if cluster.profile != wanted.profile:
        raise ClusterError(
            f"cluster {wanted.name} runs with profile {cluster.profile}, not {wanted.profile}: "
            "take it down first, or choose another --name"
        )
    api, end = Api.of(place, cluster), time.monotonic() + _RECOVER_SECONDS
    while lacks := health.missing(place, cluster, api):
        if time.monotonic() > end:
            step(f"cluster {wanted.name} is not healthy: {'; '.join(lacks)}")
            # A node that is not ready may be what somebody is just trying out; a dead API server is not.
            return not health.broken(place, api)
        time.sleep(_POLL_SECONDS)
    return True


def _make(wanted: Wanted, place: Place, built: dict[str, Built]) -> None:
    place.logs.mkdir(parents=True)
    place.root.chmod(0o700)
    try:
        cluster = _create(wanted, place, built)
        cluster.save(place)
        step("certificates and configuration written")
        Startup(place, cluster).finish()
    except BaseException:
        # Also on Ctrl-C. The files stay: their logs are what the error message names.
        processes.stop(place)
        raise
    (place.root / _COMPLETE).touch()
    step(f"cluster {wanted.name} is ready: {cluster.server}")


def _create(wanted: Wanted, place: Place, built: dict[str, Built]) -> Cluster:
    if wanted.profile == "fake":
        return fake.create(place, built, _taken_ports(), wanted.fake)
    return node.create(place, built)


def _taken_ports() -> list[int]:
    """Ports that clusters of this user have been given."""
    clusters = [Cluster.load(place) for place in existing()]
    return [port for cluster in clusters if cluster for port in cluster.ports.values()]
