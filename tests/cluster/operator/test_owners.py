"""Autoscalers of others on a workload that ragops scales: told, and not fought."""

import pytest

from .audit import Audit
from .conftest import user
from .eventually import eventually
from .space import Object, Space, services

pytestmark = pytest.mark.usefixtures("operator")

# No sample and no timer wakes the operator up during the test: the HPA itself must.
AUTO: Object = {"maxReplicas": 2, "sampleSeconds": 300, "metrics": [{"type": "CPU"}]}
TARGET: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "demo-generation"}
CPU: Object = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
}


def test_an_hpa_is_told_and_not_fought_and_scaling_goes_on_after_it(space: Space, audit: Audit) -> None:
    space.apply_rag(services("generation", generation={"autoscaling": AUTO}))
    space.await_ready()
    eventually(lambda: _limited(space) == ("False", "WithinBounds"), "scaling is not limited")
    mark = audit.mark()
    spec = {"scaleTargetRef": TARGET, "minReplicas": 3, "maxReplicas": 6, "metrics": [CPU]}
    space.create("HorizontalPodAutoscaler", "web", spec=spec)
    eventually(lambda: _limited(space) == ("True", "OwnedByOthers"), "the HPA is told")
    assert "HorizontalPodAutoscaler web" in space.condition("ScalingLimited")["message"]

    # The HPA's minimum is above our maximum.
    eventually(lambda: space.service("generation").get("readyReplicas") == 3, "the HPA has its way", 60)
    eventually(lambda: space.service("generation")["scaling"]["desired"] == 3, "and is followed")
    assert space.replicas("generation") == 3
    assert "deployments/scale" not in {write.resource for write in audit.writes(user(space), mark)}

    space.delete("HorizontalPodAutoscaler", "web")
    eventually(lambda: space.replicas("generation") == 2, "our maximum counts again")
    eventually(lambda: _limited(space) == ("False", "WithinBounds"), "scaling is not limited any more")


def _limited(space: Space) -> tuple[str | None, str | None]:
    condition = space.condition("ScalingLimited")
    return condition.get("status"), condition.get("reason")
