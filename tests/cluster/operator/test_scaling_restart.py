"""Scaling over the end of its operator: by a new process of the same replica, and by another replica.

Two services, one in mode Step and one in mode Proportional, go from 1 replica to 3 under load and to 2 after
it. The leader is killed right after the first scale-up, and in the middle of the stability window.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ragops.cli.main import app

from .audit import Audit, Request
from .conftest import StartOperator, user
from .eventually import eventually
from .playing import playing
from .process import OperatorProcess
from .space import Object, Space, services

ADDRESS = "127.0.1.2"
STEP, PROPORTIONAL = SERVICES = ("generation", "embeddings")
REPLICAS = ("ragops-0", "ragops-1", "ragops-2")
METRIC = {"type": "QueueDepth", "upAbove": 70, "downBelow": 30}
BUSY = 90
"""Asks for one more replica where there are one or two."""
CALM = {STEP: (5,), PROPORTIONAL: (40, 5)}
"""At 40 Proportional would do with two of three replicas, at 5 with one: the stability window has a demand
for two in it, so two it must be."""

Successor = Callable[[OperatorProcess], OperatorProcess]
"""From the process that was killed to the one that acts from now on."""


@dataclass
class Pods:
    """The metrics endpoint of all pods: the length of each pod's queue, by service."""

    port: int = 0
    depths: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SERVICES, BUSY))


@pytest.fixture
def played() -> Iterator[Pods]:
    """Plays the pods."""
    pods = Pods()
    with playing(ADDRESS, lambda path: f"ragservices_queue_depth {pods.depths[path[1:]]}\n") as pods.port:
        yield pods


@dataclass(frozen=True)
class Stage:
    """Where the story takes place."""

    space: Space
    audit: Audit
    pods: Pods
    seconds: int
    """Cooldown and stability window. A successor must be at work before they are over."""

    def begin(self) -> None:
        """Both services, with one replica each."""
        pace: Object = {"sampleSeconds": 1, "stabilitySeconds": self.seconds, "cooldownSeconds": self.seconds}
        auto: Object = {"maxReplicas": 3, "metrics": [METRIC], **pace}
        # Neither begins at once, nor does the default let it pass the cooldown.
        steady: Object = {"scaleUpCooldownSeconds": self.seconds, "panicPercent": 1000}
        blocks = {
            STEP: {**auto, "endpoint": {"port": self.pods.port, "path": f"/{STEP}"}},
            PROPORTIONAL: {
                **auto,
                **steady,
                "mode": "Proportional",
                "endpoint": {"port": self.pods.port, "path": f"/{PROPORTIONAL}"},
            },
        }
        wanted = {name: {"autoscaling": block} for name, block in blocks.items()}
        self.space.apply_rag(services(*SERVICES, **wanted))
        self.space.await_ready()

    def await_pods(self, count: int) -> None:
        """Waits for so many pods of each service, whose addresses lead to the played ones."""

        def are_there() -> bool:
            found = [self.space.pods(service) for service in SERVICES]
            for pod in (pod for pods in found for pod in pods):
                self.space.lead(pod, ADDRESS)
            return all(len(pods) == count for pods in found)

        eventually(are_there, f"each service has {count} pods")

    def scalings(self, service: str) -> list[Request]:
        """All changes of replicas by any operator."""
        writes = [write for name in REPLICAS for write in self.audit.writes(user(self.space, name))]
        found = [w for w in writes if (w.resource, w.name) == ("deployments/scale", f"demo-{service}")]
        return sorted(found, key=lambda write: write.received)

    def await_scalings(self, count: int, timeout: float) -> None:
        """Waits for so many changes of each service since the begin."""
        eventually(
            lambda: all(len(self.scalings(service)) == count for service in SERVICES),
            f"{count} changes of each service",
            timeout,
        )

    def await_calm(self) -> dict[str, datetime]:
        """Ends the load, and waits until that is in status: since when, by service."""
        since = {}
        for service in SERVICES:
            for depth in CALM[service]:
                before = self._scaling(service)
                self.pods.depths[service] = depth
                calm = eventually(
                    lambda service=service, before=before: (
                        (s := self._scaling(service)) != before and s.get("stableSince")
                    ),
                    f"{service} has become calmer",
                )
            since[service] = datetime.fromisoformat(calm)
        return since

    def _scaling(self, service: str) -> Object:
        scaling: Object = self.space.service(service)["scaling"]
        return scaling


def test_a_new_process_goes_on_where_the_killed_one_was(
    space: Space, audit: Audit, played: Pods, start_operator: StartOperator, tmp_path: Path
) -> None:
    log = tmp_path / "decisions.jsonl"

    def start() -> OperatorProcess:
        return start_operator(RAGOPS_SCRAPE="direct", RAGOPS_DECISION_LOG=str(log))

    stage = Stage(space, audit, played, seconds=8)
    tell(stage, start(), lambda _: start())
    assert [space.replicas(service) for service in SERVICES] == [2, 2]
    assert_replays(log)


def test_another_replica_goes_on_where_the_killed_leader_was(
    space: Space, audit: Audit, played: Pods, start_operator: StartOperator, tmp_path: Path
) -> None:
    logs = {name: tmp_path / f"{name}.jsonl" for name in REPLICAS}
    alive = [
        start_operator(name, RAGOPS_SCRAPE="direct", RAGOPS_DECISION_LOG=str(log))
        for name, log in logs.items()
    ]

    def leader() -> OperatorProcess:
        return eventually(
            lambda: next((replica for replica in alive if replica.metric("ragops_leader") == 1), None),
            "one of the replicas leads",
        )

    def successor(killed: OperatorProcess) -> OperatorProcess:
        alive.remove(killed)
        return leader()

    # The lease runs out 10 seconds after its last renewal. Should the takeover last for more than 15 seconds,
    # that is a gap in the calm, which then begins anew: later, and without the demand of before.
    tell(Stage(space, audit, played, seconds=20), leader(), successor)
    for log in logs.values():
        assert_replays(log)


def tell(stage: Stage, leader: OperatorProcess, successor: Successor) -> None:
    """The story, with all that must be so in it."""
    window = timedelta(seconds=stage.seconds)
    stage.begin()
    stage.await_pods(1)
    stage.await_scalings(1, timeout=30)
    leader.kill()
    stage.await_pods(2)
    leader = successor(leader)
    # The status of the killed one may not have been written: the cooldown counts all the same.
    stage.await_scalings(2, timeout=3 * stage.seconds)
    stage.await_pods(3)

    since = stage.await_calm()
    leader.kill()
    successor(leader)
    stage.await_scalings(3, timeout=4 * stage.seconds)
    for service in SERVICES:
        first, second, third = stage.scalings(service)
        # What counts is the time of the decision, a moment before its request.
        assert second.received - first.received >= window - timedelta(seconds=1)
        assert third.received - second.received >= window
        assert third.received >= since[service] + window


def assert_replays(log: Path) -> None:
    """All decisions in a log come out the same when they are made again."""
    done = CliRunner().invoke(app, ["replay", str(log)])
    assert done.exit_code == 0, done.output
    assert "cannot be compared" not in done.stdout
