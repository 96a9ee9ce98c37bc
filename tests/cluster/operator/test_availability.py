"""Three replicas, and a leader that is killed, frozen or cut off: another one takes over, and one alone acts.

Shown by the audit log: what the old leader has sent is over, or is refused, once the new one writes.
"""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from ..conftest import Cluster
from .audit import Audit, Request
from .conftest import StartOperator, user
from .eventually import eventually
from .forwarder import Forwarder, Way, forwarding
from .process import OperatorProcess
from .space import Space, services

REPLICAS = ("ragops-0", "ragops-1", "ragops-2")
TAKEOVER = timedelta(seconds=15)


@dataclass(frozen=True)
class Installation:
    """Three replicas of which ragops-0 leads, each with a way of its own to the API server."""

    processes: dict[str, OperatorProcess]
    ways: dict[str, Forwarder]

    def kill(self) -> None:
        """The leader, by SIGKILL."""
        self.processes["ragops-0"].kill()

    def freeze(self) -> None:
        """The leader."""
        self.processes["ragops-0"].signal(signal.SIGSTOP)

    def mend(self) -> None:
        """What was done to the leader, as far as that is possible."""
        self.processes["ragops-0"].signal(signal.SIGCONT)
        self.ways["ragops-0"].set(Way.OPEN)


@pytest.fixture
def installed(cluster: Cluster, start_operator: StartOperator) -> Iterator[Installation]:
    """All are ready, and the first leads."""
    server = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    with ExitStack() as open_until_the_end:
        processes, ways = {}, {}
        for name in REPLICAS:
            way = open_until_the_end.enter_context(forwarding(int(server.rpartition(":")[2])))
            processes[name], ways[name] = start_operator(name, server=way.url), way
            eventually(lambda: processes["ragops-0"].metric("ragops_leader") == 1, "the first one leads")
        yield Installation(processes, ways)


TROUBLES: dict[str, Callable[[Installation], None]] = {
    "killed": Installation.kill,
    "frozen": Installation.freeze,
    "cut off, told": lambda installed: installed.ways["ragops-0"].set(Way.REFUSED),
    "cut off, silently": lambda installed: installed.ways["ragops-0"].set(Way.DROPPED),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_one_of_the_others_takes_over(
    space: Space, installed: Installation, audit: Audit, trouble: Callable[[Installation], None]
) -> None:
    space.apply_rag(services())
    space.await_ready()
    assert all(installed.processes[name].metric("ragops_leader") == 0 for name in REPLICAS[1:])
    before = space.identities()

    trouble(installed)
    at = datetime.now(UTC)
    space.apply_rag(services(generation={"replicas": 2}))
    space.delete("Service", "demo-api")
    eventually(lambda: space.replicas("generation") == 2, "another one acts", 20)
    eventually(lambda: space.find("Service", "demo-api"), "and repairs")
    leader, first = _successor(audit, space)
    assert first.received - at < TAKEOVER
    _assert_warm(audit, space, leader, first)

    if trouble is not Installation.kill:
        installed.mend()
        eventually(lambda: installed.processes["ragops-0"].metric("ragops_leader") == 0, "it notices")
        eventually(installed.processes["ragops-0"].is_ready, "it stands by")
    space.delete("Service", "demo-generation")
    eventually(lambda: space.find("Service", "demo-generation"), "the new leader goes on")
    space.await_ready()
    _assert_over(audit, space, first)
    other = next(name for name in REPLICAS[1:] if name != leader)
    assert audit.writes(user(space, other)) == [], "the third has nothing to do"
    kept = {key: identity for key, identity in space.identities().items() if key[0] == "Deployment"}
    assert kept.keys() == {key for key in before if key[0] == "Deployment"}
    assert all(kept[key] == before[key] for key in kept if key[1] != "demo-generation"), "nothing done twice"


def test_a_write_that_was_held_up_on_its_way_does_not_undo_what_the_next_leader_did(
    space: Space, installed: Installation, audit: Audit
) -> None:
    """The old leader sees what happens, and its writes arrive long after it has lost the lease."""
    space.apply_rag(services("generation", "retrieval", retrieval={"dependsOn": []}))
    space.await_ready()
    eventually(lambda: "Ready" in {e["reason"] for e in space.all_of("Event")}, "the last write is through")
    way = installed.ways["ragops-0"]
    way.set(Way.HELD)
    # Something to repair for the old leader, and it will not know of what is wanted later.
    evil = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "evil:1"}]}}}}
    space.strategic_patch("Deployment", "demo-generation", evil)
    eventually(lambda: "apply Deployment demo-generation" in installed.processes["ragops-0"].log(), "sent")
    eventually(lambda: _image(space) == "test/services:1", "another one repairs", 20)
    _, first = _successor(audit, space)
    space.apply_rag(services("generation", "retrieval", generation=NEW, retrieval={"dependsOn": []}))
    eventually(lambda: _image(space) == "test/services:2", "and goes on")
    space.await_ready()
    changed = space.identities()

    mark = audit.mark()
    way.set(Way.OPEN)
    eventually(lambda: installed.processes["ragops-0"].metric("ragops_leader") == 0, "it notices")
    late = eventually(lambda: audit.writes(user(space, "ragops-0"), mark), "what was held up arrives")
    assert [(w.resource, w.name, w.status) for w in late] == [("deployments", "demo-generation", 409)]
    _assert_over(audit, space, first)
    assert space.identities() == changed


NEW = {"image": "test/services:2"}


def _image(space: Space) -> str:
    containers = space.get("Deployment", "demo-generation")["spec"]["template"]["spec"]["containers"]
    image: str = containers[0]["image"]
    return image


def _successor(audit: Audit, space: Space) -> tuple[str, Request]:
    """Who has taken over, and its first write."""
    firsts = {name: audit.writes(user(space, name))[:1] for name in REPLICAS[1:]}
    (found,) = [(name, writes[0]) for name, writes in firsts.items() if writes]
    return found


def _assert_over(audit: Audit, space: Space, first: Request) -> None:
    """No write of the old leader has had an effect since the new one began."""
    writes = audit.writes(user(space, "ragops-0"))
    assert writes
    assert [w for w in writes if w.completed > first.received and w.status < 400] == []


def _assert_warm(audit: Audit, space: Space, leader: str, first: Request) -> None:
    """It acts at once, after one look at whether its watches have missed anything."""
    requests = audit.requests(user(space, leader))
    taken = next(r for r in requests if (r.resource, r.verb, r.status) == ("leases", "update", 200))
    between = [r for r in requests if taken.completed <= r.completed <= first.received]
    lists = Counter(r.resource for r in between if r.verb == "list")
    lists["configmaps"] -= 1  # what the leader before has learned
    assert set(lists.values()) <= {0, 1}, lists
    assert first.received - taken.completed < timedelta(seconds=2)
