"""The operator as a process: its endpoint, and starts that cannot work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import Cluster
from .conftest import StartOperator
from .eventually import eventually
from .space import Space, services


def test_its_endpoint(space: Space, start_operator: StartOperator) -> None:
    operator = start_operator()
    assert operator.status_of("/livez") == 200
    assert operator.status_of("/readyz") == 200
    space.apply_rag(services("generation"))
    space.await_ready()
    assert operator.metric("ragops_leader") == 1
    assert operator.metric("ragops_queue_length") == 0
    assert operator.metric('ragops_writes_total{kind="Deployment",verb="apply"}') == 1
    assert (operator.metric('ragops_passes_total{outcome="done"}') or 0) >= 2
    assert operator.metric("ragops_pass_seconds_count") == eventually(
        lambda: sum(
            operator.metric(f'ragops_passes_total{{outcome="{outcome}"}}') or 0
            for outcome in ("done", "failed", "not-leader")
        ),
        "passes are counted",
    )


@pytest.mark.usefixtures("no_crd")
def test_without_the_crd_it_says_so_and_ends(start_operator: StartOperator) -> None:
    operator = start_operator(ready=False)
    assert operator.wait() == 1
    last = operator.log().splitlines()[-1]
    assert last.startswith("error: NotServed: the API server does not know RAGDeployment")
    assert "install its CustomResourceDefinition" in last
    assert "Traceback" not in operator.log()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RAGOPS_IMAGE_SERVICES": ""}, "RAGOPS_IMAGE_SERVICES is not set"),
        ({"RAGOPS_LOG_LEVEL": "loud"}, "RAGOPS_LOG_LEVEL is 'loud'"),
        ({"KUBECONFIG": "/nowhere/config"}, "Invalid kube-config"),
        ({"KUBECONFIG": "unreachable"}, "Unreachable"),
    ],
)
def test_a_start_that_cannot_work_ends_with_a_message(
    cluster: Cluster, tmp_path: Path, variables: dict[str, str], message: str
) -> None:
    unreachable = tmp_path / "unreachable"
    unreachable.write_text(
        cluster.kubeconfig.read_text().replace("https://127.0.0.1:", "https://127.0.0.1:1")
    )
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "RAGOPS_IMAGE_SERVICES": "a:1",
        "RAGOPS_IMAGE_POSTGRES": "b:1",
        "RAGOPS_IMAGE_HAPROXY": "test/haproxy:1",
        "RAGOPS_IMAGE_OPERATOR": "test/operator:1",
        **variables,
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("ragops"), "operator"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
