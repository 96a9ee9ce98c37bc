"""HAProxy itself finds nothing wrong with any configuration that the typed fields can give."""

import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from ragops.api.rag import RAGDeployment
from ragops.api.traffic import LoadBalancingStrategy
from ragops.gateway.config import build_config
from ragops.gateway.files import build_retry_map, build_split_map
from ragops.gateway.layout import Layout
from tests.gateway.gateway import DOMAIN, Raw, make_rag
from tests.gateway.test_config_requests import make_certificate

LIMIT: Raw = {"requestsPerSecond": 1}
STICKY = [{}, {"stickyHeader": "X-User"}, {"stickyCookie": "v"}]
CANARIES: list[Raw] = [
    {"strategy": "Canary", "canary": {"steps": [{"weightPercent": 1}], **sticky}} for sticky in STICKY
]

BALANCING: list[Raw] = [
    *({"strategy": strategy.value} for strategy in LoadBalancingStrategy),
    {"maxConcurrent": 1, "maxQueue": 0},
    {"maxConcurrent": 100_000, "maxQueue": 100_000, "queueTimeoutSeconds": 3600},
    {"responseTimeoutSeconds": 86_400},
    {"retries": {"attempts": 0}},
    {"retries": {"attempts": 5, "budgetPercent": 0}},
    {"retries": {"answerTimeoutMs": 600_000}},
    {"rateLimit": LIMIT},
    {"rateLimit": LIMIT | {"by": "Header", "header": "X-Api-Key", "requestsPerSecond": 100_000}},
]


def refused(haproxy: str, rag: RAGDeployment, directory: Path, **layout: Any) -> str:
    """What HAProxy says against the configuration, warnings included; empty if nothing."""
    place = PurePosixPath(directory)
    where = Layout(config=place, run=place, tls=place, **layout)
    ports = {service.name: 9000 + number for number, service in enumerate(rag.spec.services)}
    Path(where.haproxy_config).write_text(build_config(rag, ports, DOMAIN, where))
    Path(where.split_map).write_text(build_split_map(rag, ports, {}))
    Path(where.retry_map).write_text(build_retry_map(rag, ports))
    Path(where.server_state).write_text("1\n")
    # -dW: a warning is an error too.
    command = [haproxy, "-c", "-dW", "-f", str(where.haproxy_config)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return checked.stderr + checked.stdout if checked.returncode else ""


@pytest.mark.parametrize("balancing", BALANCING, ids=str)
@pytest.mark.parametrize("rollout", [{}, {"strategy": "BlueGreen"}, *CANARIES], ids=str)
def test_every_option(haproxy: str, tmp_path: Path, balancing: Raw, rollout: Raw) -> None:
    """Each option of load balancing with each kind of rollout."""
    rag = make_rag({"api": {"loadBalancing": balancing, "rollout": rollout}})
    assert refused(haproxy, rag, tmp_path) == ""


@pytest.mark.parametrize("services", [1, 2, 31, 32])
@pytest.mark.parametrize("replicas", [0, 1, 3, 160, 161, 200])
def test_every_size(haproxy: str, tmp_path: Path, services: int, replicas: int) -> None:
    """From one service without a pod to 32 with 200 pods in each version."""
    service = {"replicas": replicas, "rollout": {"strategy": "BlueGreen"}}
    rag = make_rag({f"s{number}": service for number in range(services)})
    assert refused(haproxy, rag, tmp_path) == ""


def test_tls_and_the_names_of_the_pod(haproxy: str, tmp_path: Path) -> None:
    """The DNS servers of resolv.conf or one that is named; a certificate, and its file missing."""
    rag = make_rag({"api": {}}, {"tls": {"secretName": "cert"}, "maxConnections": 100_000})
    assert "tls.crt" in refused(haproxy, rag, tmp_path)
    make_certificate(tmp_path)
    assert refused(haproxy, rag, tmp_path) == ""
    assert refused(haproxy, rag, tmp_path, nameserver="10.0.0.10:53", bind="127.0.0.1") == ""
