"""Life around the running system: a killed operator, an upgrade, deletion."""

import os
import signal
from datetime import datetime

from tests.e2e.conftest import install
from tests.e2e.support import Site, eventually, pids_of_pod, rag

NAMESPACE = "lifecycle"
SERVICES = [
    {"name": "vector-store", "type": "VectorStore", "storage": {"size": "1Gi", "reclaim": "Delete"}},
    {"name": "embeddings", "type": "Embeddings"},
    {"name": "retrieval", "type": "Retrieval"},
]
KINDS = (
    "deployments,replicasets,statefulsets,pods,services,endpointslices,"
    "poddisruptionbudgets,secrets,persistentvolumeclaims,controllerrevisions"
)


def test_a_start_survives_the_sigkill_of_the_operator(site: Site) -> None:
    site.apply(NAMESPACE, rag("life", SERVICES))
    eventually(
        lambda: site.service(NAMESPACE, "life", "vector-store").get("state") in ("Starting", "Ready"),
        30,
        "the start is under way",
        every=0.1,
    )
    holder = site.get("ragops-system", "lease", "ragops-leader")["spec"]["holderIdentity"]
    leader = site.get("ragops-system", "pod", holder)
    pids = pids_of_pod(leader["metadata"]["uid"])
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert site.condition(NAMESPACE, "life", "Ready").get("status") != "True", "killed too late"

    site.wait_ready(NAMESPACE, "life", 240)
    workloads = site.get(NAMESPACE, "deployments,statefulsets", "-l", "ragops.dev/rag=life")
    assert len(workloads) == 3
    starts = {s["name"]: s["startup"] for s in site.status(NAMESPACE, "life")["services"]}
    assert datetime.fromisoformat(starts["vector-store"]["readyAt"]) <= datetime.fromisoformat(
        starts["embeddings"]["startedAt"]
    )


def test_helm_test_passes(site: Site) -> None:
    out = site.helm("test", "ragops", "--namespace", "ragops-system", "--timeout", "3m")
    assert "Succeeded" in out


def test_an_upgrade_of_the_operator_leaves_the_pods_alone(site: Site) -> None:
    site.wait_ready(NAMESPACE, "life", 60)
    before = {pod["metadata"]["uid"] for pod in site.get(NAMESPACE, "pods")}
    operators = {pod["metadata"]["uid"] for pod in site.get("ragops-system", "pods", "-l", OPERATOR)}
    assert operators
    install(site, "--set", "log.level=debug")
    eventually(
        lambda: (
            not operators & {p["metadata"]["uid"] for p in site.get("ragops-system", "pods", "-l", OPERATOR)}
        ),
        120,
        "all operator pods are new",
    )
    # The new operator acts: it takes in a change, which rolls this one service only.
    changed = [*SERVICES[:2], {**SERVICES[2], "env": [{"name": "EXAMPLE", "value": "1"}]}]
    site.apply(NAMESPACE, rag("life", changed))
    eventually(
        lambda: (
            site.status(NAMESPACE, "life").get("observedGeneration")
            == site.get(NAMESPACE, "rag", "life")["metadata"]["generation"]
        ),
        60,
        "the change is taken in",
    )
    site.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/life-retrieval", "--timeout=120s")
    after = {
        pod["metadata"]["uid"]
        for pod in site.get(NAMESPACE, "pods")
        if pod["metadata"]["labels"]["ragops.dev/service"] != "retrieval"
    }
    assert len(after) == 2
    assert after <= before


def test_deleting_leaves_no_object(site: Site) -> None:
    site.kubectl("-n", NAMESPACE, "delete", "rag", "life", "--timeout=60s")
    eventually(
        lambda: (
            not [
                f"{item['kind']}/{item['metadata']['name']}"
                for item in site.get(NAMESPACE, KINDS)
                if "life" in item["metadata"]["name"]
            ]
        ),
        120,
        "nothing is left of it",
    )


OPERATOR = "app.kubernetes.io/name=ragops"
