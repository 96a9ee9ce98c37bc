"""One service with all that a pass has found out about it."""

from dataclasses import dataclass
from datetime import datetime

from ragops.api.autoscaling import ScalingMode
from ragops.api.service import ServiceSpec
from ragops.api.status import ScalingChange, ServiceStatus
from ragops.orchestration.diagnosis import Diagnosis
from ragops.orchestration.observation import Workload
from ragops.orchestration.startup import Progress
from ragops.resources.child import ChildRef
from ragops.scaling.decision import ScalingState


@dataclass(frozen=True)
class Known:
    """One service: what is wanted, what was, what is seen, and where it is in its life."""

    spec: ServiceSpec
    previous: ServiceStatus | None
    ref: ChildRef
    workload: Workload | None
    trouble: Diagnosis | None
    progress: Progress

    @property
    def wanted(self) -> int:
        """spec.replicas of the workload; 0 where there is none."""
        return self.workload.wanted if self.workload else 0

    @property
    def ready(self) -> int:
        """Ready pods."""
        return self.workload.ready if self.workload else 0

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
