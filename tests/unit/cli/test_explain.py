"""`kubectl rag explain`: the causes, in sentences."""

from typing import Any

import pytest

from ragops.cli.explain import explain
from ragops.cli.failure import Failure
from ragops.cli.system import System

from .objects import NOW, ago, condition, ready, six, system


def told(shown: System, service: str | None = None) -> dict[str, tuple[str, ...]]:
    """The sections by title."""
    return {section.title: section.lines for section in explain(shown, service, NOW)}


def text(shown: System, service: str | None = None) -> str:
    """All of it."""
    return "\n".join(line for title, lines in told(shown, service).items() for line in (title, *lines))


UNHEALTHY = ready(
    state="Unavailable",
    readyReplicas=0,
    health={
        "state": "Unhealthy",
        "reason": "PodsNotReady",
        "details": "none of 1 pods is ready",
        "lastTransition": ago(minutes=3),
        "errorCount": 7,
    },
    startup={"readyAt": ago(hours=1), "reason": "CrashLoop", "message": "see the log"},
)
DEGRADED = ready(
    health={
        "state": "Degraded",
        "reason": "UpstreamUnhealthy",
        "causedBy": "vector-store",
        "details": "vector-store is Unhealthy",
    }
)


def test_the_overview_begins_with_the_cause() -> None:
    status = {"vector-store": UNHEALTHY, "embeddings": DEGRADED, "retrieval": DEGRADED}
    sections = told(system(six(), status))
    assert list(sections) == [
        "vector-store: Unavailable, Unhealthy, 0 of 1 pods ready",
        "Because of that",
        "Fine",
        "More",
    ]
    assert next(iter(sections.values())) == (
        "it was ready before, and has no ready pod now",
        "CrashLoop: see the log",
        "look at its pods: kubectl get pods -n team -l ragops.dev/rag=demo,ragops.dev/service=vector-store",
        "Unhealthy for 3m: PodsNotReady: none of 1 pods is ready",
        "at that moment: 7 errors",
    )
    assert sections["Because of that"] == (
        "embeddings is Degraded: vector-store is the cause",
        "retrieval is Degraded: vector-store is the cause",
    )
    assert sections["Fine"] == ("documents, generation, api",)


def test_when_all_is_well_it_says_so() -> None:
    assert list(told(system(six()))) == ["All services are ready and healthy", "More"]


def test_a_degraded_service_names_its_root_with_the_reason() -> None:
    status = {"vector-store": UNHEALTHY, "embeddings": DEGRADED}
    lines = told(system(six(), status), "embeddings")["embeddings: Ready, Degraded, 1 of 1 pods ready"]
    assert lines[-2:] == (
        "Degraded: UpstreamUnhealthy: vector-store is Unhealthy",
        "the root is vector-store, which is Unavailable and Unhealthy (CrashLoop: see the log)",
    )


def test_several_roots_are_all_named() -> None:
    both = ready(health={"state": "Degraded", "causedBy": "generation, vector-store"})
    shown = text(system(six(), {"vector-store": UNHEALTHY, "generation": UNHEALTHY, "api": both}), "api")
    assert "the root is generation, which" in shown
    assert "the root is vector-store, which" in shown


def test_waiting_names_the_end_of_the_chain() -> None:
    status = {
        "vector-store": {"state": "Starting", "startup": {"startedAt": ago(seconds=20)}},
        "embeddings": {"state": "Waiting", "startup": {"waitingFor": ["vector-store"]}},
        "retrieval": {"state": "Waiting", "startup": {"waitingFor": ["embeddings", "vector-store"]}},
    }
    shown = system(six(), status)
    assert told(shown, "retrieval")["retrieval: Waiting, Unknown, 0 of 1 pods ready"] == (
        "it starts when embeddings and vector-store are ready",
        "the start hangs on vector-store, which is Starting",
    )
    assert told(shown)["On the way"] == (
        "vector-store is starting",
        "embeddings waits for vector-store",
        "retrieval waits for embeddings, vector-store",
    )


def test_a_start_tells_when_it_counts_as_failed() -> None:
    starting = {"state": "Starting", "startup": {"startedAt": ago(seconds=20)}}
    shown = system(six(generation={"startup": {"timeoutSeconds": 60}}), {"generation": starting})
    assert "started 20s ago; counts as failed at 12:00:40Z (in 40s)" in text(shown, "generation")


def test_what_was_not_accepted_comes_first_with_the_mend() -> None:
    conditions = [condition("Accepted", "False", "NotImplemented", "spec.gateway.enabled: true is not there")]
    title, lines = next(iter(told(system(six(), conditions=conditions)).items()))
    assert title == "Not accepted: NotImplemented"
    assert lines == (
        "spec.gateway.enabled: true is not there",
        "next: take it out of the spec; what runs is left as it is",
    )


def test_an_unknown_service_is_told_with_those_that_exist() -> None:
    with pytest.raises(Failure, match="has no service 'nix'; it has: vector-store, embeddings"):
        explain(system(six()), "nix", NOW)


def scaled(status: dict[str, Any], **policy: Any) -> tuple[str, ...]:
    """The section on scaling of a service with 2 to 5 replicas."""
    autoscaling = {"minReplicas": 2, "maxReplicas": 5, **policy}
    shown = system(
        [{"name": "a", "type": "Retrieval", "autoscaling": autoscaling}],
        {"a": ready(scaling={"reason": "Stabilizing", "message": "calm", **status})},
    )
    return told(shown, "a")["Scaling"]


def test_inputs_are_held_against_their_thresholds() -> None:
    inputs = [
        {"type": "CPU", "value": 93.4, "upAbove": 70, "downBelow": 30, "coveragePercent": 100},
        {"type": "ResponseTime", "value": 800, "upAbove": 2000, "downBelow": 500, "coveragePercent": 50},
        {"type": "QueueDepth", "value": 0, "upAbove": 100, "downBelow": 10, "coveragePercent": 100},
        {"type": "Memory", "upAbove": 80, "downBelow": 40},
        {"type": "ErrorRate", "value": 1, "upAbove": 5, "coveragePercent": 100},
    ]
    lines = scaled({"desired": 3, "action": "Up", "inputs": inputs})
    assert lines[0] == "3 wanted: more, Stabilizing: calm"
    assert lines[3:8] == (
        "  CPU 93.4 % of what is requested, up above 70, down below 30: high",
        "  ResponseTime 800 ms, up above 2000, down below 500: between; 50% of the pods measured",
        "  QueueDepth 0 waiting a replica, up above 100, down below 10: low",
        "  Memory no value, up above 80, down below 40: missing",
        "  ErrorRate 1 % of requests, up above 5: not high",
    )


@pytest.mark.parametrize(
    ("status", "policy", "up", "down"),
    [
        (
            {"desired": 3},
            {},
            "at once, when a metric asks for it",
            "once fewer have been enough for 300 s without a gap",
        ),
        ({"desired": 5}, {}, "not beyond maxReplicas 5", None),
        ({"desired": 2}, {}, None, "not below minReplicas 2"),
        (
            {"desired": 3, "lastScaleTime": ago(seconds=100)},
            {},
            "not before 12:03:20Z (in 3m20s), when the cooldown ends",
            "once fewer have been enough for 300 s without a gap, and not before 12:03:20Z (in 3m20s)",
        ),
        (
            {"desired": 3, "lastScaleTime": ago(seconds=100), "stableSince": ago(seconds=60)},
            {"scaleUpCooldownSeconds": 0},
            "at once, when a metric asks for it",
            "at the earliest 12:04:00Z (in 4m), when 300 s of calm are full",
        ),
        (
            {"desired": 3, "lastScaleTime": ago(seconds=100), "stableSince": ago(seconds=90)},
            {"stabilitySeconds": 15},
            None,
            "at the earliest 12:03:20Z (in 3m20s), when the cooldown ends",
        ),
        (
            {"desired": 3, "stableSince": ago(seconds=400)},
            {},
            None,
            "with the next decision, if fewer are still enough",
        ),
    ],
)
def test_the_next_change(status: dict[str, Any], policy: Any, up: str | None, down: str | None) -> None:
    lines = scaled(status, **policy)
    assert up is None or f"next up: {up}" in lines
    assert down is None or f"next down: {down}" in lines


def test_an_autoscaler_of_others_is_waited_for() -> None:
    lines = scaled({"desired": 3, "reason": "OwnedByOthers", "message": "an HPA does"})
    assert lines[-1] == "next: nothing by ragops, until the other autoscaler is gone"


def test_a_service_that_is_not_scaled() -> None:
    services = six(api={"replicas": 2}, retrieval={"autoscaling": {"mode": "External"}})
    shown = system(services)
    assert told(shown, "api")["Scaling"] == ("not scaled: spec sets replicas to 2, and has no autoscaling",)
    assert "not scaled by ragops" in told(shown, "generation")["Scaling"][0]
    assert "mode External" in told(shown, "retrieval")["Scaling"][0]


def test_a_rollout_is_part_of_it() -> None:
    rollout = {"revision": "r2", "phase": "Aborted", "reason": "CrashLoop", "message": "it crashed"}
    shown = system(six(), {"api": ready(rollout=rollout, stable={"revision": "r1"})})
    expected = (
        "RollingUpdate of version r2: Aborted",
        "CrashLoop: it crashed",
        "version r1 is the one to go back to",
        "next: correct the spec and apply it, or kubectl rag rollout undo demo api",
    )
    assert told(shown)["Rollout of api"] == expected
    assert told(shown, "api")["Rollout"] == expected
