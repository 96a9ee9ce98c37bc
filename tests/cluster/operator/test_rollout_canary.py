"""Canary rollouts, judged by what the pods of both versions tell: their addresses lead to this test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from .audit import Audit
from .conftest import StartOperator, user
from .eventually import eventually
from .playing import playing
from .serving import Serving
from .space import Object, Space, services
from .test_rollout_bluegreen import CANDIDATE, await_phase, await_rolled_out, rollout, stable_image

ADDRESSES = {"stable": "127.0.1.1", "candidate": "127.0.1.2"}


@dataclass
class Pods:
    """All pods of a variant: each scrape finds a hundred requests more."""

    failing: int = 0
    """Of a hundred requests."""
    requests: int = 0
    errors: int = 0

    def __call__(self, _: str) -> str:
        self.requests += 100
        self.errors += self.failing
        return (
            f"ragservices_requests_total {self.requests}\n"
            f"ragservices_errors_total {self.errors}\n"
            f"ragservices_request_seconds_count {self.requests}\n"
            f"ragservices_request_seconds_sum {self.requests / 10}\n"
        )


Fail = Callable[[str, int], None]


@pytest.fixture
def played() -> Iterator[tuple[int, Fail]]:
    """Port of the played pods, and a way to make a variant fail so many of a hundred requests."""
    pods = {variant: Pods() for variant in ADDRESSES}

    def fail(variant: str, errors: int) -> None:
        pods[variant].failing = errors

    with ExitStack() as servers:
        port = 0
        for variant, address in ADDRESSES.items():
            port = servers.enter_context(playing(address, pods[variant], port))
        yield port, fail


def service(port: int, image: str = "test/services:1", pause: int = 2, **rollout: str) -> list[Object]:
    steps = [{"weightPercent": weight, "pauseSeconds": pause} for weight in (25, 50)]
    autoscaling = {"minReplicas": 2, "metrics": [{"type": "CPU"}], "endpoint": {"port": port}}
    strategy = {"strategy": "Canary", "canary": {"steps": steps}, **rollout}
    return services(
        "generation", generation={"image": image, "rollout": strategy, "autoscaling": autoscaling}
    )


def lead_pods(space: Space) -> None:
    """The addresses of all pods lead to the servers of their variants."""
    for pod in space.pods("generation"):
        space.lead(pod, ADDRESSES[pod["metadata"]["labels"]["ragops.dev/variant"]])


def images(space: Space) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in space.pods("generation")}


def await_first(space: Space, port: int) -> None:
    space.apply_rag(service(port))
    space.await_ready()
    eventually(lambda: stable_image(space) == "test/services:1", "the first version is recorded")
    eventually(lambda: len(space.pods("generation")) == 2, "two pods")


def test_a_good_version_goes_through_its_steps(
    space: Space, start_operator: StartOperator, audit: Audit, played: tuple[int, Fail]
) -> None:
    port, _ = played
    start_operator(RAGOPS_SCRAPE="direct")
    await_first(space, port)
    with Serving(space, "generation", least=2) as serving:
        space.apply_rag(service(port, "test/services:2"))
        # Nobody has measured anything yet: that is not good.
        paused = await_phase(space, "Paused")
        assert (paused["reason"], paused["step"], paused["weightPercent"]) == ("Inconclusive", 0, 25)
        assert space.get("Deployment", CANDIDATE)["spec"]["replicas"] == 1
        assert "ragops.dev/variant" not in space.get("Service", "demo-generation")["spec"]["selector"]
        assert space.condition("Degraded")["status"] == "False"
        lead_pods(space)
        eventually(lambda: rollout(space).get("step") == 1, "the second step", 60)

        def promoted() -> bool:
            lead_pods(space)
            return stable_image(space) == "test/services:2"

        eventually(promoted, "it is promoted", 90)
        await_rolled_out(space, "test/services:2")
    assert serving.images == {"test/services:1", "test/services:2"}
    audit.assert_no_writes(user(space), 5)


def test_a_bad_version_is_taken_back(
    space: Space, start_operator: StartOperator, played: tuple[int, Fail]
) -> None:
    port, fail = played
    start_operator(RAGOPS_SCRAPE="direct")
    await_first(space, port)
    fail("candidate", 20)
    fail("stable", 2)
    with Serving(space, "generation", least=2):
        space.apply_rag(service(port, "test/services:2"))
        await_phase(space, "Shifting")
        lead_pods(space)
        eventually(lambda: rollout(space).get("phase") == "Aborted", "it is taken back", 60)
        told = rollout(space)
        assert told["reason"] == "AnalysisFailed"
        assert "20.0 % of its requests failed, 2.0 % of the old version's" in told["message"]
        eventually(lambda: space.find("Deployment", CANDIDATE) is None, "the candidate is gone")
        assert space.condition("Degraded")["reason"] == "RolloutAborted"
    eventually(lambda: images(space) == {"test/services:1"}, "its pods too")


def test_a_person_promotes_and_the_scaler_goes_on(
    space: Space, start_operator: StartOperator, played: tuple[int, Fail]
) -> None:
    port, _ = played
    start_operator(RAGOPS_SCRAPE="direct")
    await_first(space, port)
    space.apply_rag(service(port, "test/services:2", promotion="Manual"))
    revision = await_phase(space, "Paused")["revision"]
    # The scaler's size of the own workload is the measure of the candidate's.
    changed = service(port, "test/services:2", promotion="Manual")
    changed[0]["autoscaling"]["minReplicas"] = 8
    space.apply_rag(changed)
    eventually(lambda: space.replicas("generation") == 8, "the scaler goes on")
    eventually(lambda: space.get("Deployment", CANDIDATE)["spec"]["replicas"] == 2, "a quarter of it")
    command = {"metadata": {"annotations": {"rollout.ragops.dev/generation": f"promote:{revision}"}}}
    space.patch("RAGDeployment", "demo", command)
    eventually(lambda: stable_image(space) == "test/services:2", "it is promoted", 60)
    assert space.replicas("generation") == 8
