"""The health of services in the pass: what reaches whom, what is written, and what outlives a restart."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.unit.operator.world import World, rag_of, six

from ragops.api.health import HealthCheckSpec
from ragops.api.status import HealthState, HealthStatus
from ragops.health.assess import Evidence
from ragops.health.checks import CheckResult, Checks
from ragops.health.figures import Requests, with_sample
from ragops.orchestration.actions import Plan
from ragops.orchestration.observation import PodView
from ragops.resources.child import ChildRef, ref_of
from ragops.resources.variant import Variant


def on(*names: str, required: bool = True) -> dict[str, Any]:
    return {"dependsOn": [{"name": name, "required": required} for name in names]}


def graph(**upstreams: tuple[str, ...]) -> list[dict[str, Any]]:
    """Services of type Generation with these dependencies."""
    return [{"name": name, "type": "Generation", **on(*above)} for name, above in upstreams.items()]


def ready(services: list[dict[str, Any]], **spec: Any) -> World:
    """All services are ready, with one pod each that has a uid."""
    world = World(rag_of(services, **spec))
    for _ in range(len(services) + 1):
        world.step()
        world.make_ready(*world.started())
    world.pods = [
        PodView(f"{s.name}-1", s.name, ready=True, terminating=False, uid=s.name)
        for s in world.rag.spec.services
    ]
    world.step()
    assert world.condition("Ready")[0] == "True"
    assert world.step().quiet
    return world


def healths(world: World) -> dict[str, tuple[str, str | None]]:
    """State and cause of all services."""
    return {s.name: (str(s.health.state), s.health.caused_by) for s in world.rag.status.services}


def check(world: World, service: str, results: str, answered: bool = True) -> None:
    """Checks of the pod of a service: + for a good one, - for a failed one."""
    spec = HealthCheckSpec()
    evidence = world.evidence.get(service, Evidence())
    checks = evidence.checks
    for good in results:
        result = CheckResult(world.now, good == "+", answered, 0.05, None if good == "+" else "status 500")
        checks = checks.after(service, result, spec)
    world.evidence[service] = replace(evidence, checks=checks)


def serve(
    world: World, service: str, failed: float, each_ms: float, seconds: int, count: float = 100
) -> list[Plan]:
    """Requests to a service for some time, measured every ten seconds. Returns the plans of all passes."""
    plans = []
    for _ in range(seconds // 10):
        evidence = world.evidence.get(service, Evidence())
        sample = Requests(world.now, count, failed, count, count * each_ms)
        world.evidence[service] = replace(evidence, requests=with_sample(evidence.requests, sample))
        plans.append(world.step(seconds=10))
    return plans


def restarted(world: World) -> World:
    """The operator is a new process: it knows what status tells, and nothing else."""
    world.last = Plan()
    world.evidence = {}
    return world


DIAMOND = graph(top=("left", "right"), left=("bottom",), right=("bottom",), bottom=())
CHAIN = graph(**{f"s{n}": (f"s{n - 1}",) if n else () for n in range(32)})
TWO = graph(api=("db", "llm"), db=(), llm=(), alone=())


def test_a_diamond() -> None:
    world = ready(DIAMOND)
    world.make_ready("bottom", ready=0)
    world.step()
    by_bottom = ("Degraded", "bottom")
    assert healths(world) == {
        "top": by_bottom,
        "left": by_bottom,
        "right": by_bottom,
        "bottom": ("Unhealthy", None),
    }
    world.make_ready("left", ready=0)
    world.step()
    assert healths(world)["left"] == ("Unhealthy", None), "its own cause"
    assert healths(world)["top"] == by_bottom


def test_a_long_chain_names_the_root_and_recovers_in_one_pass() -> None:
    world = ready(CHAIN)
    world.make_ready("s0", ready=0)
    world.step()
    assert set(healths(world).values()) == {("Unhealthy", None), ("Degraded", "s0")}
    for kind in ("Ready", "Degraded"):
        message = next(c.message for c in world.rag.status.conditions if c.type == kind)
        assert message.startswith("s0 is ")
        assert ", which degrades s1, s2, " in message
    assert world.step(seconds=3600).quiet
    world.make_ready("s0")
    world.step()
    assert set(healths(world).values()) == {("Healthy", None)}
    assert world.condition("Ready")[0] == "True"
    assert world.condition("Degraded")[0] == "False"
    assert world.step(seconds=3600).quiet


def test_several_roots_at_once() -> None:
    world = ready(TWO)
    world.make_ready("db", "llm", ready=0)
    world.step()
    assert healths(world)["api"] == ("Degraded", "db, llm")
    assert world.service("api").health.details == "db, llm are Unhealthy"
    assert healths(world)["alone"] == ("Healthy", None)
    world.make_ready("db")
    world.step()
    assert healths(world)["api"] == ("Degraded", "llm")
    world.make_ready("llm")
    world.step()
    assert healths(world)["api"] == ("Healthy", None)


def test_trouble_of_its_own_is_told_beside_the_upstreams() -> None:
    world = ready(graph(api=("db",), db=()))
    scaled = rag_of([{**s, "replicas": 2} for s in graph(api=("db",), db=())])
    world.rag = scaled.model_copy(update={"status": world.rag.status})
    world.step()
    world.make_ready("api", "db")
    world.step()
    world.make_ready("api", ready=1)
    world.make_ready("db", ready=0)
    world.step()
    found = world.service("api").health
    assert (found.state, found.caused_by, found.reason) == (HealthState.DEGRADED, "db", "PodsNotReady")
    assert found.details == "1 of 2 pods are ready; db is Unhealthy"


def test_an_optional_dependency_degrades_but_does_not_hold_up() -> None:
    services = [
        {"name": "api", "type": "OrchestrationAPI", **on("llm", required=False)},
        {"name": "llm", "type": "Generation", "startup": {"timeoutSeconds": 10}},
    ]
    world = World(rag_of(services))
    world.step()
    assert world.started() == {"api", "llm"}
    world.make_ready("api")
    world.step(seconds=20)
    assert healths(world)["api"] == ("Healthy", None)
    world.step()
    assert healths(world) == {"api": ("Degraded", "llm"), "llm": ("Unhealthy", None)}
    assert world.service("llm").health.reason == "StartFailed"
    world.make_ready("llm")
    world.step()
    assert set(healths(world).values()) == {("Healthy", None)}


def test_degraded_upstreams_reach_nobody() -> None:
    world = ready(TWO)
    limited = [{**s, "health": {"maxErrorPercent": 5}} if s["name"] == "db" else s for s in TWO]
    world.rag = rag_of(limited).model_copy(update={"status": world.rag.status})
    serve(world, "db", failed=50, each_ms=1, seconds=60)
    assert healths(world) == {
        "api": ("Healthy", None),
        "db": ("Degraded", None),
        "llm": ("Healthy", None),
        "alone": ("Healthy", None),
    }
    assert world.condition("Ready")[0] == "True"
    assert world.condition("Degraded") == ("True", "ServicesDegraded")


def test_checks_decide_over_ready_pods() -> None:
    world = ready(TWO)
    check(world, "db", "++")
    assert world.step().quiet
    check(world, "db", "--")
    assert world.step().quiet, "two lost checks are no outage"
    check(world, "db", "-")
    world.step()
    assert healths(world)["db"] == ("Unhealthy", None)
    assert healths(world)["api"] == ("Degraded", "db")
    assert world.condition("Ready") == ("False", "ServicesUnhealthy")
    check(world, "db", "----")
    assert world.step().quiet
    check(world, "db", "+")
    assert world.step().quiet, "nor is one that was good the end of one"
    check(world, "db", "+")
    world.step()
    assert healths(world)["api"] == ("Healthy", None)


def test_checks_that_were_never_answered_write_nothing() -> None:
    world = ready(TWO)
    for _ in range(100):
        check(world, "db", "-", answered=False)
        assert world.step().quiet


def test_checks_that_are_turned_off_are_forgotten() -> None:
    world = ready(TWO)
    check(world, "db", "++---")
    world.step()
    assert healths(world)["db"] == ("Unhealthy", None)
    off = [{**s, "health": {"check": {"enabled": False}}} if s["name"] == "db" else s for s in TWO]
    world.rag = rag_of(off).model_copy(update={"status": world.rag.status})
    world.step()
    assert healths(world)["db"] == ("Healthy", None)


LIMITS = [{**TWO[1], "health": {"maxErrorPercent": 5, "maxResponseTimeMs": 500}}]


@pytest.mark.parametrize(
    ("failed", "each_ms", "reason", "details"),
    [
        (50, 100, "TooManyErrors", "more than 5 % of the requests fail"),
        (0, 900, "TooSlow", "the mean response time is above 500 ms"),
    ],
)
def test_figures_above_a_threshold(failed: float, each_ms: float, reason: str, details: str) -> None:
    world = ready(LIMITS)
    assert all(p.quiet for p in serve(world, "db", failed=4, each_ms=499, seconds=300))
    assert all(p.quiet for p in serve(world, "db", failed, each_ms, seconds=20))
    serve(world, "db", failed, each_ms, seconds=80)
    found = world.service("db").health
    assert (found.state, found.reason, found.details) == (HealthState.DEGRADED, reason, details)
    # The figures are those of the transition, and nothing is written while they move.
    assert all(p.quiet for p in serve(world, "db", failed * 1.5, each_ms * 1.5, seconds=600))
    # Just below is not well yet.
    assert all(p.quiet for p in serve(world, "db", failed=4.5 if failed else 0, each_ms=450, seconds=600))
    serve(world, "db", failed=0, each_ms=10, seconds=40)
    assert world.service("db").health == found
    serve(world, "db", failed=0, each_ms=10, seconds=120)
    assert healths(world)["db"] == ("Healthy", None)


def test_the_figures_of_the_transition_are_told() -> None:
    world = ready(LIMITS)
    serve(world, "db", failed=50, each_ms=100, seconds=40)
    found = world.service("db").health
    assert (found.response_time_ms, found.error_count) == (100, 200)


def test_a_few_requests_are_not_enough_to_degrade() -> None:
    world = ready(LIMITS)
    assert all(p.quiet for p in serve(world, "db", failed=0.5, each_ms=9000, seconds=600, count=0.5))


def test_missing_figures_change_nothing() -> None:
    world = ready(LIMITS)
    serve(world, "db", failed=50, each_ms=100, seconds=100)
    assert healths(world)["db"] == ("Degraded", None)
    assert all(world.step(seconds=60).quiet for _ in range(60))


def test_an_idle_service_fails_nobody() -> None:
    world = ready(LIMITS)
    serve(world, "db", failed=50, each_ms=100, seconds=100)
    serve(world, "db", failed=0, each_ms=0, seconds=180, count=0)
    assert healths(world)["db"] == ("Healthy", None)


TROUBLES = {
    "check": lambda world: check(world, "db", "++---"),
    "errors": lambda world: serve(world, "db", failed=50, each_ms=1, seconds=100),
    "slow": lambda world: serve(world, "db", failed=0, each_ms=9000, seconds=100),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_new_process_keeps_the_state_until_it_knows_better(trouble: str) -> None:
    world = ready([*LIMITS, *graph(api=("db",))])
    TROUBLES[trouble](world)
    world.step()
    before = world.service("db").health
    assert before.state in (HealthState.DEGRADED, HealthState.UNHEALTHY)
    restarted(world)
    assert all(world.step(seconds=60).quiet for _ in range(10)), "nothing is measured yet"
    check(world, "db", "+")
    assert all(p.quiet for p in serve(world, "db", failed=0, each_ms=1, seconds=50))
    check(world, "db", "+")
    serve(world, "db", failed=0, each_ms=1, seconds=100)
    assert set(healths(world).values()) == {("Healthy", None)}


def test_a_new_process_that_reaches_nobody_goes_by_readiness() -> None:
    world = ready(graph(api=("db",), db=()))
    check(world, "db", "++---")
    world.step()
    restarted(world)
    check(world, "db", "-----", answered=False)
    assert world.step().quiet, "not for long yet"
    evidence = world.evidence["db"]
    world.evidence["db"] = replace(evidence, checks=replace(evidence.checks, unheard=True))
    world.step()
    assert set(healths(world).values()) == {("Healthy", None)}
    assert world.step(seconds=3600).quiet


def test_a_new_process_does_not_take_the_lost_pod_for_a_new_one() -> None:
    services = [{"name": "db", "type": "Generation", "replicas": 3}]
    world = ready(services)
    world.make_ready("db", ready=2)
    world.step()
    assert healths(world)["db"] == ("Degraded", None)
    restarted(world)
    assert all(world.step(seconds=30).quiet for _ in range(100))
    world.make_ready("db")
    world.step()
    assert healths(world)["db"] == ("Healthy", None)


def test_a_new_process_in_the_middle_of_a_scale_up() -> None:
    world = scaled_up(1, 3)
    assert healths(world)["db"] == ("Healthy", None)
    restarted(world)
    assert world.step().quiet
    world.make_ready("db", ready=2)
    world.step()
    assert healths(world)["db"] == ("Healthy", None)


def scaled_up(before: int, after: int) -> World:
    """A service whose new pods are starting."""
    world = ready([{"name": "db", "type": "Generation", "replicas": before}])
    more = rag_of([{"name": "db", "type": "Generation", "replicas": after}])
    world.rag = more.model_copy(update={"status": world.rag.status})
    world.step()
    world.make_ready("db", ready=before)
    world.step()
    return world


def test_a_scale_up_does_not_degrade_while_its_pods_start() -> None:
    world = scaled_up(2, 4)
    assert healths(world)["db"] == ("Healthy", None)
    looks = []
    while healths(world)["db"] == ("Healthy", None):
        wake_at = world.step(seconds=0).wake_at
        assert wake_at is not None
        looks.append(wake_at)
        world.now = wake_at + timedelta(milliseconds=1)
        world.step(seconds=0)
    assert world.service("db").health.details == "2 of 4 pods are ready"
    assert len(looks) == 1, "looked at again when their time is over"


def test_a_flapping_service_is_written_about_less_and_less() -> None:
    world = ready(graph(db=(), api=("db",)))
    written = []
    for number in range(400):
        world.make_ready("db", ready=number % 2)
        world.step(seconds=2)
        written.append(healths(world)["api"])
    changes = sum(a != b for a, b in pairwise(written))
    assert changes <= 5
    world.make_ready("db")
    wake_at = world.step().wake_at
    assert wake_at is not None
    world.now = wake_at
    world.step()
    assert set(healths(world).values()) == {("Healthy", None)}


def test_a_service_that_was_set_to_zero_did_what_it_was_told() -> None:
    world = ready(LIMITS)
    serve(world, "db", failed=50, each_ms=100, seconds=100)
    check(world, "db", "++---")
    world.step()
    none = rag_of([{**LIMITS[0], "replicas": 0}])
    world.rag = none.model_copy(update={"status": world.rag.status})
    world.pods = []
    world.step()
    world.make_ready("db")
    world.step()
    assert healths(world)["db"] == ("Healthy", None)


def test_a_status_of_an_older_operator_has_no_reason() -> None:
    world = ready(graph(db=()))
    old = world.service("db").model_copy(
        update={"health": HealthStatus(state=HealthState.UNHEALTHY, details="none of 1 pods is ready")}
    )
    world.rag = world.rag.model_copy(
        update={"status": world.rag.status.model_copy(update={"services": [old]})}
    )
    restarted(world).step()
    assert healths(world)["db"] == ("Healthy", None)


def test_a_vector_store_is_not_checked() -> None:
    world = ready(six())
    world.evidence["vector-store"] = Evidence(checks=Checks(answered=True))
    check(world, "vector-store", "-----")
    assert world.step().quiet


def tried(candidate_ready: int, own_ready: int, traffic: str = "candidate") -> World:
    """A service with a second workload, whose pods get the requests."""
    world = ready(graph(db=()))
    own = world.workload("db")
    world.make_ready("db", ready=own_ready)
    candidate = {**own, "metadata": {**own["metadata"], "name": "demo-db-candidate", "uid": "candidate"}}
    candidate["status"] = {**own["status"], "readyReplicas": candidate_ready}
    world.children[ref_of(candidate)] = candidate
    service = world.children[ChildRef("v1", "Service", "demo-db")]
    service["spec"]["selector"] = {**service["spec"]["selector"], "ragops.dev/variant": traffic}
    world.pods.append(
        PodView("new", "db", ready=True, terminating=False, uid="new", variant=Variant.CANDIDATE)
    )
    return world


@pytest.mark.parametrize("traffic", ["candidate", "stable"])
def test_the_pods_that_get_the_requests_are_judged(traffic: str) -> None:
    by_candidate = traffic == "candidate"
    world = tried(candidate_ready=0, own_ready=1, traffic=traffic)
    world.step()
    assert (healths(world)["db"] == ("Unhealthy", None)) == by_candidate
    world = tried(candidate_ready=1, own_ready=0, traffic=traffic)
    world.step()
    assert (healths(world)["db"] == ("Healthy", None)) == by_candidate


@pytest.mark.parametrize("traffic", ["candidate", "stable"])
def test_the_checks_of_pods_that_get_no_requests_are_left_out(traffic: str) -> None:
    world = tried(candidate_ready=1, own_ready=1, traffic=traffic)
    check(world, "db", "++---")
    world.step()
    assert (healths(world)["db"] == ("Unhealthy", None)) == (traffic == "stable")


def test_a_workload_that_was_deleted_does_not_serve() -> None:
    world = ready(graph(db=(), api=("db",)))
    del world.children[ChildRef("apps/v1", "Deployment", "demo-db")]
    world.pods = []
    world.step()
    assert healths(world) == {"db": ("Unhealthy", None), "api": ("Degraded", "db")}


@pytest.mark.parametrize(("waiting", "degraded"), [("CrashLoopBackOff", True), ("ContainerCreating", False)])
def test_new_pods_that_cannot_start_degrade_at_once(waiting: str, degraded: bool) -> None:
    world = scaled_up(1, 2)
    world.pods.append(PodView("db-2", "db", ready=False, terminating=False, waiting_reason=waiting))
    world.step()
    details = world.service("db").health.details or ""
    assert details.startswith("1 of 2 pods are ready (CrashLoop: ") == degraded
    assert (healths(world)["db"] == ("Degraded", None)) == degraded


def test_new_pods_that_wait_for_a_node_have_their_time() -> None:
    world = scaled_up(1, 2)
    world.pods.append(PodView("db-2", "db", ready=False, terminating=False, unschedulable="no room"))
    world.step()
    assert healths(world)["db"] == ("Healthy", None)
