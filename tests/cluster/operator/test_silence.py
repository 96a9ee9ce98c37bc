"""A converged system causes no write at all; the Lease alone is renewed. Autoscaling: see test_scaling."""

from .audit import Audit
from .conftest import user
from .eventually import eventually
from .process import OperatorProcess
from .space import Object, Space, services

QUIET_SECONDS = 20.0


def test_a_converged_system_causes_no_write(space: Space, operator: OperatorProcess, audit: Audit) -> None:
    # What the API server stores in other words than it was given.
    odd: Object = {
        "env": [{"name": "EMPTY", "value": ""}, {"name": "KEY", "secretKeyRef": {"name": "s", "key": "k"}}],
        "resources": {
            "requests": {"cpu": "0.5", "memory": "1024Mi"},
            "limits": {"cpu": "1000m", "memory": 2147483648},
        },
        "replicas": 0,
    }
    limits: Object = {"resources": {"limits": {"cpu": 1}}}
    space.apply_rag(services(generation=odd, documents=limits), imagePullSecrets=[{"name": "registry"}])
    space.await_ready()
    eventually(lambda: any(e["reason"] == "Ready" for e in space.all_of("Event")), "the last Event is there")
    mark = audit.mark()
    audit.assert_no_writes(user(space), QUIET_SECONDS)
    assert len(audit.writes(user(space), mark, leases=True)) >= 5, "it was alive"
    assert operator.metric('ragops_unexpected_errors_total{where="pass"}') is None
