"""Leader election by a Lease: one replica acts, the others keep their caches warm.

Source: Kubernetes documentation, Leases; the times follow client-go's leader election, shortened so that a
standby takes over within 15 seconds.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

from ragops.cluster.errors import ClusterError, ConflictError, NotFoundError, NotLeaderError
from ragops.cluster.protocol import REQUEST_TIMEOUT_SECONDS, Cluster
from ragops.resources.child import ChildRef

logger = logging.getLogger(__name__)

DURATION_SECONDS: Final = 10
"""A lease that was not renewed for this long may be taken."""
DEADLINE_SECONDS: Final = 7
"""A leader that could not renew for this long stops acting; less than the duration, so that two never act."""
RETRY_SECONDS: Final = 2
LANDING_SECONDS: Final = DURATION_SECONDS - DEADLINE_SECONDS - 1
"""How long a write may take that is begun in the leader's last moment. The second that is left is for the
rounding of timeouts, and for the way."""


class Lease(NamedTuple):
    """The Lease object that replicas of one installation share."""

    namespace: str
    name: str

    @property
    def ref(self) -> ChildRef:
        """The object."""
        return ChildRef("coordination.k8s.io/v1", "Lease", self.name)


class Leadership(Protocol):
    """Whether this replica may act."""

    @property
    def holds(self) -> bool:
        """This replica is the leader, for sure, now."""

    @property
    def resumed_from(self) -> datetime | None:
        """Until when the previous leader was alive, as far as is known."""

    def check(self) -> float:
        """Called before every write: the seconds that it may take, so that it has ended before another
        replica may act. Raises NotLeaderError when the lease is not held."""


class Alone:
    """Leadership without an election, for a single replica."""

    holds = True
    resumed_from: datetime | None = None

    def check(self) -> float:
        """Always the leader."""
        return REQUEST_TIMEOUT_SECONDS


class Elector:
    """Takes the lease when it is free, and keeps it."""

    def __init__(
        self, cluster: Cluster, lease: Lease, identity: str, on_change: Callable[[bool], None]
    ) -> None:
        self._cluster = cluster
        self._lease = lease
        self._identity = identity
        self._on_change = on_change
        self._renewed: float | None = None
        self._seen: tuple[object, float] = (None, 0.0)
        self._free_at = 0.0
        self.resumed_from: datetime | None = None

    @property
    def holds(self) -> bool:
        """This replica is the leader, for sure, now."""
        return self._renewed is not None and time.monotonic() - self._renewed < DEADLINE_SECONDS

    def check(self) -> float:
        """The seconds that a write may take that begins now. Raises NotLeaderError without the lease."""
        if self._renewed is None or not self.holds:
            raise NotLeaderError
        return self._renewed + DEADLINE_SECONDS + LANDING_SECONDS - time.monotonic()

    async def run(self) -> None:
        """Tries to take or renew the lease until cancelled; then gives it back."""
        try:
            while True:
                await self._attempt()
                if self._renewed is not None and not self.holds:
                    self._renewed = None
                    self._changed(False)
                await asyncio.sleep(self._pause())
        finally:
            await self._release()

    async def _attempt(self) -> None:
        started = time.monotonic()
        try:
            async with asyncio.timeout(DEADLINE_SECONDS - RETRY_SECONDS):
                if await self._take():
                    # Also when it had lapsed during a slow renewal: nothing was done meanwhile.
                    held, self._renewed = self.holds, started
                    if not held:
                        self._changed(True)
        except (ClusterError, TimeoutError) as error:
            logger.warning("the lease %s could not be renewed: %s", self._lease.name, error)

    def _pause(self) -> float:
        """A standby looks again when the lease that it has seen runs out: no period is lost."""
        left = self._free_at - time.monotonic()
        return left if 0 < left < RETRY_SECONDS and self._renewed is None else RETRY_SECONDS

    def _changed(self, leads: bool) -> None:
        logger.info("leadership of %s: %s", self._identity, "taken" if leads else "lost")
        self._on_change(leads)

    async def _take(self) -> bool:
        """Whether the lease is ours after this attempt."""
        try:
            lease = await self._cluster.get(self._lease.namespace, self._lease.ref)
        except NotFoundError:
            await self._cluster.create(self._lease.namespace, self._body({}, 0))
            return True
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity")
        if holder and holder != self._identity and not self._expired(spec):
            return False
        if not self.holds:
            # Another replica, this one before a lapse, or an earlier process of this pod.
            self.resumed_from = _parse(spec.get("renewTime"))
        transitions = spec.get("leaseTransitions", 0) + (holder != self._identity)
        try:
            await self._cluster.replace(self._lease.namespace, self._body(lease["metadata"], transitions))
        except ConflictError:
            return False
        return True

    def _expired(self, spec: dict[str, Any]) -> bool:
        """By our own clock: since when the record has not changed. Clocks of other nodes do not count."""
        record = (spec.get("holderIdentity"), spec.get("renewTime"))
        if record != self._seen[0]:
            self._seen = (record, time.monotonic())
        self._free_at = self._seen[1] + spec.get("leaseDurationSeconds", DURATION_SECONDS)
        return time.monotonic() > self._free_at

    async def _release(self) -> None:
        if not self.holds:
            return
        self._renewed = None
        try:
            lease = await self._cluster.get(self._lease.namespace, self._lease.ref)
            if (lease.get("spec") or {}).get("holderIdentity") == self._identity:
                lease["spec"].update(holderIdentity="", renewTime=_now())
                await self._cluster.replace(self._lease.namespace, lease)
        except ClusterError as error:
            logger.warning("the lease was not given back and will expire: %s", error)

    def _body(self, metadata: dict[str, Any], transitions: int) -> dict[str, Any]:
        version = {"resourceVersion": metadata["resourceVersion"]} if metadata else {}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._lease.name, **version},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": DURATION_SECONDS,
                "renewTime": _now(),
                "leaseTransitions": transitions,
            },
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _parse(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
