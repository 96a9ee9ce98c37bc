"""Scaling by CPU on real pods under real load: up under load; down when, and only when, the window and the
cooldown have passed after it."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from tests.e2e.support import Site, eventually, rag

NAMESPACE = "scaling"
STABILITY, COOLDOWN = 30, 20
LOAD_SECONDS_AT_MOST = 180


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

    with site.api(NAMESPACE, "load-embeddings") as client:
        load = Load(client)
        try:
            up = eventually(lambda: scaled(site, 2), LOAD_SECONDS_AT_MOST, "scaled up under load")
        finally:
            load.stop()
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
    site.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


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


class Load:
    """A few clients that ask for embeddings without a pause, for a bounded time."""

    CLIENTS = 4

    def __init__(self, client: httpx.Client) -> None:
        self.answered = 0
        self._client = client
        self._stop = threading.Event()
        self._until = datetime.now(UTC) + timedelta(seconds=LOAD_SECONDS_AT_MOST)
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends all clients."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        texts = [f"the tram number {n} leaves the depot at dawn" for n in range(32)]
        while not self._stop.is_set() and datetime.now(UTC) < self._until:
            try:
                answer = self._client.post(
                    "/v1/embeddings", json={"model": "all-MiniLM-L6-v2", "input": texts}
                )
                self.answered += answer.is_success
            except httpx.HTTPError:
                self._stop.wait(0.2)  # overloaded: that is the point
