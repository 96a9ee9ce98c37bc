"""What a pass wants done: data that can be printed, compared and replayed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ragops.api.status import RAGStatus
from ragops.health.assess import Memory
from ragops.resources.child import ChildRef, Manifest, ref_of
from ragops.scaling.decision import Decision
from ragops.scaling.record import Record


@dataclass(frozen=True)
class Apply:
    """Server-side apply of a child."""

    service: str
    manifest: Manifest
    seen: Manifest | None = None
    """As it was observed. If it was not, an object of that name that is not ours must not be taken over."""
    hand_over_replicas: int | None = None
    """Dropping spec.replicas from the manifests would reset it to 1: give this number to the scaler first."""

    @property
    def ref(self) -> ChildRef:
        """The child."""
        return ref_of(self.manifest)

    @property
    def exists(self) -> bool:
        """It was observed."""
        return self.seen is not None


@dataclass(frozen=True)
class Delete:
    """Deletion of a child that is no longer wanted."""

    ref: ChildRef
    uid: str
    """Only this very object: not one that was made in its place."""


@dataclass(frozen=True)
class CreateCredentials:
    """Creation of a Secret with a random password, unless there is one. It is never read."""

    service: str
    name: str


@dataclass(frozen=True)
class Scale:
    """A change of replicas through /scale."""

    service: str
    ref: ChildRef
    decision: Decision
    seen: Manifest
    """The workload as the decision found it."""


@dataclass(frozen=True)
class Annotate:
    """Telling a pod of the gateway, and so its kubelet, of the content of its ConfigMap."""

    pod: str
    uid: str
    content: str


@dataclass(frozen=True)
class Plan:
    """The outcome of one pass."""

    credentials: tuple[CreateCredentials, ...] = ()
    applies: tuple[Apply, ...] = ()
    deletes: tuple[Delete, ...] = ()
    scales: tuple[Scale, ...] = ()
    annotations: tuple[Annotate, ...] = ()
    records: tuple[Record, ...] = ()
    """All scaling decisions, those to hold among them, with what they were made from."""
    status: RAGStatus | None = None
    """The status to write; None when it is as it should be."""
    health: Mapping[str, Memory] = field(default_factory=dict)
    """What the next pass needs to know for the hysteresis of health, by service."""
    wake_at: datetime | None = None
    """When to look again even if nothing happens."""

    @property
    def quiet(self) -> bool:
        """Nothing is to be written."""
        writes = (self.credentials, self.applies, self.deletes, self.scales, self.annotations)
        return not (any(writes) or self.status)
