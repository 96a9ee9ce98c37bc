"""A converged system causes no write at all; the Lease alone is renewed."""

from .audit import Audit
from .conftest import user
from .eventually import eventually, throughout
from .process import OperatorProcess
from .space import Object, Space, services

QUIET_SECONDS = 20.0


def test_a_converged_system_causes_no_write(space: Space, operator: OperatorProcess, audit: Audit) -> None:
    auto = {
        "autoscaling": {"maxReplicas": 3, "sampleSeconds": 1, "stabilitySeconds": 1, "cooldownSeconds": 0}
    }
    odd: Object = {
        # What the API server stores in other words than it was given.
        "env": [{"name": "EMPTY", "value": ""}, {"name": "KEY", "secretKeyRef": {"name": "s", "key": "k"}}],
        "resources": {
            "requests": {"cpu": "0.5", "memory": "1024Mi"},
            "limits": {"cpu": "1000m", "memory": 2147483648},
        },
        "replicas": 0,
    }
    space.apply_rag(
        services(
            retrieval=auto, embeddings=auto, generation=odd, documents={"resources": {"limits": {"cpu": 1}}}
        ),
        imagePullSecrets=[{"name": "registry"}],
    )
    space.await_ready()
    for service in ("retrieval", "embeddings"):
        space.use(service, cpu="1m", memory="1Mi")
    for service in ("retrieval", "embeddings"):
        eventually(
            lambda service=service: space.service(service)["scaling"]["reason"] == "AtMinimum",
            f"{service} is sampled and all is low",
            timeout=60,
        )

    passes = _passes(operator)
    mark = audit.mark()
    throughout(lambda: not audit.writes(user(space), mark), "nothing is written", QUIET_SECONDS)
    # It was awake: it took samples, made passes and renewed its lease.
    assert _passes(operator) > passes + 5
    assert len(audit.writes(user(space), mark, leases=True)) >= 5
    assert operator.metric('ragops_unexpected_errors_total{where="pass"}') is None


def _passes(operator: OperatorProcess) -> float:
    return operator.metric('ragops_passes_total{outcome="done"}') or 0
