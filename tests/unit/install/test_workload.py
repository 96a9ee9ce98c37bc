"""The operator's pods, and the pod of `helm test`, as every file of values renders them."""

from pathlib import Path

import pytest
import yaml
from policy.render import CHART, ROOT

from .chart import Object, render

VALUES = [(), *(("-f", str(path)) for path in sorted((ROOT / "hack" / "policy" / "values").glob("*.yaml")))]
VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize("values", VALUES, ids=lambda values: Path(values[-1]).stem if values else "default")
def test_every_container_is_hardened(values: tuple[str, ...]) -> None:
    pods = render(*values).pods()
    assert len(pods) == 2
    for pod in pods:
        assert pod["spec"]["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            for bound in ("requests", "limits"):
                assert container["resources"][bound].keys() == {"cpu", "memory", "ephemeral-storage"}


def test_images_have_the_version_of_the_chart() -> None:
    assert _images() == {
        "operator": f"ghcr.io/ragops/operator:{VERSION}",
        "test": f"ghcr.io/ragops/operator:{VERSION}",
        "RAGOPS_IMAGE_SERVICES": f"ghcr.io/ragops/services:{VERSION}",
        "RAGOPS_IMAGE_POSTGRES": f"ghcr.io/ragops/postgres:{VERSION}",
        "RAGOPS_IMAGE_HAPROXY": f"ghcr.io/ragops/haproxy:{VERSION}",
        "RAGOPS_IMAGE_OPERATOR": f"ghcr.io/ragops/operator:{VERSION}",
    }


def test_images_can_be_set_one_by_one() -> None:
    images = _images(
        *("--set", "images.operator.repository=localhost/ragops/operator,images.operator.tag=dev"),
        *("--set", f"images.services.digest={DIGEST},images.services.tag=ignored"),
        *("--set", "images.postgres.repository=registry.example.com:5000/pg"),
    )
    assert images == {
        "operator": "localhost/ragops/operator:dev",
        "test": "localhost/ragops/operator:dev",
        "RAGOPS_IMAGE_SERVICES": f"ghcr.io/ragops/services@{DIGEST}",
        "RAGOPS_IMAGE_POSTGRES": f"registry.example.com:5000/pg:{VERSION}",
        "RAGOPS_IMAGE_HAPROXY": f"ghcr.io/ragops/haproxy:{VERSION}",
        "RAGOPS_IMAGE_OPERATOR": "localhost/ragops/operator:dev",
    }


@pytest.mark.parametrize(("namespaces", "value"), [((), ""), (("team-a", "team-b"), "team-a,team-b")])
def test_the_operator_is_told_its_namespaces(namespaces: tuple[str, ...], value: str) -> None:
    arguments = ("--set", f"watchNamespaces={{{','.join(namespaces)}}}") if namespaces else ()
    assert _environment(*arguments)["RAGOPS_WATCH_NAMESPACES"] == value


def test_the_operator_is_told_where_metrics_come_from() -> None:
    assert _environment()["RAGOPS_SCRAPE"] == "direct"
    assert "RAGOPS_PROMETHEUS_URL" not in _environment()
    url = "http://prometheus.monitoring:9090"
    told = _environment("--set", f"metrics.scrape=proxy,metrics.prometheus.url={url}")
    assert (told["RAGOPS_SCRAPE"], told["RAGOPS_PROMETHEUS_URL"]) == ("proxy", url)


def test_the_decision_log_has_a_volume_where_it_is_a_file() -> None:
    def folders(*arguments: str) -> list[str]:
        pod = render(*arguments).only("Deployment")["spec"]["template"]["spec"]
        assert {m["name"] for m in pod["containers"][0]["volumeMounts"]} == {
            v["name"] for v in pod["volumes"]
        }
        return [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]

    file = ("--set", "decisionLog.enabled=true,decisionLog.path=/data/log/ragops.jsonl")
    stdout = ("--set", "decisionLog.enabled=true,decisionLog.path=-")
    assert folders(*file) == ["/tmp", "/data/log"]
    assert _environment(*file)["RAGOPS_DECISION_LOG"] == "/data/log/ragops.jsonl"
    assert folders(*stdout) == folders() == ["/tmp"]
    assert _environment(*stdout)["RAGOPS_DECISION_LOG"] == "-"
    assert "RAGOPS_DECISION_LOG" not in _environment()


def test_pods_take_turns_also_when_there_is_only_one() -> None:
    assert _environment("--set", "replicas=1")["RAGOPS_LEADER_ELECT"] == "true"


def test_a_single_pod_has_no_disruption_budget_that_would_hold_its_node() -> None:
    assert len(render().all("PodDisruptionBudget")) == 1
    assert render("--set", "replicas=1").all("PodDisruptionBudget") == []


def test_selectors_take_the_operator_and_leave_the_test_out() -> None:
    chart = render()
    (test,), operator = chart.all("Pod"), chart.only("Deployment")["spec"]
    for selector in (
        operator["selector"]["matchLabels"],
        chart.only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        chart.only("Service")["spec"]["selector"],
    ):
        assert selector.items() <= operator["template"]["metadata"]["labels"].items()
        assert not selector.items() <= test["metadata"]["labels"].items()


def test_the_network_policy_covers_both() -> None:
    chart = render()
    selector = chart.only("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    for pod in chart.pods():
        assert selector.items() <= pod["metadata"]["labels"].items()


def test_a_service_monitor_finds_the_metrics_service() -> None:
    chart = render("--set", "metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.labels.release=prom")
    monitor, service = chart.only("ServiceMonitor"), chart.only("Service")
    assert monitor["metadata"]["labels"]["release"] == "prom"
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_names_fit_however_long_the_release_is_called() -> None:
    chart = render(release="r" * 53)
    assert all(len(name) <= 63 for name in chart.names("Service") | chart.names("Pod"))


def _environment(*arguments: str) -> dict[str, str]:
    (container,) = render(*arguments).only("Deployment")["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def _images(*arguments: str) -> dict[str, str]:
    chart = render(*arguments)
    pods: dict[str, Object] = {
        "operator": chart.only("Deployment")["spec"]["template"],
        "test": chart.only("Pod"),
    }
    return {
        **{name: pod["spec"]["containers"][0]["image"] for name, pod in pods.items()},
        **{name: value for name, value in _environment(*arguments).items() if "_IMAGE_" in name},
    }
