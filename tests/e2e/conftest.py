"""One cluster with a real kubelet for all end-to-end tests, with ragops installed by its chart.

RAGOPS_E2E_CLUSTER names a running cluster of hack/cluster to use instead, and to keep.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.support import ROOT, Site, run

IMAGES = ("operator", "services", "postgres", "haproxy")


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The cluster. Left as it was found: a cluster that was started here is removed."""
    if os.geteuid() != 0:
        pytest.skip("a real kubelet needs root")
    given = os.environ.get("RAGOPS_E2E_CLUSTER")
    name = given or f"e2e-{os.getpid()}"
    cluster = [sys.executable, ROOT / "hack/cluster"]
    try:
        run(*cluster, "up", "--name", name, "--profile", "node", "--no-merge")
        images = run(ROOT / "images/build", *IMAGES).split()
        run(*cluster, "load-image", "--name", name, *images)
        kubectl, helm = run(*cluster, "binaries", "kubectl", "helm").split()[-2:]
        kubeconfig = Path(run(*cluster, "kubeconfig", "--name", name).strip())
        made = Site(
            name, kubeconfig, Path(kubectl), Path(helm), kubeconfig.parent / "logs/audit.log", tuple(images)
        )
        made.kubectl("apply", "--server-side", "--force-conflicts", "-f", "crds")
        install(made)
        yield made
    finally:
        if given is None:
            run(*cluster, "down", "--name", name)


@pytest.fixture(scope="module", autouse=True)
def cleared(site: Site, request: pytest.FixtureRequest) -> Iterator[None]:
    """The namespace of a test module goes with it, and its pods are gone before the next module's come: a
    small machine cannot hold the requests of both."""
    yield
    site.kubectl("delete", "namespace", request.module.NAMESPACE, "--ignore-not-found", "--timeout=180s")


def install(site: Site, *more: str) -> None:
    """helm upgrade --install with the images built here."""
    values: list[str] = []
    for name, image in zip(IMAGES, site.images, strict=True):
        repository, _, tag = image.rpartition(":")
        values += ["--set", f"images.{name}.repository={repository},images.{name}.tag={tag}"]
    site.helm(
        *("upgrade", "--install", "ragops", "charts/ragops", "--namespace", "ragops-system"),
        *("--create-namespace", "--wait", "--timeout", "5m", *values, *more),
    )
