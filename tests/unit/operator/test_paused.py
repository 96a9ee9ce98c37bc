"""spec.paused: nothing is changed, so nothing may be recorded as if it had been."""

from datetime import timedelta

from tests.unit.operator.world import World, rag_of, six

from ragops.api.autoscaling import MetricType
from ragops.api.status import ServiceState
from ragops.scaling.window import Sample, Window, reading

AUTO = {"autoscaling": {"sampleSeconds": 5, "metrics": [{"type": "CPU"}]}}


def busy(world: World, cpu: float = 95) -> None:
    """The pods of generation use this, per cent of their requests."""
    sample = Sample(world.now, {MetricType.CPU: reading([cpu])})
    world.windows = {"generation": Window((sample,))}


def change(world: World, **spec: object) -> None:
    """The spec is changed; the status stays."""
    rag = rag_of(six(generation=AUTO), **spec)
    world.rag = rag.model_copy(update={"status": world.rag.status})


def test_before_the_first_start_no_time_runs() -> None:
    world = World(rag_of(six(generation=AUTO), paused=True))
    for _ in range(2):
        world.step(seconds=3600)
        for service in world.rag.status.services:
            assert service.state is ServiceState.WAITING
            assert service.startup.started_at is None
    assert not world.children

    change(world, paused=False)
    world.step()
    assert world.service("generation").state is ServiceState.STARTING
    assert world.service("generation").startup.started_at == world.now - timedelta(seconds=1)


def test_no_scaling_is_decided() -> None:
    world = World(rag_of(six(generation=AUTO)))
    world.step()
    world.make_ready("generation")
    world.step()
    change(world, paused=True)
    busy(world)
    assert not world.step().scales
    scaling = world.service("generation").scaling
    assert scaling is not None
    assert scaling.last_scale_time is None

    change(world, paused=False)
    busy(world)
    assert [scale.decision.desired for scale in world.step().scales] == [2]


def test_a_cooldown_outlives_a_deployment_that_somebody_deletes() -> None:
    world = World(rag_of(six(generation=AUTO)))
    world.step()
    world.make_ready("generation")
    world.step()
    busy(world)
    world.step()
    scaled = world.service("generation").scaling
    assert scaled is not None
    assert scaled.last_scale_time is not None
    world.children = {ref: obj for ref, obj in world.children.items() if ref.name != "demo-generation"}
    world.step()
    after = world.service("generation").scaling
    assert after is not None
    assert after.last_scale_time == scaled.last_scale_time
