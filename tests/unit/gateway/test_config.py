"""The text of the gateway's files, without HAProxy: what is in it, and that nothing can leave its place."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ragops.api.rag import RAGDeployment
from ragops.api.traffic import LoadBalancingStrategy
from ragops.gateway.backend import BALANCE
from ragops.gateway.config import LOG_FORMAT, build_config
from ragops.gateway.files import Usage, build_agent_config, build_retry_map, build_split_map
from ragops.gateway.layout import Layout
from ragops.gateway.naming import backend_name, frontend_name, parse_backend
from ragops.gateway.pool import UNKNOWN_POOL, pools
from ragops.gateway.text import UnsafeValue, word
from ragops.resources.variant import Variant

Raw = dict[str, Any]
PORTS = {"api": 9000, "store": 9001, "docs": 9002}
MARK = "zqx"


def raw(**api: Any) -> Raw:
    """An object with three services, one of them with every option that takes a text."""
    balancing = {
        "maxConcurrent": 4,
        "maxQueue": 8,
        "rateLimit": {"requestsPerSecond": 5, "by": "Header", "header": "x-key"},
        "retries": {"answerTimeoutMs": 500},
    }
    canary = {"steps": [{"weightPercent": 5}], "stickyCookie": "version"}
    header = {"steps": [{"weightPercent": 5}], "stickyHeader": "x-user"}
    return {
        "metadata": {"name": "demo", "namespace": "rags"},
        "spec": {
            "gateway": {"enabled": True, "tls": {"secretName": "cert"}},
            "services": [
                {
                    "name": "api",
                    "type": "Generation",
                    "image": "registry/team/image:1",
                    "env": [{"name": "KEY", "value": "value"}],
                    "health": {"path": "/ready"},
                    "loadBalancing": balancing,
                    "rollout": {"strategy": "Canary", "canary": canary},
                    **api,
                },
                {
                    "name": "docs",
                    "type": "DocumentProcessor",
                    "rollout": {"strategy": "Canary", "canary": header},
                },
                {"name": "store", "type": "VectorStore"},
            ],
        },
    }


def parse(given: Raw) -> RAGDeployment:
    return RAGDeployment.model_validate(given)


def texts(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every text in the object, as its container and its key."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, str):
            yield node, key
        elif isinstance(value, dict | list):
            yield from texts(value)


HOSTILE = st.one_of(
    st.text(max_size=30),
    st.binary(max_size=30).map(lambda raw: raw.decode("latin-1")),
    # Close to what is allowed, with one sign that means something to HAProxy.
    st.tuples(
        st.sampled_from(["a", "/a"]), st.sampled_from(list("\n\r\t '\"\\{}$#%!|,;()[]<>&\x00\u2028é"))
    ).map(lambda parts: f"{parts[0]}{parts[1]}{MARK}"),
    st.sampled_from(
        [f"a\nglobal\n  {MARK}", f"a if {{ {MARK} }}", f"$({MARK})", "${PATH}", f"a # {MARK}", f"a'{MARK}"]
    ),
)


@given(st.data())
def test_no_text_can_leave_its_place(data: st.DataObject) -> None:
    """Any text in any field: refused by the model, by the text's own guard, or one plain word. The shape of
    the file is that of the same object with harmless texts."""
    given = raw()
    places = list(texts(given))
    container, key = data.draw(st.sampled_from(places))
    # The types and strategies decide the shape; a model accepts nothing but the known ones.
    if key in ("type", "strategy", "by"):
        return
    container[key] = data.draw(HOSTILE)
    try:
        rag = parse(given)
        ports = {service.name: 9000 + number for number, service in enumerate(rag.spec.services)}
        text = build_config(rag, ports, "cluster.local")
    except (ValidationError, UnsafeValue):
        return
    assert shape(text) == shape(build_config(parse(raw()), PORTS, "cluster.local"))
    maps = build_split_map(rag, ports, {}) + build_retry_map(rag, ports)
    assert re.fullmatch(r"([a-z][-a-z0-9]* 0\n)+", maps)


def shape(text: str) -> list[tuple[str, int]]:
    """Of each line its first word and the number of its words."""
    return [(line.split()[0], len(line.split())) for line in text.splitlines() if line]


@pytest.mark.parametrize("key", ["namespace", "name"])
def test_a_field_without_a_pattern_is_guarded_by_the_text(key: str) -> None:
    """What comes from the API server has been checked there; nothing here relies on it."""
    given = raw()
    given["metadata"][key] = "a\nglobal"
    with pytest.raises(UnsafeValue, match="cannot stand in HAProxy's configuration"):
        build_config(parse(given), PORTS, "cluster.local")


def test_the_cluster_domain_is_guarded() -> None:
    """It comes from the operator's settings."""
    with pytest.raises(UnsafeValue):
        build_config(parse(raw()), PORTS, "cluster.local check-send-proxy")


@pytest.mark.parametrize(
    "text", ["", "a b", "a\n", "a'b", 'a"b', "a\\b", "a#b", "${a}", "a{b", "a%b", "a,b", "é"]
)
def test_what_is_no_plain_word(text: str) -> None:
    """The empty text too: the next word would take its place."""
    with pytest.raises(UnsafeValue):
        word(text)


def test_an_outage_of_the_dns_may_last_a_day() -> None:
    """No answer says nothing about pods; that there is no such name does."""
    lines = section(config(), "resolvers cluster")
    assert {f"hold {failure} 1d" for failure in ("timeout", "refused", "other")} <= set(lines)
    assert {"hold nx 5s", "hold obsolete 2s"} <= set(lines)


def test_the_same_object_gives_the_same_text() -> None:
    """Or every pass of the operator would reload the gateway."""
    assert build_config(parse(raw()), PORTS, "c") == build_config(
        parse(raw()), dict(reversed(PORTS.items())), "c"
    )


def section(text: str, head: str) -> list[str]:
    """The lines of a section."""
    body = text.partition(f"{head}\n")[2].partition("\n\n")[0]
    return [line.strip() for line in body.splitlines()]


def config(**api: Any) -> str:
    return build_config(parse(raw(**api)), PORTS, "cluster.local")


def test_membership_is_that_of_the_headless_services() -> None:
    """The candidate's own: with both endings its name would be too long for DNS."""
    stable, candidate = (
        next(
            line for line in section(config(), f"backend api.{variant}") if line.startswith("server-template")
        )
        for variant in ("stable", "candidate")
    )
    assert stable.startswith("server-template pod 1-64 demo-api-headless.rags.svc.cluster.local:8080 ")
    assert candidate.startswith("server-template pod 1-64 demo-api-candidate.rags.svc.cluster.local:8080 ")
    assert len("demo-api-candidate") - len("demo-api") + 52 <= 63


@pytest.mark.parametrize(
    ("service", "slots"),
    [
        ({}, UNKNOWN_POOL),
        ({"replicas": 0}, 1),
        ({"replicas": 3}, 4),
        ({"autoscaling": {"maxReplicas": 10}}, 13),
        ({"autoscaling": {"maxReplicas": 200}}, 200),
        ({"autoscaling": {"maxReplicas": 1000}}, 200),
        ({"replicas": 2, "autoscaling": {"mode": "External", "maxReplicas": 8}}, 10),
    ],
)
def test_room_for_all_pods_and_those_of_an_update(service: Raw, slots: int) -> None:
    """As many as there may be, and a quarter more."""
    assert pools(parse(raw(**service)), PORTS)[0].slots == slots


def test_a_vector_store_is_not_behind_the_gateway() -> None:
    """It does not speak HTTP. Nor is a service without a port."""
    assert [pool.name for pool in pools(parse(raw()), PORTS)] == ["api", "docs"]
    assert [pool.name for pool in pools(parse(raw()), {"docs": 9002})] == ["docs"]
    assert "demo-store" not in config()


@pytest.mark.parametrize("strategy", LoadBalancingStrategy)
def test_every_strategy_has_its_algorithm(strategy: LoadBalancingStrategy) -> None:
    """In both backends."""
    text = config(loadBalancing={"strategy": strategy.value})
    for variant in Variant:
        assert f"balance {BALANCE[strategy]}" in section(text, f"backend api.{variant}")


def test_limits_are_shared_by_the_gateways() -> None:
    """Rounded up, so that no gateway has none."""
    given = raw(loadBalancing={"maxConcurrent": 3, "maxQueue": 0})
    for replicas, concurrent in ((1, 3), (2, 2), (10, 1)):
        given["spec"]["gateway"]["replicas"] = replicas
        pool = pools(parse(given), PORTS)[0]
        assert (pool.max_concurrent, pool.max_queue) == (concurrent, 0)


def test_the_log_format_is_the_agreed_one() -> None:
    """The agent reads it by position, and no field comes from a client."""
    assert LOG_FORMAT.split(" ") == ["%b", "%[srv_name]", "%Tr", "%Ta", "%Tw", "%ST", "%ts", "%rc"]
    assert f'log-format "{LOG_FORMAT}"' in section(config(), "defaults")


def test_split_map() -> None:
    """A share for each service behind the gateway, 0 where there is none."""
    assert build_split_map(parse(raw()), PORTS, {"docs": 30}) == "api 0\ndocs 30\n"


def test_retries_begin_without_a_budget() -> None:
    """Only the agent can see how many there have been."""
    assert build_retry_map(parse(raw()), PORTS) == "api 0\ndocs 0\n"


def test_agent_config() -> None:
    """As the interface between operator and agent has it."""
    usage = {"api": {"10.0.0.1": Usage(0.5, None)}}
    assert json.loads(build_agent_config(parse(raw()), PORTS, usage, "7")) == {
        "revision": "7",
        "services": [
            {
                "name": "api",
                "strategy": "ResponseTime",
                "maxConcurrent": 2,
                "port": PORTS["api"],
                "retryBudgetPercent": 20,
                "usage": {"10.0.0.1": {"cpu": 0.5, "memory": None}},
            },
            {
                "name": "docs",
                "strategy": "ResponseTime",
                "maxConcurrent": None,
                "port": PORTS["docs"],
                "retryBudgetPercent": 20,
                "usage": None,
            },
        ],
    }


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True), st.sampled_from(Variant))
def test_a_backend_is_read_as_it_was_named(service: str, variant: Variant) -> None:
    """And no frontend is taken for a backend."""
    assert parse_backend(backend_name(service, variant)) == (service, variant)
    assert parse_backend(frontend_name(service)) is None


@pytest.mark.parametrize("name", ["", ".stable", "api.", "api.other", "health.internal", "api.Stable"])
def test_other_names_are_no_backends(name: str) -> None:
    """HAProxy has some of its own."""
    assert parse_backend(name) is None


def test_the_layout_has_the_paths_of_the_pod() -> None:
    """As the containers mount them."""
    layout = Layout()
    assert str(layout.haproxy_config) == "/etc/ragops-gateway/haproxy.cfg"
    assert " ".join(layout.haproxy_command()) == (
        "haproxy -W -db -S /run/ragops/master.sock -f /etc/ragops-gateway/haproxy.cfg"
    )


def test_all_texts_of_the_object_are_tried() -> None:
    """The property above is about every text of the new blocks."""
    tried = {key for _, key in texts(raw())}
    assert {"header", "stickyCookie", "stickyHeader", "path", "secretName", "namespace", "name"} <= tried
