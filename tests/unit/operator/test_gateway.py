"""The gateway in a pass: when requests go through it, and when straight to the pods."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.operator.world import IMAGES, START, World, rag_of

from ragops.gateway.files import Usage
from ragops.gateway.naming import digest
from ragops.orchestration.observation import GatewayReport, Observation, PodView
from ragops.orchestration.plan import plan
from ragops.orchestration.routing import assign_ports, gateway_port, seen_traffic
from ragops.resources.child import ChildRef, Manifest
from ragops.resources.gateway import config_ref, gateway_ref
from ragops.resources.variant import Traffic

SERVICES: list[dict[str, Any]] = [
    {"name": "vector-store", "type": "VectorStore"},
    {"name": "generation", "type": "Generation"},
    {"name": "api", "type": "OrchestrationAPI", "dependsOn": [{"name": "generation"}]},
]


class GatewayWorld(World):
    """Two gateway pods, which are ready and run with what they are told when a test says so."""

    def start(self) -> None:
        """All services are ready, and so is the gateway."""
        for _ in range(6):
            self.step()
            self.make_ready(*self.started())
        self.gateway_ready()

    def gateway_ready(self, ready: int = 2, follows: bool = True) -> None:
        """The pods of the gateway; `follows`: with the configuration of now."""
        live = self.children[gateway_ref("demo")]
        live["status"] = {
            "observedGeneration": live["metadata"]["generation"],
            "replicas": 2,
            "updatedReplicas": 2,
            "readyReplicas": ready,
        }
        told = {pod.uid: pod.told for pod in self.pods}
        self.pods = [
            PodView(
                f"gateway-{n}",
                "gateway",
                ready=n < ready,
                terminating=False,
                uid=f"g{n}",
                told=told.get(f"g{n}", ""),
            )
            for n in range(2)
        ]
        if follows:
            revision = json.loads(self.file("agent.json"))["revision"]
            names = frozenset(s.name for s in self.rag.spec.services)
            self.gateways = {pod.uid: GatewayReport(revision, reached=names) for pod in self.pods}

    def file(self, name: str) -> str:
        """A file of the ConfigMap."""
        text: str = self.children[config_ref("demo")]["data"][name]
        return text

    def port(self, service: str) -> int | None:
        """The gateway's port behind a Service."""
        return gateway_port(self.children[ChildRef("v1", "Service", f"demo-{service}")])


def world(**gateway: Any) -> GatewayWorld:
    return GatewayWorld(rag_of(SERVICES, gateway={"enabled": True, **gateway}))


def test_requests_go_through_the_gateway_when_all_of_it_is_ready() -> None:
    here = world()
    here.step()
    assert gateway_ref("demo") in here.children
    here.start()
    assert here.port("api") is None
    here.gateway_ready(ready=1)
    here.step()
    assert here.port("api") is None, "one pod is missing yet"
    here.gateway_ready(follows=False)
    here.gateways = dict.fromkeys(
        ("g0", "g1"), GatewayReport("old", reached=frozenset({"api", "generation"}))
    )
    here.step()
    assert here.port("api") is None, "it does not run with the service yet"
    here.gateway_ready()
    here.step()
    assert {here.port("api"), here.port("generation")} == {20000, 20001}
    assert here.port("vector-store") is None
    here.step()
    assert here.rag.status.gateway is not None
    assert here.rag.status.gateway.state == "Serving"
    here.step()
    assert here.step().quiet or here.last.annotations
    assert ChildRef("v1", "Service", "demo-api-headless") in here.children


def test_no_failure_of_the_gateway_takes_a_service_away() -> None:
    here = world()
    here.start()
    here.step()
    here.gateway_ready(ready=1)
    here.step()
    assert here.port("api") is not None, "one pod is enough"
    here.gateway_ready(ready=0)
    here.step()
    assert here.port("api") is None
    assert here.condition("Degraded") == ("True", "GatewayUnavailable")
    here.gateway_ready()
    here.step()
    here.step()
    assert here.port("api") is not None
    assert here.condition("Degraded") == ("False", "NoTrouble")


def test_a_service_that_is_added_joins_when_the_gateway_knows_it() -> None:
    here = world()
    here.start()
    here.step()
    ports = {name: here.port(name) for name in ("api", "generation")}
    more = [{"name": "a-new-one", "type": "Generation", "dependsOn": []}, *SERVICES]
    here.rag = here.rag.model_copy(update={"spec": rag_of(more, gateway={"enabled": True}).spec})
    here.step()
    here.make_ready(*here.started())
    here.gateway_ready(follows=False)
    here.step()
    assert here.port("a-new-one") is None
    assert {name: here.port(name) for name in ports} == ports, "the others stay where they are"
    here.gateway_ready()
    here.step()
    assert here.port("a-new-one") == 20002
    assert "frontend a-new-one" in here.file("haproxy.cfg")


def test_switched_off_it_stays_until_nobody_uses_it() -> None:
    here = world()
    here.start()
    here.step()
    here.rag = here.rag.model_copy(update={"spec": rag_of(SERVICES).spec})
    here.step()
    assert here.port("api") is None
    assert gateway_ref("demo") in here.children
    here.step(seconds=30)
    assert here.rag.status.gateway is not None
    assert here.rag.status.gateway.state == "Draining"
    assert gateway_ref("demo") in here.children
    assert here.last.wake_at is not None
    here.step(seconds=40)
    here.step()
    left = [ref for ref in here.children if ref.name == "demo-gateway"]
    assert left == []
    assert ChildRef("v1", "Service", "demo-api-headless") not in here.children
    here.step()
    assert here.rag.status.gateway is None
    assert here.step().quiet


def test_a_kubelet_is_told_of_each_content_once() -> None:
    here = world()
    here.start()
    here.step()
    told = {a.pod: a.content for a in here.last.annotations}
    assert set(told) == {"gateway-0", "gateway-1"}
    here.pods = [replace(pod, told=told[pod.name]) for pod in here.pods]
    assert here.step().annotations == ()
    assert here.step().quiet


def test_ports_outlive_the_config_map() -> None:
    here = world()
    here.start()
    here.step()
    services = here.rag.spec.services
    ports = assign_ports("demo", [s for s in services if s.name != "vector-store"], here.children)
    lost = {ref: obj for ref, obj in here.children.items() if ref.kind != "ConfigMap"}
    http = [s for s in reversed(services) if s.name != "vector-store"]
    assert assign_ports("demo", http, lost) == ports


@pytest.mark.parametrize(
    ("split", "traffic"),
    [
        ("api 0\n", Traffic.STABLE),
        ("api 30\n", Traffic.BOTH),
        ("api 100\n", Traffic.CANDIDATE),
        ("other 100\n", Traffic.STABLE),
        ("not a map at all\n", Traffic.STABLE),
    ],
)
def test_who_gets_requests_is_read_from_the_gateway(split: str, traffic: Traffic) -> None:
    here = world()
    here.start()
    here.step()
    api = next(s for s in here.rag.spec.services if s.name == "api")
    config: Manifest = here.children[config_ref("demo")]
    children = {**here.children, config_ref("demo"): {**config, "data": {"split.map": split}}}
    assert seen_traffic("demo", api, children) is traffic


def test_paused_the_gateway_is_left_alone() -> None:
    rag = rag_of(SERVICES, gateway={"enabled": True}, paused=True)
    assert plan(rag, Observation(), IMAGES, START).applies == ()


def test_small_changes_of_usage_are_not_told() -> None:
    here = GatewayWorld(
        rag_of(
            [{"name": "api", "type": "Generation", "loadBalancing": {"strategy": "ResourceUsage"}}],
            gateway={"enabled": True},
        )
    )

    def told() -> Any:
        here.step()
        return json.loads(here.file("agent.json"))["services"][0]["usage"]

    here.step()
    assert told() is None
    here.usage = {"api": {"10.0.0.1": Usage(0.5, 0.25)}}
    first = {"10.0.0.1": {"cpu": 0.5, "memory": 0.25}}
    assert told() == first
    here.usage = {"api": {"10.0.0.1": Usage(0.55, 0.21)}}
    assert told() == first
    here.usage = {"api": {"10.0.0.1": Usage(0.61, 0.21)}}
    assert told() == {"10.0.0.1": {"cpu": 0.61, "memory": 0.21}}
    here.usage = {"api": {"10.0.0.1": Usage(0.61, None), "10.0.0.2": Usage(0.6, 0.2)}}
    assert told() is not None
    assert len(told()) == 2
    here.usage = {}
    assert told() is None, "what is old is not told"


def test_the_share_of_a_canary_is_its_weight() -> None:
    rollout = {"strategy": "Canary", "canary": {"steps": [{"weightPercent": 5, "pauseSeconds": 60}]}}

    def services(image: str) -> list[dict[str, Any]]:
        return [{"name": "api", "type": "Generation", "image": image, "replicas": 2, "rollout": rollout}]

    here = GatewayWorld(rag_of(services("v1"), gateway={"enabled": True}))
    here.start()
    here.step()
    changed = rag_of(services("v2"), gateway={"enabled": True})
    metadata = here.rag.metadata.model_copy(update={"generation": 2})
    here.rag = here.rag.model_copy(update={"spec": changed.spec, "metadata": metadata})
    here.step()
    assert here.file("split.map") == "api 0\n"
    assert ChildRef("v1", "Service", "demo-api-candidate") in here.children
    here.make_ready("api-candidate")
    for _ in range(2):
        here.step()
    assert here.file("split.map") == "api 5\n"
    status = here.service("api").rollout
    assert status is not None
    assert status.message == "step 1 of 1: 5 % of the requests"
    assert here.port("api") is not None


def test_a_gateway_that_reaches_no_pod_gets_no_requests() -> None:
    """The cluster's domain is another one, or a NetworkPolicy is in the way."""
    here = world()
    here.start()
    reports = here.gateways
    here.gateways = {uid: replace(report, reached=frozenset()) for uid, report in reports.items()}
    for _ in range(5):
        here.step(seconds=10)
    assert here.port("api") is None
    assert here.rag.status.gateway is not None
    assert here.rag.status.gateway.reason == "PodsNotReached"
    assert here.condition("Degraded") == ("True", "GatewayUnavailable")
    here.gateways = reports
    here.step()
    assert here.port("api") is not None
    here.step()
    assert here.condition("Degraded") == ("False", "NoTrouble")
    # Later too; but not while nobody tells, nor while the service itself has no pod.
    here.gateways = {}
    here.step()
    assert here.port("api") is not None
    here.gateways = {
        uid: replace(report, reached=frozenset({"generation"})) for uid, report in reports.items()
    }
    here.make_ready("api", ready=0)
    here.step()
    assert here.port("api") is not None
    here.make_ready("api")
    here.step()
    assert here.port("api") is None
    assert here.port("generation") is not None


def test_a_candidate_keeps_its_backend_when_the_strategy_changes() -> None:
    here = world()
    here.start()
    here.step()
    config = here.file("haproxy.cfg")
    assert "backend api.candidate" not in config
    services = [{**s, "rollout": {"strategy": "BlueGreen"}} if s["name"] == "api" else s for s in SERVICES]
    here.rag = here.rag.model_copy(update={"spec": rag_of(services, gateway={"enabled": True}).spec})
    here.step()
    assert "backend api.candidate" in here.file("haproxy.cfg")
    own = here.children[ChildRef("apps/v1", "Deployment", "demo-api")]
    metadata = {**own["metadata"], "name": "demo-api-candidate"}
    here.children[ChildRef("apps/v1", "Deployment", "demo-api-candidate")] = {**own, "metadata": metadata}
    here.rag = here.rag.model_copy(update={"spec": rag_of(SERVICES, gateway={"enabled": True}).spec})
    here.step()
    assert "backend api.candidate" in here.file("haproxy.cfg")


@pytest.mark.parametrize("paused", [True, False])
def test_a_service_that_does_not_leave_is_told_once(paused: bool) -> None:
    here = world()
    here.start()
    here.step()
    service = ChildRef("v1", "Service", "demo-api")
    routed = here.children[service]
    here.rag = here.rag.model_copy(update={"spec": rag_of(SERVICES, paused=paused).spec})
    written = []
    for _ in range(6):
        here.step(seconds=30)
        written.append(here.last.status is not None)
        here.children[service] = routed  # the API server refuses the change
    assert not any(written[2:])
    assert here.rag.status.gateway is not None
    assert here.rag.status.gateway.message == "the services are leaving the gateway"
    assert gateway_ref("demo") in here.children


def test_the_end_of_draining_does_not_begin_anew() -> None:
    here = world()
    here.start()
    here.step()
    gateway = here.children[gateway_ref("demo")]
    here.rag = here.rag.model_copy(update={"spec": rag_of(SERVICES).spec})
    for _ in range(6):
        here.step(seconds=30)
    assert here.rag.status.gateway is None
    here.children[gateway_ref("demo")] = gateway  # its deletion has not been seen yet
    here.step()
    assert here.rag.status.gateway is None
    assert gateway_ref("demo") not in here.children


def test_a_key_of_somebody_else_does_not_keep_the_kubelets_in_the_dark() -> None:
    here = world()
    here.start()
    here.children[config_ref("demo")]["data"]["other"] = "x"
    here.step()
    assert len(here.last.annotations) == 2


def test_a_share_counts_when_all_pods_of_the_gateway_have_it() -> None:
    here = world()
    here.start()
    here.step()
    api = next(s for s in here.rag.spec.services if s.name == "api")
    reports = [GatewayReport("r", digest(here.file("split.map"))), GatewayReport("r", None)]
    assert seen_traffic("demo", api, here.children, reports) is Traffic.STABLE
    late = GatewayReport("r", digest("api 50\n"))
    assert seen_traffic("demo", api, here.children, [*reports, late]) is Traffic.BOTH


def test_with_a_certificate_there_is_a_port_for_tls() -> None:
    here = world(tls={"secretName": "cert"})
    here.start()
    here.step()
    ports = here.children[ChildRef("v1", "Service", "demo-api")]["spec"]["ports"]
    assert [(p["name"], p["port"], p["targetPort"]) for p in ports] == [
        ("http", 8080, here.port("api")),
        ("https", 8443, (here.port("api") or 0) + 1000),
    ]


def test_what_the_gateway_cannot_do_as_asked_is_told() -> None:
    here = world()
    here.start()
    here.step()
    report = next(iter(here.gateways.values()))
    here.gateways["g1"] = replace(report, fallen=frozenset({"api"}), panic=frozenset({"generation"}))
    here.step()
    status = here.rag.status.gateway
    assert status is not None
    assert (status.fallback, status.panic, status.state) == (["api"], ["generation"], "Serving")
    here.gateways["g1"] = report
    here.step()
    status = here.rag.status.gateway
    assert status is not None
    assert (status.fallback, status.panic) == ([], [])
