"""One start of a cluster whose files have been written."""

import time
from collections.abc import Callable
from functools import partial

from cluster import fake, health, images, node, processes
from cluster.api import Api
from cluster.components import Plan, log_tail
from cluster.errors import ClusterError
from cluster.progress import step
from cluster.state import Cluster, Place
from cluster.supervisor import Status

_SECONDS = 120.0
_POLL_SECONDS = 0.1
# A component that ended this often before the cluster was up will not make it.
_STARTS = 4


class Startup:
    """Starts the supervisor, waits for each part, and fails with the log of the part that breaks."""

    def __init__(self, place: Place, cluster: Cluster) -> None:
        self._place = place
        self._cluster = cluster
        self._api = Api.of(place, cluster)
        self._process = processes.launch(place, as_node=cluster.profile == "node")

    def finish(self) -> None:
        """Return when the cluster is of use. Raises ClusterError when it does not get there."""
        self._wait("supervisor", lambda: processes.supervisor(self._place) is not None)
        if self._cluster.profile == "node":
            node.connect(self._place, self._cluster)
        for name in Plan.load(self._place).names():
            self._wait(name, partial(self._is_up, name))
            step(f"{name} is up")
        self._fill()
        self._wait_until_complete()

    def _fill(self) -> None:
        """Bring in what a new cluster starts with."""
        if self._cluster.profile == "node":
            images.load_pause(self._place)
            self._api.create(node.objects(self._place, self._cluster))
        else:
            self._api.create(fake.objects(self._place, self._cluster))

    def _wait(self, name: str, done: Callable[[], bool]) -> None:
        end = time.monotonic() + _SECONDS
        while not done():
            self._fail_if_broken()
            if time.monotonic() > end:
                raise ClusterError(f"{name} is not up after {_SECONDS:.0f} s; {log_tail(self._place, name)}")
            time.sleep(_POLL_SECONDS)

    def _wait_until_complete(self) -> None:
        end, told = time.monotonic() + _SECONDS, ""
        while missing := health.missing(self._place, self._cluster, self._api):
            self._fail_if_broken()
            if missing[0] != told:
                told = missing[0]
                step(f"waiting: {told}")
            if time.monotonic() > end:
                lacks = "; ".join(missing)
                raise ClusterError(f"not up after {_SECONDS:.0f} s: {lacks}. Logs: {self._place.logs}")
            time.sleep(_POLL_SECONDS)

    def _is_up(self, name: str) -> bool:
        process = Status.load(self._place).processes.get(name)
        return process is not None and process.ready

    def _fail_if_broken(self) -> None:
        if self._process.poll() is not None:
            raise ClusterError(f"the supervisor ended; {log_tail(self._place, 'supervisor')}")
        for name, process in Status.load(self._place).processes.items():
            if process.starts >= _STARTS and not process.ready:
                raise ClusterError(f"{name} keeps ending ({process.exit}); {log_tail(self._place, name)}")
