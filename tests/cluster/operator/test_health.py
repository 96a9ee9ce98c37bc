"""Health by the operator's own checks of pods: their addresses lead to a server of this test."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from ..conftest import Cluster
from .audit import Audit
from .conftest import StartOperator, user
from .eventually import eventually, throughout
from .process import OperatorProcess
from .space import Object, Space, services

PORT = 8080
"""Where services answer."""
ADDRESSES = {
    "embeddings": "127.0.9.1",
    "retrieval": "127.0.9.2",
    "generation": "127.0.9.3",
    "api": "127.0.9.4",
}
NOBODY = "127.0.9.9"
CHECK: Object = {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 3, "successThreshold": 2}
QUIET_SECONDS = 8.0


@dataclass
class Played:
    """What the pods of each service answer: a status."""

    answers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ADDRESSES, 200))
    once: dict[str, int] = field(default_factory=dict)
    """To the next check alone."""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def count(self, service: str) -> int:
        """How often the pods of a service have been asked."""
        return sum(name == service for name, _ in self.asked)

    def await_checks(self, service: str, count: int) -> None:
        """Waits for so many more checks."""
        before = self.count(service)
        eventually(lambda: self.count(service) >= before + count, f"{count} checks of {service}")


@pytest.fixture
def played() -> Iterator[Played]:
    """Plays the pods."""
    names = {address: name for name, address in ADDRESSES.items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = names[self.connection.getsockname()[0]]
            pods.asked.append((name, self.path))
            self.send_response(pods.once.pop(name, pods.answers[name]))
            self.send_header("Location", f"http://{ADDRESSES['api']}:{PORT}/followed")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the log of the test is for others."""

    pods = Played()
    with ExitStack() as playing:
        for address in names:
            server = playing.enter_context(ThreadingHTTPServer((address, PORT), Handler))
            Thread(target=server.serve_forever, daemon=True).start()
            playing.callback(server.shutdown)
        yield pods


def address(space: Space, service: str, to: str) -> None:
    """Gives the pods of a service an address, as a kubelet does."""
    for pod in space.pods(service):
        space.lead(pod, to)


def begin(space: Space, *names: str, **changes: Object) -> None:
    """The services are ready, and their pods are reached."""
    blocks = {name: {"health": {"check": CHECK}, **changes.get(name, {})} for name in names}
    space.apply_rag(services(*names, **blocks))
    space.await_ready()
    for name in names:
        address(space, name, ADDRESSES[name])


def health(space: Space, service: str) -> Object:
    """The health of a service in status."""
    found: Object = space.service(service)["health"]
    return found


def await_health(space: Space, service: str, state: str) -> Object:
    """Waits for a state. Returns the health."""
    eventually(lambda: health(space, service)["state"] == state, f"{service} is {state}")
    return health(space, service)


def reading(operator: OperatorProcess, space: Space, service: str) -> Object:
    """What the status server says of a service."""
    url = f"http://127.0.0.1:{operator.port}/v1/health/{space.namespace}/demo"
    found: Object = next(s for s in httpx.get(url).json()["services"] if s["service"] == service)
    return found


def status_writes(space: Space, audit: Audit, since: int) -> int:
    writes = audit.writes(user(space), since)
    return sum(write.resource == "ragdeployments/status" for write in writes)


def test_a_failing_check_reaches_the_dependents_and_its_end_clears_all(
    space: Space, start_operator: StartOperator, audit: Audit, played: Played
) -> None:
    operator = start_operator(RAGOPS_SCRAPE="direct")
    chain = ("embeddings", "retrieval", "generation", "api")
    begin(space, *chain)
    eventually(lambda: reading(operator, space, "api")["checksAnswered"], "the pods are reached")
    for name in chain:
        played.await_checks(name, 3)

    # One lost check is no outage, and nothing is written while all is well.
    played.once = dict.fromkeys(chain, 500)
    audit.assert_no_writes(user(space), QUIET_SECONDS)
    assert played.once == {}
    assert [c["verdict"] for c in reading(operator, space, "api")["checks"]] == ["Good"]

    played.answers["embeddings"] = 307
    sick = await_health(space, "embeddings", "Unhealthy")
    assert sick["reason"] == "CheckFailing"
    assert sick["details"] == "the check /readyz fails on the only ready pod (redirect, status 307)"
    assert "causedBy" not in sick
    for name in ("retrieval", "api"):
        told = await_health(space, name, "Degraded")
        assert (told["causedBy"], told["details"]) == ("embeddings", "embeddings is Unhealthy")
        assert space.state(name) == "Ready"
    assert health(space, "generation")["state"] == "Healthy"
    for kind, status in (("Ready", "False"), ("Degraded", "True")):
        condition = space.condition(kind)
        assert condition["status"] == status
        assert condition["message"].startswith("embeddings is Unhealthy: ")
        assert condition["message"].endswith(", which degrades retrieval, api")
    rag = f'namespace="{space.namespace}",rag="demo"'
    assert operator.metric(f'ragops_service_health{{{rag},service="embeddings",state="Unhealthy"}}') == 1
    failed = operator.metric(f'ragops_health_checks_total{{{rag},result="failed",service="embeddings"}}')
    assert (failed or 0) >= 3
    assert not any(path == "/followed" for _, path in played.asked)
    audit.assert_no_writes(user(space), QUIET_SECONDS)

    mark = audit.mark()
    played.answers["embeddings"] = 204
    await_health(space, "embeddings", "Healthy")
    assert all(health(space, name)["state"] == "Healthy" for name in chain)
    assert space.condition("Ready")["status"] == "True"
    assert space.condition("Degraded")["status"] == "False"
    assert status_writes(space, audit, mark) == 1


def test_a_new_process_keeps_the_health_until_it_knows_better(
    space: Space, start_operator: StartOperator, audit: Audit, played: Played
) -> None:
    operator = start_operator(RAGOPS_SCRAPE="direct")
    slow: Object = {"health": {"check": {**CHECK, "successThreshold": 5}}}
    begin(space, "generation", "api", generation=slow)
    played.answers["generation"] = 500
    before = await_health(space, "generation", "Unhealthy")
    await_health(space, "api", "Degraded")
    operator.kill()
    mark = audit.mark()
    played.answers["generation"] = 200
    operator = start_operator(RAGOPS_SCRAPE="direct")
    played.await_checks("generation", 3)
    assert health(space, "generation") == before
    assert audit.writes(user(space), mark) == []
    after = await_health(space, "generation", "Healthy")
    assert datetime.fromisoformat(after["lastTransition"]) > datetime.fromisoformat(before["lastTransition"])
    assert health(space, "api")["state"] == "Healthy"


def test_pods_that_answer_nobody_are_not_held_against_them(
    space: Space, start_operator: StartOperator, audit: Audit
) -> None:
    operator = start_operator(RAGOPS_SCRAPE="direct")
    space.apply_rag(services("generation", generation={"health": {"check": CHECK}}))
    space.await_ready()
    address(space, "generation", NOBODY)

    def failed() -> bool:
        checks = reading(operator, space, "generation")["checks"]
        return [c["verdict"] for c in checks] == ["Failing"]

    eventually(failed, "the checks fail")
    audit.assert_no_writes(user(space), QUIET_SECONDS)
    found = reading(operator, space, "generation")
    assert (found["state"], found["checksAnswered"]) == ("Healthy", False)
    assert "no connection" in found["checks"][0]["trouble"]


def test_new_pods_do_not_degrade_and_lost_ones_do(space: Space, operator: OperatorProcess) -> None:
    space.apply_rag(services("generation", generation={"image": "test/held:1", "replicas": 2}))
    space.set_ready("generation")
    space.await_ready()
    old = [pod["metadata"]["name"] for pod in space.pods("generation")]

    space.apply_rag(services("generation", generation={"image": "test/held:1", "replicas": 4}))
    eventually(lambda: space.service("generation")["replicas"] == 4, "two pods more")
    healthy: Callable[[], bool] = lambda: health(space, "generation")["state"] == "Healthy"  # noqa: E731
    throughout(healthy, "it stays Healthy while they start", 5.0)

    gone = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}
    space.patch("Pod", old[0], {"status": gone}, "status", by="kubelet")
    told = await_health(space, "generation", "Degraded")
    assert (told["reason"], told["details"]) == ("PodsNotReady", "1 of 4 pods are ready")
    space.set_ready("generation")
    await_health(space, "generation", "Healthy")
    assert operator.metric('ragops_unexpected_errors_total{where="pass"}') is None


def own_address() -> str:
    """An address of this machine that the API server proxies to: it refuses those of 127.0.0.0/8."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


def test_through_the_api_server(cluster: Cluster, space: Space, start_operator: StartOperator) -> None:
    """It says whether the pod or itself has answered; the pod that does not answer any more is sick."""
    reached = own_address()
    statuses = {"now": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses["now"])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    operator = start_operator(RAGOPS_SCRAPE="proxy")
    space.apply_rag(services("generation", generation={"health": {"check": CHECK}}))
    space.await_ready()
    with ThreadingHTTPServer((reached, PORT), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address(space, "generation", reached)

        def verdict() -> str:
            return str(reading(operator, space, "generation")["checks"][0]["verdict"])

        def blocked() -> str:
            return str(reading(operator, space, "generation")["checksBlocked"])

        eventually(lambda: blocked() == "status 403 of the API server", "the operator may not ask it yet")
        within = ("--namespace", space.namespace)
        cluster.run("create", "role", "proxy", "--verb=get", "--resource=pods/proxy", *within)
        account = f"--serviceaccount={space.namespace}:{operator.name}"
        cluster.run("create", "rolebinding", "proxy", "--role=proxy", account, *within)
        eventually(lambda: verdict() == "Good", "the pod answers")
        statuses["now"] = 302
        told = await_health(space, "generation", "Unhealthy")
        assert "redirect, status 302" in told["details"]
        statuses["now"] = 200
        await_health(space, "generation", "Healthy")
        server.shutdown()
    told = await_health(space, "generation", "Unhealthy")
    assert told["details"] == "the check /readyz fails on the only ready pod (no connection)"
