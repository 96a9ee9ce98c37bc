"""An API server that knows the CRD, and one test for each case."""

import uuid
from collections.abc import Iterator

import pytest
from kubernetes import client, config

from ..conftest import Cluster, install_crds
from .cases import cases
from .server import Server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The arguments `invalid` and `valid` go through the cases of the file of that name."""
    for argument in {"invalid", "valid"} & set(metafunc.fixturenames):
        found = cases(f"{argument}.yaml")
        metafunc.parametrize(argument, found, ids=[case.name for case in found])


@pytest.fixture(scope="session")
def server(cluster: Cluster) -> Iterator[Server]:
    """The cluster's API server with the CRD of this checkout and a namespace of its own."""
    install_crds(cluster)
    api_client = config.new_client_from_config(str(cluster.kubeconfig))
    core = client.CoreV1Api(api_client)
    namespace = f"api-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": namespace}})
    yield Server(client.CustomObjectsApi(api_client), namespace)
    core.delete_namespace(namespace)
    api_client.close()
