"""What resolve fills in, by type of service."""

from collections.abc import Callable

import pytest

from ragops.api.base import ServiceType, quantity_value
from ragops.api.defaults import DEFAULT_RESOURCES, resolve
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec

Make = Callable[..., RAGDeployment]


def resolved(rag: RAGDeployment, name: str) -> ServiceSpec:
    """One service after resolve."""
    return next(service for service in resolve(rag).spec.services if service.name == name)


def needs(rag: RAGDeployment, name: str) -> list[str]:
    """Names of the dependencies after resolve."""
    return [dependency.name for dependency in resolved(rag, name).depends_on or ()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vector-store", []),
        ("embeddings", ["vector-store"]),
        ("documents", ["vector-store", "embeddings"]),
        ("retrieval", ["vector-store", "embeddings"]),
        ("generation", []),
        ("api", ["vector-store", "embeddings", "documents", "retrieval", "generation"]),
    ],
)
def test_default_dependencies(rag: Make, name: str, expected: list[str]) -> None:
    """By type, in the order of the spec, and required."""
    assert needs(rag(), name) == expected
    assert all(dependency.required for dependency in resolved(rag(), name).depends_on or ())


def test_default_dependency_on_an_absent_type_is_dropped(raw: dict, rag: Make) -> None:
    """Only services in the spec exist."""
    raw["spec"]["services"] = raw["spec"]["services"][2:4]
    assert needs(rag(), "retrieval") == []


def test_two_apis_do_not_wait_for_each_other(rag: Make) -> None:
    """ "Every other service" would be a cycle."""
    two = rag(second={"type": "OrchestrationAPI"})
    assert "second" not in needs(two, "api")
    assert "api" not in needs(two, "second")


def test_given_dependencies_stay(rag: Make) -> None:
    """Also an empty list: it means nothing, and not the default."""
    given = rag(api={"dependsOn": [{"name": "retrieval", "required": False}]}, retrieval={"dependsOn": []})
    assert needs(given, "api") == ["retrieval"]
    assert needs(given, "retrieval") == []


def test_default_metrics(rag: Make) -> None:
    """All that the reference images tell of, with the thresholds of their types."""
    assert _metrics(rag(retrieval={"autoscaling": {}})) == [
        ("CPU", 70, 30),
        ("Memory", 80, 40),
        ("ResponseTime", 2000, 500),
        ("QueueDepth", 100, 10),
        ("ErrorRate", 5, None),
    ]


def test_default_metrics_of_an_image_of_ones_own(rag: Make) -> None:
    """Only what Kubernetes knows of any container."""
    own = rag(retrieval={"autoscaling": {}, "image": "registry.example/mine:1"})
    assert _metrics(own) == [("CPU", 70, 30), ("Memory", 80, 40)]


def _metrics(rag: RAGDeployment) -> list[tuple[str, int | None, int | None]]:
    autoscaling = resolved(rag, "retrieval").autoscaling
    assert autoscaling is not None
    return [(m.type.value, m.up_above, m.down_below) for m in autoscaling.metrics or ()]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("Step", (300, 300, 300)), ("Proportional", (300, 0, 300)), ("Predictive", (0, 0, 15))],
)
def test_default_pace_by_mode(rag: Make, mode: str, expected: tuple[int, int, int]) -> None:
    autoscaling = resolved(rag(retrieval={"autoscaling": {"mode": mode}}), "retrieval").autoscaling
    assert autoscaling is not None
    pace = (
        autoscaling.cooldown_seconds,
        autoscaling.scale_up_cooldown_seconds,
        autoscaling.stability_seconds,
    )
    assert pace == expected


def test_default_stability_holds_a_sample(rag: Make) -> None:
    slow = rag(retrieval={"autoscaling": {"mode": "Predictive", "sampleSeconds": 60}})
    autoscaling = resolved(slow, "retrieval").autoscaling
    assert autoscaling is not None
    assert autoscaling.stability_seconds == 60


def test_thresholds_by_type(rag: Make) -> None:
    """Each number can be overridden by itself; 0 is a number."""
    metrics = [
        {"type": "CPU", "downBelow": 0},
        {"type": "Memory", "upAbove": 90},
        {"type": "ResponseTime"},
        {"type": "QueueDepth"},
        {"type": "ErrorRate"},
    ]
    autoscaling = resolved(rag(retrieval={"autoscaling": {"metrics": metrics}}), "retrieval").autoscaling
    assert autoscaling is not None
    assert [(m.up_above, m.down_below) for m in autoscaling.metrics or ()] == [
        (70, 0),
        (90, 40),
        (2000, 500),
        (100, 10),
        (5, None),
    ]


@pytest.mark.parametrize(("given", "expected"), [({}, 60), ({"scaleUpCooldownSeconds": 0}, 0)])
def test_scale_up_cooldown(rag: Make, given: dict[str, int], expected: int) -> None:
    """As cooldownSeconds, unless given."""
    scaled = rag(retrieval={"autoscaling": {"cooldownSeconds": 60, **given}})
    autoscaling = resolved(scaled, "retrieval").autoscaling
    assert autoscaling is not None
    assert autoscaling.scale_up_cooldown_seconds == expected


def test_no_autoscaling_stays_none(rag: Make) -> None:
    """Replicas then belong to somebody else."""
    assert resolved(rag(), "retrieval").autoscaling is None


@pytest.mark.parametrize(
    ("given", "requests", "limits"),
    [
        (None, {"cpu": "50m", "memory": "256Mi"}, {"memory": "512Mi"}),
        ({}, {"cpu": "50m", "memory": "256Mi"}, {"memory": "512Mi"}),
        ({"requests": {"cpu": "1"}}, {"cpu": "1", "memory": "256Mi"}, {"memory": "512Mi"}),
        ({"limits": {"cpu": "2"}}, {"cpu": "2", "memory": "256Mi"}, {"cpu": "2", "memory": "512Mi"}),
        ({"limits": {"memory": "64Mi"}}, {"cpu": "50m", "memory": "64Mi"}, {"memory": "64Mi"}),
        ({"requests": {"memory": "1Gi"}}, {"cpu": "50m", "memory": "1Gi"}, {}),
        (
            {"limits": {"gpu": 1}},
            {"cpu": "50m", "memory": "256Mi", "gpu": 1},
            {"memory": "512Mi", "gpu": 1},
        ),
        (
            {"requests": {"gpu": 2}},
            {"cpu": "50m", "memory": "256Mi", "gpu": 2},
            {"memory": "512Mi", "gpu": 2},
        ),
    ],
)
def test_resources(rag: Make, given: dict | None, requests: dict, limits: dict) -> None:
    """What is given for a resource replaces both of its defaults, so a default never contradicts it."""
    service = resolved(rag(retrieval={} if given is None else {"resources": given}), "retrieval")
    assert service.resources is not None
    assert service.resources.to_wire() == {"requests": requests, "limits": limits}


def test_default_resources_fit_a_small_node(rag: Make) -> None:
    """All six on 2 cores and 4 GiB beside Kubernetes itself; no request above its limit, no CPU limit."""
    amounts = [service.resources for service in resolve(rag()).spec.services]
    assert (
        {service.type for service in resolve(rag()).spec.services}
        == set(ServiceType)
        == set(DEFAULT_RESOURCES)
    )
    cpu = memory = 0
    for resources in amounts:
        assert resources is not None
        assert resources.requests is not None
        assert resources.limits is not None
        assert resources.limits.cpu is None
        cpu += quantity_value(resources.requests.cpu or "")
        memory += quantity_value(resources.requests.memory or "")
        assert quantity_value(resources.requests.memory or "") <= quantity_value(
            resources.limits.memory or ""
        )
    assert cpu < 1.2
    assert memory <= 3 * 2**30


def test_block_storage_and_health_path(rag: Make) -> None:
    """A builder finds all settings of a service in one place."""
    plain = rag(retrieval={"health": {"path": "/ok", "periodSeconds": 9}})
    store, retrieval, api = (resolved(plain, name) for name in ("vector-store", "retrieval", "api"))
    assert store.storage is not None
    assert store.storage.size == "10Gi"
    assert store.health.path is None
    assert store.vector_store is not None
    assert store.retrieval is None
    assert retrieval.storage is None
    assert retrieval.retrieval is not None
    assert retrieval.retrieval.top_k == 5
    assert (retrieval.health.path, retrieval.health.period_seconds) == ("/ok", 9)
    assert api.health.path == "/readyz"


def test_resolve_is_pure_and_idempotent(rag: Make) -> None:
    """The object that came in is as it was; a second time changes nothing."""
    before = rag(retrieval={"autoscaling": {}, "resources": {"limits": {"cpu": "1"}}})
    wire = before.to_wire()
    once = resolve(before)
    assert before.to_wire() == wire
    assert resolve(once) == once
    assert once != before


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("250m", 0.25),
        ("2", 2),
        (".5", 0.5),
        ("1.5Gi", 1.5 * 2**30),
        ("1G", 10**9),
        ("1k", 1000),
        ("3Ki", 3072),
        ("2Ei", 2 * 2**60),
        ("1E", 10**18),
    ],
)
def test_quantity_value(quantity: str, expected: float) -> None:
    """Decimal and binary units; E is a unit, not an exponent."""
    assert quantity_value(quantity) == expected
