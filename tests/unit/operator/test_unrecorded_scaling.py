"""A scaling whose record was lost, because the operator ended between the two: its cooldown counts."""

from datetime import timedelta

import pytest
from tests.unit.operator.world import World, rag_of, six

from ragops.api.autoscaling import MetricType
from ragops.api.status import ScalingStatus
from ragops.orchestration.observation import SCALER_MANAGER
from ragops.scaling.window import Sample, Window, reading

COOLDOWN = 60
AUTO = {
    "maxReplicas": 4,
    "cooldownSeconds": COOLDOWN,
    "stabilitySeconds": 0,
    "sampleSeconds": 5,
    "metrics": [{"type": "CPU"}],
}


@pytest.fixture
def world() -> World:
    """generation has one replica, by its status, and has just got another."""
    made = World(rag_of(six(generation={"autoscaling": AUTO})))
    made.step()
    made.make_ready("generation")
    made.step()
    assert scaling(made).desired == 1
    return made


def scale(world: World, by: str) -> None:
    """Somebody has changed the replicas through /scale. The API server notes no time of it."""
    obj = world.workload("generation")
    entry = {
        "manager": by,
        "operation": "Apply" if by == SCALER_MANAGER else "Update",
        "subresource": "scale",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }
    obj["metadata"]["managedFields"] = [entry]
    obj["spec"]["replicas"] = 2
    world.make_ready("generation")


def use(world: World, cpu: float) -> None:
    """What both pods use, per cent of their requests."""
    world.windows = {"generation": Window((Sample(world.now, {MetricType.CPU: reading([cpu] * 2)}),))}


def scaling(world: World) -> ScalingStatus:
    """The scaling status of generation."""
    found = world.service("generation").scaling
    assert found is not None
    return found


@pytest.mark.parametrize("cpu", [95.0, 5.0], ids=["up", "down"])
def test_its_cooldown_begins_when_it_is_found(world: World, cpu: float) -> None:
    scale(world, by=SCALER_MANAGER)
    found = world.now
    while world.now < found + timedelta(seconds=COOLDOWN):
        use(world, cpu)
        assert not world.step(seconds=5).scales
        assert scaling(world).desired == 2
        assert scaling(world).last_scale_time == found
    use(world, cpu)
    assert len(world.step().scales) == 1


def test_what_others_have_done_begins_no_cooldown(world: World) -> None:
    scale(world, by="kubectl")
    use(world, 95.0)
    assert len(world.step().scales) == 1


def test_the_very_first_scaling_counts_too(world: World) -> None:
    """Status then knows of no decision at all."""
    services = [service.model_copy(update={"scaling": None}) for service in world.rag.status.services]
    status = world.rag.status.model_copy(update={"services": services})
    world.rag = world.rag.model_copy(update={"status": status})
    scale(world, by=SCALER_MANAGER)
    found = world.now
    use(world, 95.0)
    assert not world.step(seconds=5).scales
    assert scaling(world).last_scale_time == found
