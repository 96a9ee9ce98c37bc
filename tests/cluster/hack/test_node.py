"""Profile node: a real kubelet, and nothing left of it afterwards."""

import contextlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import Home, Running, eventually, unique_name

pytestmark = [
    pytest.mark.node,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="profile node needs root"),
]

IMAGE = "localhost/ragops/base:dev"
_SERVER = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.uname().nodename.encode())
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
_INDENTED = _SERVER.replace("\n", "\n" + " " * 10)
WORKLOAD = f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: web}}
spec:
  serviceName: web
  replicas: 2
  podManagementPolicy: Parallel
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      securityContext: {{runAsUser: 10001, runAsGroup: 10001, runAsNonRoot: true, fsGroup: 10001}}
      containers:
      - name: web
        image: {IMAGE}
        imagePullPolicy: IfNotPresent
        command:
        - python3
        - -c
        - |
          {_INDENTED}
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
        volumeMounts: [{{name: data, mountPath: /data}}]
  volumeClaimTemplates:
  - metadata: {{name: data}}
    spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}
"""
_ASK = "import urllib.request as u; print(u.urlopen('http://web.default.svc.cluster.local').read().decode())"


@pytest.fixture(scope="module")
def image() -> str:
    """An image with Python in it."""
    found = subprocess.run(["buildah", "inspect", "--type", "image", IMAGE], capture_output=True, check=False)
    assert found.returncode == 0, f"these tests run pods of {IMAGE}: build it first (make images)"
    return IMAGE


@pytest.fixture(scope="module")
def cluster(shared_home: Home, image: str) -> Running:
    """A cluster with a workload that is ready; tests look at it and do not harm it."""
    return with_workload(shared_home.up(unique_name()), image)


def with_workload(cluster: Running, image: str) -> Running:
    done = cluster.home.tool("load-image", "--name", cluster.name, image)
    assert done.returncode == 0, done.stderr
    cluster.kubectl("apply", "-f", "-", stdin=WORKLOAD)
    cluster.kubectl("rollout", "status", "statefulset/web", "--timeout", "100s")
    return cluster


def processes_in(namespaces: set[Path]) -> int:
    """How many processes of this host are in one of these namespaces."""
    found = set()
    for kind in ("pid", "net", "mnt"):
        for path in Path("/proc").glob(f"[0-9]*/ns/{kind}"):
            # A process may have ended meanwhile.
            with contextlib.suppress(OSError):
                if path.readlink() in namespaces:
                    found.add(path.parts[2])
    return len(found)


def test_service_by_name_reaches_every_pod(cluster: Running) -> None:
    answers = {cluster.kubectl("exec", "web-0", "--", "python3", "-c", _ASK).strip() for _ in range(20)}
    assert answers == {"web-0", "web-1"}


def test_host_reaches_pods_and_services(cluster: Running) -> None:
    pod = cluster.get("pod", "web-1")["status"]["podIP"]
    service = cluster.get("service", "web")["spec"]["clusterIP"]
    for url in (f"http://{pod}:8080", f"http://{service}"):
        answer = subprocess.run(["curl", "-fsS", "--noproxy", "*", url], capture_output=True, check=True)
        assert answer.stdout.startswith(b"web-")


def test_volume_belongs_to_the_pods_group_and_outlives_the_pod(cluster: Running) -> None:
    cluster.kubectl("exec", "web-0", "--", "sh", "-c", "echo kept > /data/file")
    cluster.kubectl("delete", "pod", "web-0", "--grace-period", "1")
    cluster.kubectl("rollout", "status", "statefulset/web", "--timeout", "100s")
    assert cluster.kubectl("exec", "web-0", "--", "cat", "/data/file") == "kept\n"
    assert cluster.kubectl("exec", "web-0", "--", "stat", "-c", "%g", "/data") == "10001\n"


def test_top_shows_pods(cluster: Running) -> None:
    shown = re.compile(r"web-1 +\d+m +\d+Mi")
    eventually(lambda: shown.search(cluster.kubectl("top", "pods", check=False)), "figures of web-1", 60)


def test_logs_exec_and_images(cluster: Running) -> None:
    assert "GET / HTTP/1.1" in cluster.kubectl("logs", "web-0")
    assert cluster.inside("hostname").strip() == f"ragops-{cluster.name}"
    assert IMAGE in cluster.inside("ctr", "--namespace", "k8s.io", "images", "list", "--quiet").split()
    again = cluster.home.tool("load-image", "--name", cluster.name, IMAGE)
    assert f"{IMAGE} is already there" in again.stderr
    missing = cluster.home.tool("load-image", "--name", cluster.name, "localhost/ragops/no-such:image")
    assert "there is no image 'localhost/ragops/no-such:image'" in missing.stderr


def test_second_up_changes_nothing(cluster: Running) -> None:
    before = cluster.pids()
    cluster.home.up(cluster.name)
    assert cluster.pids() == before


FOLDERS = (
    *("/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/run/containerd", "/run/netns"),
    *("/var/log/pods", "/var/log/containers", "/etc/cni", "/opt/cni", "/usr/libexec/kubernetes"),
)
SETTINGS = (
    *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "net/ipv4/ip_forward"),
)


def host() -> dict[str, object]:
    """What a cluster might leave on its host, clusters that others run left out."""
    return {
        "folders": [path for path in FOLDERS if Path(path).exists()],
        "settings": {name: Path("/proc/sys", name).read_text() for name in SETTINGS},
        "rules": subprocess.run(["nft", "list", "ruleset"], capture_output=True, check=True).stdout,
    }


def traces(cluster: Running) -> dict[str, list[str]]:
    """What the host shows of one cluster."""
    aliases = {path: path.read_text() for path in Path("/sys/class/net").glob("*/ifalias")}
    mark = f"ragops-{cluster.name}-"
    return {
        "devices": [path.parts[4] for path, alias in aliases.items() if mark in alias],
        "cgroups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{mark}*")],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if cluster.name in line],
        "state": [str(path) for path in cluster.state.parent.glob(f"*{cluster.name}*")],
    }


@pytest.mark.parametrize("ending", ["orderly", "killed"])
def test_down_leaves_nothing(home: Home, image: str, ending: str) -> None:
    before = host()
    cluster = with_workload(home.up(unique_name()), image)
    seen = traces(cluster)
    assert all(seen[kind] for kind in ("devices", "cgroups", "state"))
    assert seen["mounts"] == []
    namespaces = {
        Path(f"/proc/{cluster.supervisor()}/ns/{kind}").readlink() for kind in ("pid", "net", "mnt")
    }
    assert processes_in(namespaces) > 12
    if ending == "killed":
        cluster.kill()
    for _ in range(2):
        assert home.tool("down", "--name", cluster.name).returncode == 0
    assert processes_in(namespaces) == 0
    assert traces(cluster) == {"devices": [], "cgroups": [], "mounts": [], "state": []}
    assert host() == before


def test_up_after_the_supervisor_was_killed(home: Home, image: str) -> None:
    cluster = with_workload(home.up(unique_name()), image)
    cluster.kill()
    done = home.tool("up", "--name", cluster.name)
    assert done.returncode == 0, done.stderr
    assert "its data is gone" in done.stderr
    assert cluster.get("pods")["items"] == []
    with_workload(cluster, image)


def test_clearing_a_dead_cluster_does_no_harm_to_the_one_that_got_its_addresses(home: Home) -> None:
    dead = home.up(unique_name(), "--no-merge")
    dead.kill()
    eventually(lambda: not traces(dead)["devices"], "the end of the dead cluster's link")
    living = home.up(unique_name(), "--no-merge")
    assert home.tool("down", "--name", dead.name).returncode == 0
    assert f"ragops-{living.name}" in living.kubectl("get", "nodes")
    assert traces(living)["devices"]
    assert traces(living)["cgroups"]


def test_two_clusters_side_by_side(home: Home) -> None:
    first = home.up(unique_name(), "--no-merge")
    second = home.up(unique_name(), "--no-merge")
    first.kubectl("create", "namespace", "only-in-first")
    assert "only-in-first" not in second.kubectl("get", "namespaces")
    assert traces(first)["devices"] != traces(second)["devices"]
