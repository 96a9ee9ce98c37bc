"""Uninstalling deletes what was installed and nothing of the user's; the plain manifests install the same."""

import json

from tests.e2e.conftest import IMAGES, install
from tests.e2e.support import Site, eventually, rag

NAMESPACE = "keep"


def test_uninstall_keeps_the_users_objects_and_manifests_take_over(site: Site) -> None:
    service = {"name": "generation", "type": "Generation"}
    site.apply(NAMESPACE, rag("kept", [service]))
    site.wait_ready(NAMESPACE, "kept", 120)
    pods = {pod["metadata"]["uid"] for pod in site.get(NAMESPACE, "pods")}

    site.helm("uninstall", "ragops", "--namespace", "ragops-system", "--wait")
    assert site.get("ragops-system", "deployments") == []
    assert "ragops" not in site.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
    assert site.get(NAMESPACE, "rag", "kept")["spec"]["services"][0]["name"] == "generation"
    assert {pod["metadata"]["uid"] for pod in site.get(NAMESPACE, "pods")} == pods

    try:
        site.kubectl("apply", "-f", "-", stdin=with_local_images(site))
        site.kubectl("-n", "ragops-system", "rollout", "status", "deployment", "--timeout=120s")
        site.kubectl(
            *("-n", NAMESPACE, "patch", "rag", "kept", "--type=merge", "-p"),
            json.dumps({"spec": {"services": [{**service, "replicas": 2}]}}),
        )
        eventually(
            lambda: site.service(NAMESPACE, "kept", "generation").get("readyReplicas") == 2,
            120,
            "the operator of the manifests acts",
        )
    finally:
        site.kubectl("delete", "-k", "manifests", "--ignore-not-found")
        install(site)  # the chart is back for whatever runs after this


def with_local_images(site: Site) -> str:
    """The manifests with the images of this checkout in place of the public ones."""
    text = site.kubectl("kustomize", "manifests")
    for name, image in zip(IMAGES, site.images, strict=True):
        assert f"ghcr.io/ragops/{name}:0.1.0" in text
        text = text.replace(f"ghcr.io/ragops/{name}:0.1.0", image)
    return text
