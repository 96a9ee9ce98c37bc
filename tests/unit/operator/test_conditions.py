"""Conditions and summary from the status of services."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ragops.api.problems import Problem, Reason
from ragops.api.status import (
    Condition,
    ConditionType,
    HealthState,
    HealthStatus,
    RolloutStatus,
    ScalingStatus,
    ServiceState,
    ServiceStatus,
    StartupStatus,
)
from ragops.orchestration.conditions import accepted, merge, of_services, summarize, unfollowed

START = datetime(2026, 1, 1, tzinfo=UTC)


def service(name: str, state: str = "Ready", health: str = "Healthy", **fields: Any) -> ServiceStatus:
    """The status of one service."""
    status = HealthStatus(state=HealthState(health), details=fields.pop("details", None))
    return ServiceStatus(name=name, type="Generation", state=ServiceState(state), health=status, **fields)


def condition(kind: str, *services: ServiceStatus, paused: bool = False) -> tuple[str, str, str]:
    """Status, reason and message of a condition."""
    found = next(c for c in of_services(services, paused) if c.type == kind)
    return found.status, found.reason, found.message


WAITING = service("api", "Waiting", "Unknown", startup=StartupStatus(waiting_for=["a", "b"]))
FAILED = service("gen", "Failed", "Unknown", startup=StartupStatus(reason="CrashLoop", message="see the log"))


def test_all_is_well() -> None:
    services = [service("a"), service("b")]
    assert condition("Ready", *services) == ("True", "AllServicesReady", "all services are ready")
    assert condition("Progressing", *services)[:2] == ("False", "Settled")
    assert condition("Degraded", *services)[:2] == ("False", "NoTrouble")
    assert condition("ScalingLimited", *services)[:2] == ("False", "WithinBounds")


def test_ready_names_each_service_that_is_not_and_why() -> None:
    assert condition("Ready", service("a"), WAITING, FAILED) == (
        "False",
        "ServicesNotReady",
        "api is Waiting, waiting for a, b; gen is Failed (CrashLoop: see the log)",
    )


def test_progressing() -> None:
    assert condition("Progressing", service("a"), WAITING) == ("True", "Starting", "starting: api")
    updating = service("a", rollout=RolloutStatus(updated_replicas=1))
    assert condition("Progressing", updating) == ("True", "Updating", "updating: a")
    assert condition("Progressing", FAILED)[:2] == ("False", "Settled")
    assert condition("Progressing", WAITING, paused=True)[:2] == ("False", "Paused")


def test_degraded() -> None:
    sick = service("a", health="Degraded", details="b is Unhealthy")
    assert condition("Degraded", sick) == ("True", "ServicesDegraded", "a is Degraded: b is Unhealthy")
    status, reason, message = condition("Degraded", sick, FAILED)
    assert (status, reason) == ("True", "StartFailed")
    assert "gen is Failed (CrashLoop: see the log)" in message


def test_all_trouble_is_told_the_graver_first() -> None:
    sick = service("a", health="Unhealthy", details="none of 1 pods is ready")
    assert condition("Degraded", sick, FAILED) == (
        "True",
        "StartFailed",
        "gen is Failed (CrashLoop: see the log); a is Unhealthy: none of 1 pods is ready",
    )


def caused(name: str, by: str, reason: str = "UpstreamUnhealthy") -> ServiceStatus:
    """A service that others degrade."""
    health = HealthStatus(state=HealthState.DEGRADED, caused_by=by, reason=reason, details="d")
    return service(name).model_copy(update={"health": health})


def test_the_root_is_told_and_whom_it_reaches() -> None:
    root = service("db", "Unavailable", "Unhealthy", details="none of 1 pods is ready")
    services = (caused("api", "db, llm"), caused("search", "db"), root, caused("own", "llm", "TooSlow"))
    reach = ", which degrades api, search"
    assert condition("Ready", *services) == ("False", "ServicesNotReady", f"db is Unavailable{reach}")
    assert condition("Degraded", *services) == (
        "True",
        "ServicesDegraded",
        f"db is Unhealthy: none of 1 pods is ready{reach}; own is Degraded: d",
    )


def test_ready_pods_that_do_not_serve_are_not_ready() -> None:
    sick = service("a", health="Unhealthy", details="the check /readyz fails")
    text = "a is Unhealthy: the check /readyz fails"
    assert condition("Ready", sick, service("b")) == ("False", "ServicesUnhealthy", text)
    assert condition("Ready", service("a", health="Degraded"))[0] == "True"


def test_a_rollout_that_is_stuck_degrades() -> None:
    stuck = RolloutStatus(updated_replicas=1, reason="ImagePullFailed", message="1 of 2 pods are updated")
    assert condition("Degraded", service("a", rollout=stuck)) == (
        "True",
        "RolloutStuck",
        "a: 1 of 2 pods are updated",
    )


def test_a_spec_that_is_not_followed_leaves_readiness_unknown() -> None:
    assert [(c.type, c.status, c.reason) for c in unfollowed(started=True)] == [
        ("Ready", "Unknown", "NotAccepted"),
        ("Progressing", "False", "NotAccepted"),
    ]
    assert [(c.type, c.status) for c in unfollowed(started=False)] == [
        ("Ready", "False"),
        ("Progressing", "False"),
    ]


def test_scaling_limited() -> None:
    scaling = ScalingStatus(desired=5, reason="AtMaximum", message="maxReplicas 5 is reached")
    assert condition("ScalingLimited", service("a", scaling=scaling)) == (
        "True",
        "AtMaximum",
        "a: maxReplicas 5 is reached",
    )


@pytest.mark.parametrize(
    ("problems", "expected"),
    [
        ([], ("True", "Accepted", "")),
        ([Problem("spec.a", "is bad")], ("False", "Invalid", "spec.a: is bad")),
        (
            [Problem("spec.g", "is not implemented", Reason.NOT_IMPLEMENTED)],
            ("False", "NotImplemented", "spec.g: is not implemented"),
        ),
        (
            [Problem("spec.g", "later", Reason.NOT_IMPLEMENTED), Problem("spec.a", "is bad")],
            ("False", "Invalid", "spec.g: later; spec.a: is bad"),
        ),
    ],
)
def test_accepted(problems: list[Problem], expected: tuple[str, str, str]) -> None:
    found = accepted(problems)
    assert (found.status, found.reason, found.message) == expected


def test_a_long_message_is_cut_to_what_the_api_server_takes() -> None:
    assert len(accepted([Problem("spec", "x" * 100_000)]).message) <= 32_768
    assert len(condition("Ready", *(service("a" * 40, "Failed") for _ in range(1000)))[2]) <= 32_768


def test_times_move_with_the_status_alone() -> None:
    def stated(status: str, message: str) -> Condition:
        return Condition(
            type=ConditionType.READY,
            status=status,
            reason="R",
            message=message,
            last_transition_time=datetime.min,
        )

    first = merge([], [stated("False", "a")], 1, START)
    later = merge(first, [stated("False", "b")], 2, START + timedelta(seconds=5))
    assert (later[0].last_transition_time, later[0].message, later[0].observed_generation) == (START, "b", 2)
    turned = merge(later, [stated("True", "b")], 2, START + timedelta(seconds=9))
    assert turned[0].last_transition_time == START + timedelta(seconds=9)


def test_conditions_that_are_not_spoken_of_stay_and_keep_their_order() -> None:
    all_five = merge([], [*reversed(of_services([service("a")], paused=False)), accepted([])], 1, START)
    assert [c.type for c in all_five] == list(ConditionType)
    rejected = merge(all_five, [accepted([Problem("spec", "bad")])], 2, START)
    assert rejected[1:] == all_five[1:]
    assert rejected[0].status == "False"


def test_summary() -> None:
    scaling = ScalingStatus(desired=3, reason="AtMinimum")
    services = [service("a", scaling=scaling), service("b", health="Degraded"), WAITING]
    assert summarize(services).model_dump() == {"services": "2/3", "health": "Degraded", "scaling": "a=3"}
    assert summarize([]).health is HealthState.UNKNOWN
    assert summarize([service("a"), WAITING]).health is HealthState.UNKNOWN
