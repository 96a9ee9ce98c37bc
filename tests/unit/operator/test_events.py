"""Events: one for each transition, none without one."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ragops.api.rag import ObjectMeta
from ragops.api.status import (
    Condition,
    HealthState,
    HealthStatus,
    RAGStatus,
    RolloutStatus,
    ScalingAction,
    ScalingStatus,
    ServiceState,
    ServiceStatus,
    StartupStatus,
)
from ragops.telemetry.events import NOTE_LIMIT, Transition, event_manifest, transitions

START = datetime(2026, 1, 1, tzinfo=UTC)


def status(*services: ServiceStatus, **conditions: str) -> RAGStatus:
    """A status with conditions by type: their status, or their message where that is more than a status."""
    return RAGStatus(
        services=list(services),
        conditions=[
            Condition(
                type=kind,
                status=text if text in ("True", "False") else "False",
                reason="R",
                message=text,
                last_transition_time=START,
            )
            for kind, text in conditions.items()
        ],
    )


def service(state: str = "Ready", **fields: Any) -> ServiceStatus:
    """The status of one service."""
    return ServiceStatus(name="gen", type="Generation", state=ServiceState(state), **fields)


def told(old: RAGStatus, new: RAGStatus) -> list[tuple[str, str, bool]]:
    return [(t.reason, t.note, t.warning) for t in transitions(old, new)]


def test_the_life_of_a_service() -> None:
    failed = service("Failed", startup=StartupStatus(reason="CrashLoop", message="see the log"))
    halted = service("Halted", startup=StartupStatus(reason="Halted", message="another failed"))
    assert told(status(), status(service("Waiting"))) == []
    assert told(status(), status(service("Starting"))) == [("ServiceStarting", "gen is starting", False)]
    assert told(status(service("Starting")), status(service())) == [("ServiceReady", "gen is ready", False)]
    assert told(status(service("Starting")), status(failed)) == [
        ("ServiceFailed", "gen is Failed: CrashLoop: see the log", True)
    ]
    assert told(status(service()), status(service("Unavailable"))) == [
        ("ServiceUnavailable", "gen is Unavailable", True)
    ]
    assert told(status(service("Waiting")), status(halted)) == [
        ("ServiceHalted", "gen: another failed", True)
    ]


def test_health_is_told_when_it_gets_bad() -> None:
    def sick(state: str) -> RAGStatus:
        return status(service(health=HealthStatus(state=HealthState(state), details="db is Unhealthy")))

    assert told(sick("Healthy"), sick("Degraded")) == [("ServiceDegraded", "gen: db is Unhealthy", True)]
    assert told(sick("Degraded"), sick("Unhealthy")) == [("ServiceUnhealthy", "gen: db is Unhealthy", True)]
    assert told(sick("Unhealthy"), sick("Healthy")) == []


def test_a_start_that_failed_is_told_once() -> None:
    ill = HealthStatus(state=HealthState.UNHEALTHY, reason="StartFailed", details="CrashLoop: see the log")
    failed = service("Failed", startup=StartupStatus(reason="CrashLoop", message="see the log"), health=ill)
    assert told(status(service("Starting")), status(failed)) == [
        ("ServiceFailed", "gen is Failed: CrashLoop: see the log", True)
    ]


def test_trouble_is_told_before_the_timeout_and_once() -> None:
    pulling = StartupStatus(reason="ImagePullFailed", message="no such image")
    troubled = status(service("Starting", startup=pulling))
    trouble = ("StartTroubled", "gen: ImagePullFailed: no such image", True)
    assert told(status(service("Starting")), troubled) == [trouble]
    assert told(troubled, troubled) == []


def test_a_stuck_rollout_is_told_once() -> None:
    def rollout(updated: int, reason: str | None) -> RAGStatus:
        message = f"{updated} of 2 pods are updated"
        return status(
            service(rollout=RolloutStatus(updated_replicas=updated, reason=reason, message=message))
        )

    stuck = [("RolloutStuck", "gen: 1 of 2 pods are updated", True)]
    assert told(rollout(0, None), rollout(1, None)) == []
    assert told(rollout(1, None), rollout(1, "ImagePullFailed")) == stuck
    assert told(rollout(1, "ImagePullFailed"), rollout(1, "ImagePullFailed")) == []
    assert told(rollout(1, "ImagePullFailed"), status(service())) == []


def test_each_scaling_is_told_once() -> None:
    def scaled(action: str, desired: int = 2, at: int = 0) -> RAGStatus:
        scaling = ScalingStatus(
            desired=desired,
            action=ScalingAction(action),
            reason="AboveThreshold",
            message="CPU 90.0 is above 70",
            last_scale_time=START + timedelta(seconds=at),
        )
        return status(service(scaling=scaling))

    up = [("ScaledUp", "gen: to 2, AboveThreshold: CPU 90.0 is above 70", False)]
    assert told(status(service()), scaled("Up")) == up
    assert told(scaled("Hold"), scaled("Up")) == up
    assert told(scaled("Up"), scaled("Up")) == []
    assert told(scaled("Up"), scaled("Hold")) == []
    assert len(told(scaled("Up"), scaled("Up", desired=3, at=60))) == 1


def test_ready_and_not_ready() -> None:
    assert told(status(), status(Ready="False")) == []
    assert told(status(Ready="False"), status(Ready="True")) == [("Ready", "True", False)]
    assert told(status(Ready="True"), status(Ready="gen is gone")) == [("NotReady", "gen is gone", True)]
    assert told(status(Ready="gen is gone"), status(Ready="so is api")) == []


def test_a_rejection_is_told_for_each_fault() -> None:
    good, bad, worse = status(Accepted="True"), status(Accepted="spec.a: bad"), status(Accepted="spec.b: bad")
    assert told(good, bad) == [("Rejected", "spec.a: bad", True)]
    assert told(bad, bad) == []
    assert told(bad, worse) == [("Rejected", "spec.b: bad", True)]
    assert told(bad, good) == []


def test_nothing_changed_nothing_told() -> None:
    same = status(service("Failed"), Ready="False", Accepted="spec.a: bad")
    assert told(same, same) == []


def test_the_event_object() -> None:
    meta = ObjectMeta(name="demo", namespace="ns", uid="u")
    event = event_manifest(meta, Transition("Rejected", "x" * 2000, warning=True), "pod-" + "1" * 200, START)
    assert event["metadata"]["namespace"] == event["involvedObject"]["namespace"] == "ns"
    assert event["involvedObject"]["uid"] == "u"
    assert event["type"] == "Warning"
    assert event["lastTimestamp"] == "2026-01-01T00:00:00Z"
    # Limits of the API server.
    assert len(event["message"]) == NOTE_LIMIT <= 1024
    assert len(event["reportingInstance"]) <= 128
    other = event_manifest(meta, Transition("Ready", ""), "pod", START)
    assert other["type"] == "Normal"
    assert other["metadata"]["name"] != event["metadata"]["name"]
