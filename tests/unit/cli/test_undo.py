"""`kubectl rag rollout undo`: exactly the version goes back."""

from copy import deepcopy
from typing import Any

import pytest

from ragops.api.defaults import resolve
from ragops.api.validation import parse
from ragops.cli.failure import Failure
from ragops.cli.system import read
from ragops.cli.undo import undo
from ragops.orchestration.versions import version_of
from ragops.resources.pod import Images

from .objects import ready, stored

IMAGES = Images(services="services:1", postgres="postgres:1", haproxy="haproxy:1", operator="operator:1")
OTHER: dict[str, Any] = {"name": "b", "type": "Retrieval", "image": "b:7"}


def version(images: Images = IMAGES, **fields: Any) -> dict[str, Any]:
    """The version of a service `a` with these fields, as the operator keeps it."""
    rag = resolve(parse(stored([{"name": "a", "type": "Generation", **fields}])))
    return version_of(rag.spec.services[0], images).to_wire()


def changed(
    now: dict[str, Any], status: dict[str, Any], **fields: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Service `a` after an undo, and what was told. Everything else is checked to stay."""
    service = {"name": "a", "type": "Generation", **now}
    raw = stored([OTHER, service], {"a": ready(**status)}, **fields)
    before = deepcopy(raw)
    back = undo(read(raw), "a")
    assert raw == before, "the object that was read stays as it is"
    other, after = back.patch["spec"]["services"]
    assert other == OTHER
    assert set(back.patch) <= {"spec", "metadata"}
    return after, back.changes


def test_a_rollout_under_way_goes_back_to_the_stable_version() -> None:
    now = {
        "image": "a:2",
        "replicas": 3,
        "rollout": {"strategy": "BlueGreen"},
        "startup": {"timeoutSeconds": 9},
    }
    rollout = {"revision": version(image="a:2")["revision"], "phase": "Starting"}
    status = {"rollout": rollout, "stable": version(image="a:1"), "previous": version(image="a:0")}
    after, told = changed(now, status)
    assert after == {"name": "a", "type": "Generation", **now, "image": "a:1"}
    assert told == ("image: a:2 -> a:1",)


def test_an_aborted_rollout_too() -> None:
    rollout = {"revision": version(image="a:2")["revision"], "phase": "Aborted"}
    after, _ = changed({"image": "a:2"}, {"rollout": rollout, "stable": version(image="a:1")})
    assert after["image"] == "a:1"


def test_at_rest_it_goes_back_to_the_version_before() -> None:
    status = {"stable": version(image="a:1"), "previous": version(image="a:0")}
    assert changed({"image": "a:1"}, status)[0]["image"] == "a:0"


def test_every_field_of_the_version_goes_back_and_no_other() -> None:
    old = {
        "image": "a:1",
        "resources": {"requests": {"cpu": "1"}},
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}],
        "health": {"path": "/old", "periodSeconds": 7},
        "generation": {"endpoint": {"baseUrl": "http://old", "model": "m1"}},
    }
    now = {
        "image": "a:2",
        "env": [{"name": "A", "value": "2"}, {"name": "C", "value": "2"}],
        "health": {"path": "/new", "maxErrorPercent": 5, "check": {"enabled": False}},
        "generation": {"endpoint": {"baseUrl": "http://new", "model": "m1"}},
        "dependsOn": [],
    }
    rollout = {"revision": version(**now)["revision"], "phase": "Shifting"}
    after, told = changed(now, {"rollout": rollout, "stable": version(**old)})
    assert after["health"] == {
        "path": "/old",
        "periodSeconds": 7,
        "maxErrorPercent": 5,
        "check": {"enabled": False},
    }
    assert after["env"] == old["env"]
    assert after["dependsOn"] == []
    assert version(**{k: v for k, v in after.items() if k not in ("name", "type")}) == version(**old)
    assert {"env[A].value: 2 -> 1", "env[B].value: none -> 1", "env[C].value: 2 -> none"} <= set(told)
    assert "health.path: /new -> /old" in told
    assert "generation.endpoint.baseUrl: http://new -> http://old" in told
    assert not [line for line in told if "dependsOn" in line or "maxErrorPercent" in line]


def test_an_image_that_is_left_to_the_operator_stays_so() -> None:
    now = {"env": [{"name": "A", "value": "2"}]}
    rollout = {"revision": version(**now)["revision"], "phase": "Shifting"}
    after, told = changed(now, {"rollout": rollout, "stable": version()})
    assert "image" not in after
    assert told == ("env[A].value: 2 -> none",)
    # At rest too.
    after, _ = changed(now, {"stable": version(**now), "previous": version()})
    assert "image" not in after


def test_an_image_that_the_operator_has_changed_is_named() -> None:
    newer = Images(services="services:2", postgres="postgres:2", haproxy="haproxy:1", operator="operator:1")
    rollout = {"revision": version(newer)["revision"], "phase": "Shifting"}
    after, told = changed({}, {"rollout": rollout, "stable": version()})
    assert after["image"] == "services:1"
    assert told == ("image: none -> services:1",)


def test_what_was_asked_of_the_rollout_is_taken_back() -> None:
    key = "rollout.ragops.dev/a"
    status = {"stable": version(image="a:1"), "previous": version(image="a:0")}
    raw = stored(
        [{"name": "a", "type": "Generation", "image": "a:1"}],
        {"a": ready(**status)},
        annotations={key: "abort:x", "other": "stays"},
    )
    assert undo(read(raw), "a").patch["metadata"] == {"annotations": {key: None}}


@pytest.mark.parametrize(
    ("status", "observed", "why"),
    [
        ({}, 3, "no version was rolled out in full yet"),
        ({"stable": version(image="a:1")}, 3, "there is no version before this one"),
        ({"stable": version(image="a:1"), "previous": version(image="a:1")}, 3, "is that of version"),
        (
            {"stable": version(image="a:1"), "previous": version(image="a:0")},
            2,
            "not acted on the last change",
        ),
        (
            {"stable": version(image="a:1"), "previous": {"revision": "r", "spec": {"surprise": 1}}},
            3,
            "not known to this version of the command",
        ),
    ],
)
def test_it_is_refused_where_there_is_no_way_back(status: dict[str, Any], observed: int, why: str) -> None:
    with pytest.raises(Failure, match=why):
        changed({"image": "a:1"}, status, observed=observed)


def test_pods_that_become_those_of_the_same_version_are_no_rollout() -> None:
    stable = version(image="a:1")
    rollout = {"revision": stable["revision"], "phase": "Updating"}
    status = {"rollout": rollout, "stable": stable, "previous": version(image="a:0")}
    assert changed({"image": "a:1"}, status)[0]["image"] == "a:0"
