"""One service with all that a pass has found out about it."""

from dataclasses import dataclass, replace
from datetime import datetime

from ragops.api.autoscaling import ScalingMode
from ragops.api.service import ServiceSpec
from ragops.api.status import ScalingChange, ServiceStatus
from ragops.orchestration.diagnosis import Diagnosis
from ragops.orchestration.observation import Workload
from ragops.orchestration.startup import Progress
from ragops.resources.child import ChildRef
from ragops.resources.variant import Traffic, Variant
from ragops.scaling.decision import Replicas, ScalingState


@dataclass(frozen=True)
class Known:
    """One service: what is wanted, what was, what is seen, and where it is in its life."""

    spec: ServiceSpec
    previous: ServiceStatus | None
    ref: ChildRef
    workload: Workload | None
    """Its own one."""
    progress: Progress
    own_trouble: Diagnosis | None = None
    """Of the pods of its own workload."""
    candidate: Workload | None = None
    """The second workload, while a new version is tried."""
    candidate_trouble: Diagnosis | None = None
    """Of the pods of the second workload."""
    look_again: tuple[datetime, ...] = ()
    """When time alone changes what is wrong with its pods."""
    traffic: Traffic = Traffic.STABLE
    """Whose pods get requests: those that the Service selects, or that the gateway has a share for."""
    through_gateway: bool = False
    """Its requests go through the gateway now."""

    @property
    def trouble(self) -> Diagnosis | None:
        """Of the pods that are to serve."""
        return self.candidate_trouble if self.traffic is Traffic.CANDIDATE else self.own_trouble

    @property
    def wanted(self) -> int:
        """spec.replicas of the workload; 0 where there is none."""
        return self.workload.wanted if self.workload else 0

    @property
    def ready(self) -> int:
        """Ready pods that get requests."""
        serving = serving_workload(self.workload, self.candidate, self.traffic)
        return serving.ready if serving else 0

    @property
    def replicas(self) -> Replicas:
        """As the scaler counts them. While both versions get requests, only those of the own workload are its
        own, or on their way to be."""
        if self.traffic is Traffic.BOTH and self.workload is not None and self.candidate is not None:
            return Replicas(self.wanted, self.workload.ready, beside=self.candidate.ready)
        return Replicas(self.wanted, self.ready)

    @property
    def was_ready(self) -> bool:
        """It has been ready at least once."""
        return self.progress.startup.ready_at is not None

    @property
    def scaled(self) -> bool:
        """ragops changes its replicas."""
        return self.spec.autoscaling is not None and self.spec.autoscaling.mode is not ScalingMode.EXTERNAL

    def scaling_state(self, now: datetime) -> ScalingState:
        """What the scaler remembers. A change of its own that is not recorded, because its leader ended
        between the two or the record failed, counts as made at `now`, and the calm of before has ended with
        it: the API server keeps no time of changes through /scale."""
        before = self.previous.scaling if self.previous else None
        recorded = before is not None and before.desired == self.wanted
        if self.workload is not None and self.workload.scaler_owns_replicas and not recorded:
            known = (ScalingChange(time=now, replicas=before.desired),) if before else ()
            return ScalingState(last_scale_time=now, changes=(*(before.changes if before else ()), *known))
        if before is None:
            return ScalingState()
        return ScalingState(
            before.stable_since, before.last_scale_time, tuple(before.peaks), tuple(before.changes)
        )


def serving_workload(own: Workload | None, candidate: Workload | None, traffic: Traffic) -> Workload | None:
    """The own workload with the counts of the pods that get requests: the candidate's, or those of both."""
    by_variant = {Variant.STABLE: own, Variant.CANDIDATE: candidate}
    serving = [w for variant, w in by_variant.items() if w is not None and traffic.reaches(variant)]
    basis = own or candidate
    if basis is None or not serving:
        return basis and replace(basis, ready=0, total=0)
    return replace(basis, ready=sum(w.ready for w in serving), total=sum(w.total for w in serving))
