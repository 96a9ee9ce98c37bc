"""Keeps what mode Predictive has learned, beyond the life of the operator, in ConfigMaps of its namespace.

A rhythm of days takes days to learn, and each upgrade of the operator would lose it. Status is not the place:
it would change with every sample.
"""

import asyncio
import base64
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ragops.api.names import FIELD_MANAGER, MANAGED_BY_LABEL
from ragops.cluster.cache import Key
from ragops.cluster.errors import NotFoundError
from ragops.cluster.lease import Lease
from ragops.cluster.protocol import Cluster, Object
from ragops.metrics.source import ServiceId
from ragops.resources.child import ChildRef
from ragops.scaling.checkpoint import decode, encode
from ragops.scaling.learning import Learned
from ragops.telemetry.metrics import WRITES

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 1800.0
"""Of learning that a killed operator may lose; one that ends in order loses none."""
LONGEST_SECONDS: Final = 10.0
"""For reading or storing all."""
LOOK_SECONDS: Final = 60.0
"""Between two looks at what is to be stored."""
LABEL: Final = "ragops.dev/learned"
"""Its value is the name of the lease, which tells the operators of one namespace apart."""
SERVICE: Final = "ragops.dev/learned-of"
"""Annotation with the namespace, the RAGDeployment and the service."""


class Checkpoints:
    """The stored state of all services. Used by the leader alone."""

    def __init__(self, cluster: Cluster, lease: Lease) -> None:
        self._cluster = cluster
        self._namespace = lease.namespace
        self._lease = lease.name
        self._stored: dict[ServiceId, tuple[float, str]] = {}
        """Time of the newest sample in it, in seconds since the epoch, and the ConfigMap's uid."""

    async def load(self) -> dict[ServiceId, Learned]:
        """All that is stored. What cannot be read is left out, and replaced in time. Raises ClusterError."""
        selector = f"{LABEL}={self._lease}"
        objects, _ = await self._cluster.list("v1", "ConfigMap", self._namespace, selector)
        found: dict[ServiceId, Learned] = {}
        self._stored.clear()
        for obj in objects:
            service = _service_of(obj)
            if service is None:
                continue
            try:
                data = base64.b64decode((obj.get("binaryData") or {}).get("learned", ""))
                found[service] = await asyncio.to_thread(decode, data)
            except ValueError as error:
                logger.warning("%s: what was learned cannot be read and is learned anew: %s", service, error)
            at = found[service].at if service in found else 0.0
            self._stored[service] = (at, obj["metadata"]["uid"])
        return found

    async def save(self, learned: Iterable[tuple[ServiceId, Learned]], older_than: float) -> None:
        """Stores what is newer by more than these seconds than what is stored. Raises ClusterError."""
        for service, state in learned:
            if service not in self._stored and older_than > 0:
                self._stored[service] = (state.at, "")  # what is new is soon learned again
            before, _ = self._stored.get(service, (0.0, ""))
            if state.at - before > older_than:
                data = await asyncio.to_thread(encode, state)
                WRITES.labels("ConfigMap", "apply").inc()
                obj = await self._cluster.apply(self._namespace, self._manifest(service, data))
                self._stored[service] = (state.at, obj["metadata"]["uid"])

    async def remove_gone(self, exists: Callable[[ServiceId], bool]) -> None:
        """Removes what was learned of services that are no more. Raises ClusterError."""
        for service in [service for service in self._stored if not exists(service)]:
            _, uid = self._stored.pop(service)
            if uid:
                WRITES.labels("ConfigMap", "delete").inc()
                ref = ChildRef("v1", "ConfigMap", _name(service))
                try:
                    await self._cluster.delete(self._namespace, ref, uid)
                except NotFoundError:
                    logger.debug("%s is gone already", ref)

    def _manifest(self, service: ServiceId, data: bytes) -> Mapping[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": _name(service),
                "labels": {MANAGED_BY_LABEL: FIELD_MANAGER, LABEL: self._lease},
                "annotations": {SERVICE: str(service)},
            },
            "binaryData": {"learned": base64.b64encode(data).decode()},
        }


def _name(service: ServiceId) -> str:
    return f"ragops-learned-{hashlib.sha256(str(service).encode()).hexdigest()[:16]}"


def _service_of(obj: Object) -> ServiceId | None:
    """The service that a ConfigMap speaks of; None where a person has made it."""
    parts = (obj["metadata"].get("annotations") or {}).get(SERVICE, "").split("/")
    if len(parts) != 3:
        return None
    namespace, rag, name = parts
    service = ServiceId(Key(namespace, rag), name)
    return service if obj["metadata"]["name"] == _name(service) else None
