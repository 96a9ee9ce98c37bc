"""Scaling by what pods tell of themselves, with our own services under real load: up by the queue, by the
response time and by failing requests, each down again after it; ahead of the load by its forecast; and by an
operator outside the cluster, which reaches the pods through the API server."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.operator.eventually import throughout
from tests.cluster.operator.process import OperatorProcess
from tests.e2e.conftest import install
from tests.e2e.support import EMBEDDING, Load, Site, eventually, rag

NAMESPACE = "measured"
SERVICE = "server"
"""The only one of each RAGDeployment."""
SYSTEM = "ragops-system"
STABILITY, COOLDOWN = 10, 14
PACE = {"sampleSeconds": 2, "stabilitySeconds": STABILITY, "cooldownSeconds": COOLDOWN}
# The language model that nobody runs: its Service has no pods.
MODEL = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "model"},
    "spec": {"selector": {"app": "model"}, "ports": [{"port": 8000}]},
}
PASSAGE = {
    "chunk_id": "00000000-0000-0000-0000-000000000001",
    "document_id": "00000000-0000-0000-0000-000000000002",
    "document": "tram.md",
    "text": "The first tram leaves the depot at dawn. The last one comes back at midnight. " * 5,
    "score": 0.8,
    "position": 0,
}
QUESTION = {"question": "When does the last tram come back?", "passages": [PASSAGE]}


@dataclass(frozen=True)
class Case:
    """A RAGDeployment whose service is scaled by one metric."""

    name: str
    service: dict[str, Any]
    policy: dict[str, Any]
    request: tuple[str, dict[str, Any]]
    replicas: int
    told: str
    """What the Event says about the step up: a regular expression."""
    clients: int = 4

    @property
    def metric(self) -> dict[str, Any]:
        """The metric it is scaled by."""
        metric: dict[str, Any] = self.policy["metrics"][0]
        return metric


CASES = [
    Case(
        "queue",
        {"type": "Embeddings"},
        {"maxReplicas": 2, "metrics": [{"type": "QueueDepth", "upAbove": 2, "downBelow": 1}]},
        ("/v1/embeddings", EMBEDDING),
        replicas=2,
        told=r"to 2, AboveThreshold: QueueDepth [\d.]+ is above 2",
        clients=8,
    ),
    Case(
        "slow",
        {"type": "Embeddings"},
        {
            "mode": "Proportional",
            "maxReplicas": 3,
            "metrics": [{"type": "ResponseTime", "upAbove": 100, "downBelow": 50}],
            "panicPercent": 1000,
        },
        ("/v1/embeddings", EMBEDDING),
        replicas=3,
        told=r"to 3, AboveTarget: ResponseTime [\d.]+ at a target of 100 asks for \d+",
        clients=8,
    ),
    Case(
        "failing",
        {
            "type": "Generation",
            "generation": {"endpoint": {"baseUrl": "http://model:8000/v1", "model": "none"}},
        },
        {"maxReplicas": 2, "metrics": [{"type": "ErrorRate", "upAbove": 5}]},
        ("/v1/answer", QUESTION),
        replicas=2,
        told=r"to 2, AboveThreshold: ErrorRate 100\.0 is above 5",
    ),
]
AHEAD = {"type": "Generation", "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}}}
PREDICTIVE = {
    "mode": "Predictive",
    "minReplicas": 2,
    "maxReplicas": 3,
    "sampleSeconds": 2,
    "stabilitySeconds": 6,
    "metrics": [{"type": "CPU"}],
}


@dataclass(frozen=True)
class Raised:
    """What was seen of a service while its load made it scale up."""

    status: dict[str, Any]
    calm: datetime
    """When the load had ended."""
    load: Load = field(repr=False)


@pytest.fixture(scope="module")
def system(site: Site) -> Site:
    """All services are ready, side by side."""
    cases = [wanted(case.name, case.service, {**PACE, **case.policy}) for case in CASES]
    site.apply(NAMESPACE, MODEL, *cases, wanted("ahead", AHEAD, PREDICTIVE))
    for name in (*(case.name for case in CASES), "ahead"):
        site.wait_ready(NAMESPACE, name, 180)
    return site


@pytest.fixture(scope="module")
def raised(system: Site) -> dict[str, Raised]:
    """Each service has been under load, one after the other, until it was scaled up."""
    seen = {}
    for case in CASES:
        assert replicas(system, case.name) == 1
        with loaded(system, case) as load:
            status = await_replicas(system, case.name, case.replicas, 60)
        seen[case.name] = Raised(status, datetime.now(UTC), load)
    return seen


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_up_under_load(system: Site, raised: dict[str, Raised], case: Case) -> None:
    seen = raised[case.name]
    (measured,) = seen.status["scaling"]["inputs"]
    assert measured["type"] == case.metric["type"]
    assert measured["value"] > case.metric["upAbove"]
    assert measured["coveragePercent"] == 100
    assert re.search(case.told, event(system, case.name, "ScaledUp"))
    # Only the one whose language model is down fails.
    assert (seen.load.failed > 0, seen.load.answered > 0) == (
        (True, False) if case.name == "failing" else (False, True)
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_down_after_it(system: Site, raised: dict[str, Raised], case: Case) -> None:
    seen = raised[case.name]
    lowered = scaled_at(await_replicas(system, case.name, 1, 90))
    assert lowered - scaled_at(seen.status) >= timedelta(seconds=COOLDOWN)
    # The last answer was given a moment before `calm`, while the clients were stopped.
    assert lowered >= seen.calm + timedelta(seconds=STABILITY - 2 * PACE["sampleSeconds"])
    assert f" {STABILITY} s" in event(system, case.name, "ScaledDown")


def test_a_forecast_under_steady_load_and_no_step_down_while_arrivals_are_unknown(system: Site) -> None:
    def scaling() -> dict[str, Any]:
        found: dict[str, Any] = system.service(NAMESPACE, "ahead", SERVICE).get("scaling", {})
        return found

    with (
        system.api(NAMESPACE, f"ahead-{SERVICE}") as client,
        Load(client, "/v1/answer", QUESTION, clients=2, pause=0.1),
    ):
        forecast = eventually(lambda: scaling().get("forecast"), 120, "there is a forecast")
        assert forecast["model"] in ("LastValue", "Trend", "Seasonal")
        assert forecast["requestsPerSecond"] > 1
        assert forecast["errorPercent"] >= 0
        assert forecast["lastValueErrorPercent"] >= 0
        assert forecast["requestsPerSecondPerReplica"] > 1
        assert forecast["capacityErrorPercent"] >= 0

        blind = {**PREDICTIVE, "endpoint": {"path": "/nothing"}}
        system.apply(NAMESPACE, wanted("ahead", AHEAD, blind))
        eventually(lambda: "forecast" not in scaling(), 60, "there is no forecast without arrivals")
        # One replica would do, and now it may be one.
        system.apply(NAMESPACE, wanted("ahead", AHEAD, {**blind, "minReplicas": 1}))
        throughout(lambda: replicas(system, "ahead") == 2, "no step down without arrivals", 20)
        system.apply(NAMESPACE, wanted("ahead", AHEAD, {**PREDICTIVE, "minReplicas": 1}))
        eventually(lambda: replicas(system, "ahead") == 1, 60, "a step down once they are known again")


def test_from_outside_through_the_api_server(system: Site, tmp_path: Path) -> None:
    case = CASES[0]
    await_replicas(system, case.name, 1, 60)
    with outside(system, tmp_path) as operator:
        eventually(lambda: operator.metric("ragops_leader") == 1, 30, "the operator outside leads")
        mark = system.audit_log.stat().st_size
        with loaded(system, case):
            status = await_replicas(system, case.name, case.replicas, 60)
        (measured,) = status["scaling"]["inputs"]
        assert measured["value"] > case.metric["upAbove"]
        assert measured["coveragePercent"] == 100
        assert f"scale Deployment {case.name}-{SERVICE} to {case.replicas}" in operator.log()
        with system.audit_log.open() as log:
            log.seek(mark)
            assert "/proxy/metrics" in log.read(), "the pods were reached by another way"


def wanted(name: str, service: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    """A RAGDeployment of one service."""
    return rag(name, [{"name": SERVICE, **service, "autoscaling": policy}])


@contextmanager
def loaded(site: Site, case: Case) -> Iterator[Load]:
    """The service is under load."""
    path, body = case.request
    with (
        site.api(NAMESPACE, f"{case.name}-{SERVICE}") as client,
        Load(client, path, body, case.clients) as load,
    ):
        yield load


@contextmanager
def outside(site: Site, folder: Path) -> Iterator[OperatorProcess]:
    """An operator outside the cluster, with the rights of the chart's own, which rests meanwhile."""
    install(site, "--set", "metrics.scrape=proxy")
    scale = ("-n", SYSTEM, "scale", "deployment/ragops")
    site.kubectl(*scale, "--replicas=0")
    try:
        config = yaml.safe_load(site.kubeconfig.read_text())
        token = site.kubectl("-n", SYSTEM, "create", "token", "ragops").strip()
        config["users"][0]["user"] = {"token": token}
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(config))
        own, services, postgres, haproxy = site.images
        settings = {
            "POD_NAMESPACE": SYSTEM,
            "RAGOPS_SCRAPE": "proxy",
            "RAGOPS_IMAGE_SERVICES": services,
            "RAGOPS_IMAGE_POSTGRES": postgres,
            "RAGOPS_IMAGE_HAPROXY": haproxy,
            "RAGOPS_IMAGE_OPERATOR": own,
        }
        operator = OperatorProcess(kubeconfig, NAMESPACE, folder, "outside", settings)
        try:
            yield operator.start()
        finally:
            operator.terminate()
            print(operator.log())  # shown when the test has failed
    finally:
        site.kubectl(*scale, "--replicas=2")
        install(site)


def replicas(site: Site, name: str) -> int:
    """spec.replicas of the workload."""
    count: int = site.get(NAMESPACE, "deployment", f"{name}-{SERVICE}")["spec"]["replicas"]
    return count


def await_replicas(site: Site, name: str, count: int, seconds: float) -> dict[str, Any]:
    """The status of the service once its workload has this many replicas, and status says so."""

    def reached() -> dict[str, Any] | None:
        status = site.service(NAMESPACE, name, SERVICE)
        recorded = status.get("scaling", {}).get("desired") == count
        return status if recorded and replicas(site, name) == count else None

    return eventually(reached, seconds, f"{name} is scaled to {count}", every=0.2)


def scaled_at(status: dict[str, Any]) -> datetime:
    """When the replicas were last changed."""
    return datetime.fromisoformat(status["scaling"]["lastScaleTime"])


def event(site: Site, name: str, reason: str) -> str:
    """The note of an Event about the service; it follows the status that it tells of."""

    def found() -> str | None:
        events = site.get(NAMESPACE, "events.events.k8s.io")
        return next(
            (e["note"] for e in events if (e["reason"], e["regarding"]["name"]) == (reason, name)), None
        )

    return eventually(found, 10, f"{reason} of {name} is told")
