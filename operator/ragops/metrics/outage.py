"""Whether the operator itself is cut off from the pods: then their silence says nothing about them."""

from collections.abc import Collection, Mapping

from ragops.health.checks import PodChecks
from ragops.metrics.source import ServiceId


class Silence:
    """The pods that have left a check unanswered since any pod of any service last answered one.

    Decided by attempts and not by time, since services are asked at periods of their own.
    """

    def __init__(self) -> None:
        self._silent: dict[ServiceId, dict[str, PodChecks]] = {}
        """By uid each such pod as it was after the first of these checks; only of services with an answer
        before."""

    @property
    def cut_off(self) -> bool:
        """At least two services that have ever answered were asked since the last answer of anybody, and
        none of them has answered. One alone may well be down."""
        return len(self._silent) > 1

    @property
    def first(self) -> Mapping[ServiceId, Mapping[str, PodChecks]]:
        """What counts while the operator is cut off: by uid each silent pod, after its first lost check."""
        return self._silent

    def ends(self) -> None:
        """Some pod has answered."""
        self._silent.clear()

    def add(self, service: ServiceId, uid: str, checks: PodChecks) -> None:
        """A check of a pod was not answered. `checks` are those of the pod, with this one."""
        self._silent.setdefault(service, {}).setdefault(uid, checks)

    def has(self, service: ServiceId, uid: str) -> bool:
        """Whether this pod is silent."""
        return uid in self._silent.get(service, {})

    def keep(self, service: ServiceId, uids: Collection[str]) -> None:
        """Forgets the pods of a service that are not among these: they are not asked any more."""
        kept = {uid: pod for uid, pod in self._silent.pop(service, {}).items() if uid in uids}
        if kept:
            self._silent[service] = kept
