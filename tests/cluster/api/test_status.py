"""Status as the API server keeps it, and shows it."""

from datetime import UTC, datetime

import pytest
import yaml

from ragops.api.names import GROUP, PLURAL, VERSION
from ragops.api.status import RAGStatus

from ..conftest import Cluster
from .cases import ROOT
from .server import Server

NOW = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)

STATUS = RAGStatus.model_validate(
    {
        "observed_generation": 1,
        "conditions": [
            {
                "type": kind,
                "status": "False",
                "observed_generation": 1,
                "last_transition_time": NOW,
                "reason": "Starting",
                "message": "retrieval is starting",
            }
            for kind in ("Accepted", "Ready", "Progressing", "Degraded", "ScalingLimited")
        ],
        "services": [
            {
                "name": "retrieval",
                "type": "Retrieval",
                "state": "Starting",
                "replicas": 2,
                "ready_replicas": 1,
                "health": {
                    "state": "Degraded",
                    "response_time_ms": 12,
                    "error_count": 3,
                    "last_transition": NOW,
                    "caused_by": "embeddings",
                    "details": "embeddings is Unhealthy",
                },
                "startup": {
                    "started_at": NOW,
                    "ready_at": NOW,
                    "waiting_for": ["embeddings"],
                    "reason": "Waiting",
                    "message": "waits for embeddings",
                },
                "scaling": {
                    "desired": 2,
                    "action": "Up",
                    "reason": "AboveThreshold",
                    "message": "CPU is at 91.5 %",
                    "inputs": [
                        {
                            "type": "CPU",
                            "value": 91.5,
                            "up_above": 70,
                            "down_below": 30,
                            "coverage_percent": 100,
                        }
                    ],
                    "stable_since": NOW,
                    "last_scale_time": NOW,
                    "cooldown_until": NOW,
                    "forecast": {
                        "requestsPerSecond": 12.5,
                        "secondsAhead": 45,
                        "model": "Trend",
                        "errorPercent": 8.1,
                    },
                    "peaks": [{"since": "2026-01-01T00:00:00Z", "desired": 2}],
                    "changes": [{"time": "2026-01-01T00:00:00Z", "replicas": 2}],
                },
                "rollout": {"updated_replicas": 1, "message": "1 of 2"},
            }
        ],
        "summary": {"services": "5/6", "health": "Degraded", "scaling": "2"},
    }
)


@pytest.fixture
def name(server: Server) -> str:
    """A stored RAGDeployment, with every field of status set through its subresource."""
    raw = yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text())
    raw["metadata"] = {"generateName": "status-"}
    name: str = server.create(raw, dry_run=False)["metadata"]["name"]
    server.api.patch_namespaced_custom_object_status(
        GROUP,
        VERSION,
        server.namespace,
        PLURAL,
        name,
        {"status": STATUS.to_wire()},
        field_validation="Strict",
    )
    return name


def test_status_is_kept_as_written(server: Server, name: str) -> None:
    """Every field survives: none is pruned, and none is filled in."""
    stored = server.api.get_namespaced_custom_object(GROUP, VERSION, server.namespace, PLURAL, name)
    assert stored["status"] == STATUS.to_wire()
    assert RAGStatus.model_validate(stored["status"]) == STATUS
    assert stored["metadata"]["generation"] == 1


def test_columns(cluster: Cluster, server: Server, name: str) -> None:
    """`kubectl get rag` says at a glance how it is, and with `-o wide` why."""
    narrow = cluster.run("get", "rag", name, "--namespace", server.namespace).splitlines()
    assert narrow[0].split() == ["NAME", "READY", "SERVICES", "HEALTH", "SCALING", "AGE"]
    assert narrow[1].split()[:-1] == [name, "False", "5/6", "Degraded", "2"]
    wide = cluster.run("get", "rag", name, "--namespace", server.namespace, "--output", "wide")
    assert "Starting" in wide
    assert "retrieval is starting" in wide


def test_explain(cluster: Cluster) -> None:
    """`kubectl explain` shows what the models say."""
    text = cluster.run("explain", "rag.spec.services.autoscaling.cooldownSeconds")
    assert "No further action for this long after any action, in both directions." in " ".join(text.split())
