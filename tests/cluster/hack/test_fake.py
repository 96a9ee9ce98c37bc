"""Profile fake: a control plane that any user can have."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from .conftest import Home, Running, eventually, is_alive, unique_name

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
# A pod stage of one's own: every pod fails at once.
FAILING_STAGE = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-fails}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .status.phase, operator: In, values: [Pending]}
  next:
    statusTemplate: |
      phase: Failed
      reason: ToldTo
"""


NOT_READY = '{"status": {"conditions": [{"type": "Ready", "status": "False"}]}}'


@pytest.fixture(scope="module")
def cluster(shared_home: Home) -> Running:
    """A cluster that tests look at and do not harm."""
    return shared_home.up(unique_name(), "--profile", "fake")


def ready_replicas(cluster: Running, deployment: str) -> int:
    found = cluster.get("deployment", deployment)
    return int(found.get("status", {}).get("readyReplicas", 0))


def test_pods_get_ready_and_claims_get_bound(cluster: Running) -> None:
    cluster.kubectl("create", "deployment", "web", "--image", "any", "--replicas", "5")
    cluster.kubectl("apply", "-f", "-", stdin=CLAIM)
    eventually(lambda: ready_replicas(cluster, "web") == 5, "five ready pods")
    eventually(lambda: cluster.get("pvc", "data")["status"]["phase"] == "Bound", "a bound claim")


def test_nodes_have_room_for_every_kind_of_request(cluster: Running) -> None:
    for node in cluster.get("nodes")["items"]:
        assert node["status"]["allocatable"] == {
            "cpu": "1k",
            "memory": "1Ti",
            "ephemeral-storage": "100Ti",
            "pods": "1M",
        }


def test_second_up_is_fast_and_changes_nothing(cluster: Running) -> None:
    before, server = cluster.pids(), cluster.kubectl("config", "view", "--minify")
    started = time.monotonic()
    cluster.home.up(cluster.name, "--profile", "fake")
    assert time.monotonic() - started < 5
    assert cluster.pids() == before
    assert cluster.kubectl("config", "view", "--minify") == server


def test_runs_with_another_profile_are_refused(cluster: Running) -> None:
    done = cluster.home.tool("up", "--name", cluster.name, "--profile", "node")
    assert done.returncode == 1
    expected = "runs with profile fake" if os.geteuid() == 0 else "needs root"
    assert expected in done.stderr


def test_audit_log_names_every_write_and_no_read_of_the_system(cluster: Running) -> None:
    cluster.kubectl("create", "configmap", "written")
    lines = [json.loads(line) for line in (cluster.state / "logs" / "audit.log").read_text().splitlines()]
    writes = [
        (entry["user"]["username"], entry["verb"], entry["objectRef"]["namespace"])
        for entry in lines
        if entry.get("objectRef", {}).get("name") == "written"
    ]
    assert writes == [("ragops-admin", "create", "default")]
    of_scheduler = {entry["verb"] for entry in lines if entry["user"]["username"] == "system:kube-scheduler"}
    assert not of_scheduler & {"get", "list", "watch"}


def test_status_logs_and_exec(cluster: Running) -> None:
    assert f"{cluster.name:<20} fake     running" in cluster.home.tool("status").stdout
    assert "kube-apiserver" in cluster.home.tool("logs", "--name", cluster.name).stdout.splitlines()
    assert "kwok" in cluster.home.tool("logs", "--name", cluster.name, "kwok").stdout
    assert "no node" in cluster.home.tool("exec", "--name", cluster.name, "--", "true").stderr
    assert "no node" in cluster.home.tool("load-image", "--name", cluster.name, "any").stderr


def test_two_clusters_side_by_side(home: Home) -> None:
    first = home.up(unique_name(), "--profile", "fake")
    second = home.up(unique_name(), "--profile", "fake")
    first.kubectl("create", "namespace", "only-in-first")
    assert "only-in-first" not in second.kubectl("get", "namespaces")
    assert home.tool("down", "--name", first.name).returncode == 0
    assert "default" in second.kubectl("get", "namespaces")


def test_down_ends_every_process_and_may_be_repeated(home: Home) -> None:
    cluster = home.up(unique_name(), "--profile", "fake")
    pids = [cluster.supervisor(), *cluster.pids().values()]
    assert len(pids) == 6
    assert all(is_alive(pid) for pid in pids)
    for _ in range(2):
        assert home.tool("down", "--name", cluster.name).returncode == 0
    assert not any(is_alive(pid) for pid in pids)
    assert list(cluster.state.parent.iterdir()) == []


def test_killed_supervisor_takes_all_along_and_up_starts_anew(home: Home) -> None:
    cluster = home.up(unique_name(), "--profile", "fake")
    cluster.kubectl("create", "namespace", "old")
    pids = cluster.pids().values()
    cluster.kill()
    eventually(lambda: not any(is_alive(pid) for pid in pids), "the end of all components")
    done = home.tool("up", "--name", cluster.name, "--profile", "fake")
    assert done.returncode == 0, done.stderr
    assert "its data is gone" in done.stderr
    assert "old" not in cluster.kubectl("get", "namespaces")
    cluster.kubectl("create", "deployment", "web", "--image", "any")
    eventually(lambda: ready_replicas(cluster, "web") == 1, "a ready pod on the new cluster")


def test_all_processes_killed_at_once_then_down(home: Home) -> None:
    cluster = home.up(unique_name(), "--profile", "fake")
    for pid in (*cluster.pids().values(), cluster.supervisor()):
        os.kill(pid, signal.SIGKILL)
    assert "stopped" in home.tool("status").stdout
    assert home.tool("down", "--name", cluster.name).returncode == 0
    assert not cluster.state.exists()


def test_component_that_dies_is_started_again(home: Home) -> None:
    cluster = home.up(unique_name(), "--profile", "fake")
    old = cluster.pids()["kube-scheduler"]
    os.kill(old, signal.SIGKILL)
    eventually(lambda: cluster.pids()["kube-scheduler"] not in (0, old), "a new scheduler")
    cluster.kubectl("create", "deployment", "web", "--image", "any")
    eventually(lambda: ready_replicas(cluster, "web") == 1, "a pod that the new scheduler placed")


def test_stages_of_ones_own_replace_the_pod_stages(home: Home, tmp_path: Path) -> None:
    stages = tmp_path / "stages.yaml"
    stages.write_text(FAILING_STAGE)
    cluster = home.up(unique_name(), "--profile", "fake", "--stages", stages)
    cluster.kubectl("run", "doomed", "--image", "any")
    eventually(lambda: cluster.get("pod", "doomed")["status"].get("reason") == "ToldTo", "a failed pod")


def test_metrics_tell_what_the_pods_annotations_say(home: Home) -> None:
    cluster = home.up(unique_name(), "--profile", "fake", "--metrics")
    usage = ("kwok.x-k8s.io/usage-cpu=250m", "kwok.x-k8s.io/usage-memory=64Mi")
    cluster.kubectl("run", "busy", "--image", "any", "--annotations", usage[0], "--annotations", usage[1])
    shown = re.compile(r"busy +25[0-9]m +64Mi")
    eventually(lambda: shown.search(cluster.kubectl("top", "pods", check=False)), "the pod's use", 60)


def test_up_keeps_a_cluster_whose_node_somebody_made_fail(home: Home) -> None:
    cluster = home.up(unique_name(), "--profile", "fake")
    cluster.kubectl("create", "namespace", "precious")
    os.kill(cluster.pids()["kwok"], signal.SIGSTOP)
    cluster.kubectl("patch", "node", "fake-0", "--subresource", "status", "-p", NOT_READY)
    done = home.tool("up", "--name", cluster.name, "--profile", "fake")
    assert "node fake-0 is not ready" in done.stderr
    assert done.returncode == 0
    assert "precious" in cluster.kubectl("get", "namespaces")


def test_component_that_cannot_start_is_named_with_its_log(home: Home, tmp_path: Path) -> None:
    stages = tmp_path / "stages.yaml"
    stages.write_text("apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\nspec: [not, a, stage]\n")
    name = unique_name()
    done = home.tool("up", "--name", name, "--profile", "fake", "--stages", stages)
    assert done.returncode == 1
    assert "kwok keeps ending (exit status 1); last lines of" in done.stderr
    log = home.state(name) / "logs" / "kwok.log"
    assert str(log) in done.stderr
    # It may have ended once more since.
    assert any(line[:400] in done.stderr for line in log.read_text().splitlines())
    assert "stopped" in home.tool("status").stdout


def test_bad_names_and_missing_files_are_told_before_anything_starts(home: Home) -> None:
    bad = home.tool("up", "--name", "No_Good", "--profile", "fake")
    assert "cluster name 'No_Good' is not usable" in bad.stderr
    missing = home.tool("up", "--name", unique_name(), "--profile", "fake", "--stages", "nowhere.yaml")
    assert "--stages nowhere.yaml: there is no such file" in missing.stderr
    assert (bad.returncode, missing.returncode) == (1, 1)
