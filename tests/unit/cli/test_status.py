"""`kubectl rag status` as text and as JSON."""

import json
from typing import Any

import pytest

from ragops.api.status import RAGStatus
from ragops.cli.failure import Failure
from ragops.cli.status import as_json, render
from ragops.cli.system import System, read

from .objects import NOW, ago, condition, ready, six, stored, system


def page(shown: System, width: int = 80) -> list[str]:
    """The lines of the page, without styles."""
    return [line.plain for line in render(shown, NOW, width)]


TROUBLED = {
    "vector-store": ready(
        readyReplicas=0,
        state="Unavailable",
        health={"state": "Unhealthy", "details": "none of 1 pods is ready", "lastTransition": ago(minutes=3)},
    ),
    "embeddings": ready(
        replicas=3,
        readyReplicas=2,
        health={"state": "Degraded", "causedBy": "vector-store", "details": "vector-store is Unhealthy"},
        scaling={"desired": 3, "action": "Up", "reason": "AboveThreshold", "message": "CPU 90 is above 70"},
    ),
    "generation": {
        "state": "Failed",
        "startup": {
            "startedAt": ago(minutes=12),
            "reason": "ImagePullFailed",
            "message": "the image x:1 cannot be pulled: check its name and tag, and spec.imagePullSecrets",
        },
    },
    "api": {"state": "Waiting", "startup": {"waitingFor": ["generation"]}},
}


def test_the_page() -> None:
    conditions = [
        condition("Accepted", "True", "Accepted"),
        condition("Ready", "False", "ServicesNotReady", "api is Waiting, waiting for generation; " * 9),
    ]
    services = six(api={"replicas": 2}, embeddings={"autoscaling": {}})
    assert page(system(services, TROUBLED, conditions)) == [
        "demo  namespace team, 3/6 services ready, health Unknown, age 2d4h",
        "  Accepted        True        1m  Accepted",
        "  Ready           False       1m  ServicesNotReady: api is Waiting, waiting for",
        "                                  generation; api is Waiting, waiting for ...",
        "",
        "SERVICE                STATE        HEALTH     READY  SCALING           AGE",
        "api                    Waiting      Unknown    0/2    -                 -",
        "│  waits for generation",
        "├─ documents           Ready        Healthy    1/1    -                 2h",
        "│  └─ embeddings       Ready        Degraded   2/3    ↑ AboveThreshold  2h",
        "│     │  Degraded: vector-store is Unhealthy",
        "│     └─ vector-store  Unavailable  Unhealthy  0/1    -                 2h",
        "│        Unhealthy: none of 1 pods is ready",
        "├─ retrieval           Ready        Healthy    1/1    -                 2h",
        "│  └─ embeddings (above)",
        "└─ generation          Failed       Unknown    0/1    -                 12m",
        "   ImagePullFailed: the image x:1 cannot be pulled: check its name and tag, and",
        "   spec.imagePullSecrets",
    ]


def test_with_long_names_the_scaling_goes_below_the_row() -> None:
    name = "a-name-that-is-rather-long-but-allowed"
    scaling = {"desired": 1, "reason": "WithinThresholds", "message": ""}
    services = [{"name": name, "type": "Retrieval", "autoscaling": {}}]
    lines = page(system(services, {name: ready(scaling=scaling)}))
    assert max(map(len, lines)) <= 80
    assert "  SCALING" not in lines[-3]
    assert lines[-1] == "scaling: WithinThresholds"


def test_a_rollout_is_told_with_its_place() -> None:
    steps = [{"weightPercent": 20}, {"weightPercent": 50}]
    services = [
        {"name": "a", "type": "Generation", "rollout": {"strategy": "Canary", "canary": {"steps": steps}}}
    ]
    rollout = {
        "revision": "r2",
        "phase": "Shifting",
        "since": ago(seconds=40),
        "step": 1,
        "weightPercent": 50,
    }
    assert page(system(services, {"a": ready(rollout=rollout)}))[-1] == (
        "rollout: Shifting 50%, step 2 of 2, since 40s"
    )
    paused = {**rollout, "phase": "Paused", "reason": "Inconclusive", "message": "too few requests"}
    assert page(system(services, {"a": ready(rollout=paused)}))[-1] == "Inconclusive: too few requests"


def test_limits_that_call_for_a_person_are_told() -> None:
    scaling = {
        "desired": 10,
        "reason": "AtMaximum",
        "message": "CPU is above 70; maxReplicas is reached",
    }
    services = [{"name": "a", "type": "Generation", "autoscaling": {}}]
    lines = page(system(services, {"a": ready(scaling=scaling)}))
    assert lines[-1] == "AtMaximum: CPU is above 70; maxReplicas is reached"


@pytest.mark.parametrize(
    ("observed", "told"),
    [(None, "has not seen this RAGDeployment yet"), (2, "has not acted on the last change yet"), (3, "")],
)
def test_an_operator_that_does_not_follow_is_told(observed: int | None, told: str) -> None:
    lines = page(system(six(), observed=observed))
    assert any(told in line for line in lines)
    assert ("operator" in lines[1]) is bool(told)


def test_a_service_that_the_operator_has_not_seen() -> None:
    raw = stored([{"name": "a", "type": "Generation"}])
    raw["status"]["services"] = []
    lines = page(read(raw))
    assert lines[-2:] == ["a        -      -       -      -        -", "not seen by the operator yet"]


def test_a_spec_that_cannot_be_read_leaves_the_services_of_status() -> None:
    raw = stored([{"name": "a", "type": "Generation"}])
    raw["spec"]["services"][0]["surprise"] = 1
    lines = page(read(raw))
    assert any("cannot be read" in line for line in lines)
    assert lines[-1].startswith("a ")


def test_a_status_of_another_version_is_told_in_one_line() -> None:
    raw = stored([{"name": "a", "type": "Generation"}], {"a": ready(state="Dancing")})
    with pytest.raises(Failure, match="not known to this version of the command"):
        read(raw)


@pytest.mark.parametrize(
    ("state", "reason", "details", "notes"),
    [
        (
            "Unavailable",
            "PodsNotReady",
            "no pod (CrashLoop: it ends)",
            ["Unhealthy: PodsNotReady: no pod (CrashLoop: it ends)"],
        ),
        ("Failed", "StartFailed", "CrashLoop: it ends", ["CrashLoop: it ends"]),
    ],
)
def test_a_trouble_is_told_once(state: str, reason: str, details: str, notes: list[str]) -> None:
    health = {"state": "Unhealthy", "reason": reason, "details": details}
    troubled = ready(state=state, health=health, startup={"reason": "CrashLoop", "message": "it ends"})
    lines = page(system([{"name": "a", "type": "Generation"}], {"a": troubled}))
    assert lines[lines.index("") + 3 :] == notes


def test_nothing_reaches_the_terminal_that_it_would_act_on() -> None:
    evil = ready(state="Unavailable", startup={"reason": "X", "message": "\x1b[2J[bold]red[/bold]\r\x07"})
    lines = page(system([{"name": "a", "type": "Generation"}], {"a": evil}))
    assert lines[-1] == "X:  [2J[bold]red[/bold]"


def test_json_is_status_with_what_it_is_about() -> None:
    services = six(api={"replicas": 2, "dependsOn": [{"name": "generation", "required": False}]})
    conditions = [condition("Ready", "False", "ServicesNotReady", "why")]
    data: dict[str, Any] = json.loads(json.dumps(as_json(system(services, TROUBLED, conditions))))
    assert list(data) == [
        "name",
        "namespace",
        "createdAt",
        "generation",
        "observedGeneration",
        "paused",
        "conditions",
        "gateway",
        "services",
    ]
    assert (data["name"], data["namespace"], data["generation"]) == ("demo", "team", 3)
    assert data["conditions"] == conditions
    api = data["services"][-1]
    assert api["dependsOn"] == [{"name": "generation", "required": False}]
    assert (api["wantedReplicas"], api["state"], api["readyReplicas"]) == (2, "Waiting", 0)
    assert api["startup"]["waitingFor"] == ["generation"]
    written = {"services": data["services"], "conditions": data["conditions"]}
    assert RAGStatus.model_validate(written).services == list(
        filter(None, (view.status for view in system(services, TROUBLED).services))
    )
