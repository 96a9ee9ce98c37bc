"""Which differences between a manifest and a live object cause a write, and which never do."""

from typing import Any

import pytest

from ragops.resources.difference import differs, repairs

Json = dict[str, Any]


def pod(*containers: Json, **spec: Any) -> Json:
    """An object with a pod template."""
    return {"spec": {"template": {"spec": {"containers": list(containers), **spec}}}}


MAIN: Json = {
    "name": "main",
    "image": "a:1",
    "args": ["api"],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}},
}


@pytest.mark.parametrize(
    "live",
    [
        {**MAIN, "terminationMessagePath": "/dev/termination-log"},
        {**MAIN, "env": [{"name": "MESH", "value": "on"}, *reversed(MAIN["env"])]},
        {**MAIN, "volumeMounts": [*MAIN["volumeMounts"], {"name": "tmp", "mountPath": "/mesh"}]},
        {**MAIN, "ports": [*MAIN["ports"], {"containerPort": 8080, "protocol": "UDP"}]},
        {**MAIN, "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}},
    ],
    ids=["default", "variable of others", "mount of the same volume", "port of others", "quantities"],
)
def test_defaults_and_what_others_add_are_no_difference(live: Json) -> None:
    assert not differs(pod(MAIN), pod({"name": "sidecar", "image": "mesh:1"}, live))


@pytest.mark.parametrize(
    "live",
    [
        {**MAIN, "image": "a:2"},
        {**MAIN, "args": ["api", "--debug"]},
        {**MAIN, "args": []},
        {**MAIN, "env": MAIN["env"][:1]},
        {**MAIN, "env": [MAIN["env"][0], {"name": "B", "value": "3"}]},
        {**MAIN, "volumeMounts": [{"name": "tmp", "mountPath": "/other"}]},
        {**MAIN, "resources": {"requests": {"cpu": "501m", "memory": "1Gi"}}},
        {key: value for key, value in MAIN.items() if key != "ports"},
    ],
    ids=["value", "longer", "shorter", "entry", "entry's value", "path", "quantity", "field"],
)
def test_what_is_changed_or_missing_is_a_difference(live: Json) -> None:
    assert differs(pod(MAIN), pod(live))
    assert differs(pod(MAIN), pod({"name": "sidecar", "image": "a:1"}))


@pytest.mark.parametrize("value", [False, 0])
def test_a_missing_false_or_zero_is_a_difference(value: object) -> None:
    """automountServiceAccountToken and allowPrivilegeEscalation are true where they are missing."""
    assert differs({"spec": {"value": value}}, {"spec": {}})


@pytest.mark.parametrize("empty", ["", [], {}], ids=repr)
def test_the_api_server_leaves_out_what_is_empty(empty: object) -> None:
    assert not differs({"spec": {"value": empty}}, {"spec": {}})
    assert differs({"spec": {"value": "x"}}, {"spec": {}})


@pytest.mark.parametrize("field", ["selector", "labelSelector"])
def test_a_selector_is_changed_by_every_label(field: str) -> None:
    assert differs({field: {"app": "x"}}, {field: {"app": "x", "tier": "web"}})
    assert not differs({field: {"app": "x"}}, {field: {"app": "x"}})


def test_repairs_replace_what_excludes_ours() -> None:
    http, script = {"httpGet": {"path": "/readyz"}}, {"exec": {"command": ["true"]}}
    wanted = pod({**MAIN, "readinessProbe": {**http, "periodSeconds": 5}})
    live = pod(
        {"name": "sidecar", "readinessProbe": script},
        {
            **MAIN,
            "readinessProbe": {**script, "periodSeconds": 5},
            "env": [{"name": "MESH", "value": "1"}, {"name": "A", "valueFrom": {"secretKeyRef": {}}}],
        },
    )
    main = ("spec", "template", "spec", "containers", 1)
    assert repairs(wanted, live) == {
        (*main, "readinessProbe"): {**http, "periodSeconds": 5},
        (*main, "env", 1): {"name": "A", "value": "1"},
    }


def test_repairs_replace_ports_as_a_whole() -> None:
    ours = {"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}
    assert repairs({"spec": {"ports": [ours]}}, {"spec": {"ports": [{**ours, "port": 81}]}}) == {
        ("spec", "ports"): [ours]
    }


def test_nothing_to_repair() -> None:
    assert repairs(pod(MAIN), pod(MAIN)) == {}
    # An apply alone puts these right.
    assert repairs(pod(MAIN), pod({**MAIN, "image": "a:2"}, volumes=[])) == {}


@pytest.mark.parametrize("field", ["paused", "hostNetwork", "publishNotReadyAddresses"])
def test_what_the_api_server_leaves_out_where_it_is_false(field: str) -> None:
    assert not differs({"spec": {field: False}}, {"spec": {}})
    assert differs({"spec": {field: False}}, {"spec": {field: True}})


def test_what_is_added_to_an_empty_list_is_a_difference() -> None:
    assert differs({"command": []}, {"command": ["sleep"]})
    assert not differs({"command": []}, {})
