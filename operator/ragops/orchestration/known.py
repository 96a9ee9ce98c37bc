"""One service with all that a pass has found out about it."""

from dataclasses import dataclass

from ragops.api.autoscaling import ScalingMode
from ragops.api.service import ServiceSpec
from ragops.api.status import ServiceStatus
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

    def scaling_state(self) -> ScalingState:
        """What the scaler remembers. A change that was made but not recorded shows in the managed fields."""
        before = self.previous.scaling if self.previous else None
        times = [
            before.last_scale_time if before else None,
            self.workload.scaled_at if self.workload else None,
        ]
        return ScalingState(
            stable_since=before.stable_since if before else None,
            last_scale_time=max((time for time in times if time), default=None),
            peaks=tuple(before.peaks) if before else (),
            changes=tuple(before.changes) if before else (),
        )
