"""Scaling by CPU on real pods under real load: up under load; down when, and only when, the window and the
cooldown have passed after it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.support import EMBEDDING, Load, Site, eventually, rag

NAMESPACE = "scaling"
STABILITY, COOLDOWN = 30, 20


def test_up_under_load_and_down_after_it(site: Site) -> None:
    autoscaling = {
        "maxReplicas": 2,
        "stabilitySeconds": STABILITY,
        "cooldownSeconds": COOLDOWN,
        "sampleSeconds": 5,
        "metrics": [{"type": "CPU"}],
    }
    service = {"name": "embeddings", "type": "Embeddings", "dependsOn": [], "autoscaling": autoscaling}
    site.apply(NAMESPACE, rag("load", [service]))
    site.wait_ready(NAMESPACE, "load", 180)
    assert wanted(site) == 1

    with site.api(NAMESPACE, "load-embeddings") as client, Load(client, "/v1/embeddings", EMBEDDING) as load:
        up = eventually(lambda: scaled(site, 2), Load.SECONDS_AT_MOST, "scaled up under load")
    calm = datetime.now(UTC)
    assert load.answered > 0
    assert up["scaling"]["desired"] == 2
    raised_at = datetime.fromisoformat(up["scaling"]["lastScaleTime"])

    down = eventually(lambda: scaled(site, 1), STABILITY + COOLDOWN + 120, "scaled down after the load")
    lowered_at = datetime.fromisoformat(down["scaling"]["lastScaleTime"])
    assert lowered_at - raised_at >= timedelta(seconds=COOLDOWN)
    # The metrics API looks back: the quiet window cannot have begun before the load ended.
    assert lowered_at >= calm + timedelta(seconds=STABILITY - 5)
    events = eventually(lambda: (e := told(site)).get("ScaledDown") and e, 10, "the Event follows its status")
    assert "AboveThreshold: CPU" in events["ScaledUp"]
    assert "is above 70" in events["ScaledUp"]
    assert f"all metrics were low for {STABILITY} s" in events["ScaledDown"]


def told(site: Site) -> dict[str, str]:
    """The Events of the namespace: notes by reason."""
    return {event["reason"]: event["note"] for event in site.get(NAMESPACE, "events.events.k8s.io")}


def wanted(site: Site) -> int:
    """spec.replicas of the workload."""
    replicas: int = site.get(NAMESPACE, "deployment", "load-embeddings")["spec"]["replicas"]
    return replicas


def scaled(site: Site, replicas: int) -> dict[str, Any] | None:
    """The status of the service once its workload has this many replicas."""
    status = site.service(NAMESPACE, "load", "embeddings")
    recorded = status.get("scaling", {}).get("desired") == replicas
    return status if recorded and wanted(site) == replicas else None
