"""New versions under real load: blue-green with a way back, a canary that goes through, one that must not.

No request fails, but those that a bad canary fails itself.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.support import Site, eventually, rag
from tests.e2e.traffic import traffic

NAMESPACE = "rollouts"
SERVICE = "generation"
QUESTION = {
    "question": "When does the last tram come back?",
    "passages": [
        {
            "chunk_id": "00000000-0000-0000-0000-000000000001",
            "document_id": "00000000-0000-0000-0000-000000000002",
            "document": "tram.md",
            "text": "The first tram leaves the depot at dawn. The last one comes back at midnight. " * 5,
            "score": 0.8,
            "position": 0,
        }
    ],
}
BLUE_GREEN = {"strategy": "BlueGreen", "blueGreen": {"checkSeconds": 5, "scaleDownDelaySeconds": 15}}
CANARY = {
    "strategy": "Canary",
    "canary": {
        "steps": [{"weightPercent": 25, "pauseSeconds": 5}, {"weightPercent": 50, "pauseSeconds": 5}],
        "analysis": {"minRequests": 20, "maxResponseTimeIncreasePercent": 500},
    },
}


def wanted(name: str, version: str, rollout: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A RAGDeployment of one service of this version."""
    env = [{"name": "VERSION", "value": version}]
    service = {"name": SERVICE, "type": "Generation", "replicas": 2, "env": env, "rollout": rollout, **more}
    return rag(name, [service])


def rollout(site: Site, name: str) -> dict[str, Any]:
    """The rollout in status; empty when there is none."""
    found: dict[str, Any] = site.service(NAMESPACE, name, SERVICE).get("rollout") or {}
    return found


def await_phase(site: Site, name: str, phase: str, seconds: float = 120) -> dict[str, Any]:
    """Waits until the rollout is in a phase."""

    def reached() -> dict[str, Any] | None:
        found = rollout(site, name)
        return found if found.get("phase") == phase else None

    return eventually(reached, seconds, f"{name} is {phase}")


def await_version(site: Site, name: str, version: str) -> None:
    """Waits until a version is rolled out, with nothing left of the one before."""

    def arrived() -> bool:
        status = site.service(NAMESPACE, name, SERVICE)
        stable = status.get("stable") or {}
        env = {entry["name"]: entry["value"] for entry in stable.get("spec", {}).get("env", ())}
        return env.get("VERSION") == version and not status.get("rollout")

    eventually(arrived, 180, f"{name} has version {version}")
    eventually(lambda: set(pods(site, name).values()) == {version}, 90, f"all pods are of {version}")
    names = {deployment["metadata"]["name"] for deployment in site.get(NAMESPACE, "deployments")}
    assert f"{name}-{SERVICE}-candidate" not in names


def pods(site: Site, name: str) -> dict[str, str]:
    """Versions of the pods that are not on their way out, by uid."""
    return {
        pod["metadata"]["uid"]: next(
            entry["value"] for entry in pod["spec"]["containers"][0]["env"] if entry["name"] == "VERSION"
        )
        for pod in site.get(NAMESPACE, "pods", *of(name))
        if "deletionTimestamp" not in pod["metadata"]
    }


def of(name: str) -> tuple[str, str]:
    """Selects what belongs to a RAGDeployment."""
    return ("-l", f"ragops.dev/rag={name}")


def kubectl_rag(site: Site, *arguments: str) -> str:
    """The plugin, as a user calls it."""
    done = subprocess.run(
        [Path(sys.executable).with_name("kubectl-rag"), *arguments, "--namespace", NAMESPACE],
        env={**os.environ, "KUBECONFIG": str(site.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_blue_green_goes_back_at_once_and_then_through(site: Site) -> None:
    site.apply(NAMESPACE, wanted("blue", "1", BLUE_GREEN))
    site.wait_ready(NAMESPACE, "blue", 180)
    old = set(pods(site, "blue"))
    with traffic(site, NAMESPACE, f"blue-{SERVICE}", "/v1/answer", QUESTION) as load:
        site.apply(NAMESPACE, wanted("blue", "2", BLUE_GREEN))
        await_phase(site, "blue", "Switched")
        assert sorted(pods(site, "blue").values()) == ["1", "1", "2", "2"]
        load.flows()
        kubectl_rag(site, "rollout", "abort", "blue", SERVICE)
        aborted = await_phase(site, "blue", "Aborted", 30)
        assert aborted["reason"] == "AbortedByUser"
        load.flows()
        eventually(lambda: set(pods(site, "blue")) == old, 60, "the pods of before are the only ones")

        site.apply(NAMESPACE, wanted("blue", "3", BLUE_GREEN))
        await_version(site, "blue", "3")
        load.flows()
        counts = load.counts()
    assert counts["failed"] == 0, counts


def test_a_canary_is_promoted(site: Site) -> None:
    site.apply(NAMESPACE, wanted("canary", "1", CANARY))
    site.wait_ready(NAMESPACE, "canary", 180)
    with traffic(site, NAMESPACE, f"canary-{SERVICE}", "/v1/answer", QUESTION) as load:
        site.apply(NAMESPACE, wanted("canary", "2", CANARY))
        shifting = await_phase(site, "canary", "Shifting")
        assert shifting["weightPercent"] == 25
        assert "2" in pods(site, "canary").values()
        await_version(site, "canary", "2")
        load.flows()
        counts = load.counts()
    assert counts["failed"] == 0, counts


def test_a_canary_that_fails_requests_is_rolled_back(site: Site) -> None:
    model = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "model"}}
    site.apply(NAMESPACE, {**model, "spec": {"selector": {"app": "model"}, "ports": [{"port": 8000}]}})
    site.apply(NAMESPACE, wanted("bad", "1", CANARY))
    site.wait_ready(NAMESPACE, "bad", 180)
    with traffic(site, NAMESPACE, f"bad-{SERVICE}", "/v1/answer", QUESTION) as load:
        nobody = {"endpoint": {"baseUrl": "http://model:8000/v1", "model": "none"}}
        site.apply(NAMESPACE, wanted("bad", "2", CANARY, generation=nobody))
        aborted = await_phase(site, "bad", "Aborted")
        assert aborted["reason"] == "AnalysisFailed"
        # One that is on its way out still answers whom it has been given.
        eventually(lambda: len(site.get(NAMESPACE, "pods", *of("bad"))) == 2, 90, "the new one is gone")
        load.flows()
        before = load.counts()
        load.flows()
        assert load.counts()["failed"] == before["failed"], "the old version serves all requests"
    assert "AnalysisFailed" in kubectl_rag(site, "rollout", "status", "bad", SERVICE)
