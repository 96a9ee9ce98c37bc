"""Metrics whose load a benchmark turns up: at that very moment the breach can be seen.

Serves the resource metrics API, through the API server's aggregation layer, and the pods' own endpoint.
metrics-server in its place would measure every ten seconds: it would tell of a breach later than it was, and
always at the same fraction of a second.
"""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from cluster import addons, pki

POD_ADDRESS: Final = "127.0.1.1"
"""Where the endpoint of every pod is: the pods of a fake cluster have none of their own."""
API: Final = "/apis/metrics.k8s.io/v1beta1"
LOW: Final = ("50m", 0)
HIGH: Final = ("95m", 150)
"""CPU that a pod uses, and its queue."""
REQUESTED_CPU: Final = "100m"
REQUESTS_PER_SECOND: Final = 5
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120)
SECONDS: Final = 0.2
"""Response time of all requests."""


class Source:
    """The load of the pods of each namespace, and the servers that tell it."""

    def __init__(self) -> None:
        self._high: set[str] = set()
        self._pods: dict[str, list[dict[str, Any]]] = {}

    def know(self, namespace: str, pods: list[dict[str, Any]]) -> None:
        """From now on the resource metrics API tells of these pods. To look for them at each request would
        take time from what is measured."""
        self._pods[namespace] = pods

    def turn_up(self, namespace: str) -> datetime:
        """From now on the pods are above all thresholds. Returns the moment before."""
        moment = datetime.now(UTC)
        self._high.add(namespace)
        return moment

    def turn_down(self, namespace: str) -> None:
        """From now on the pods are below all thresholds."""
        self._high.discard(namespace)

    def load(self, namespace: str) -> tuple[str, int]:
        """CPU and queue of each pod."""
        return HIGH if namespace in self._high else LOW

    def pod_metrics(self, namespace: str, selector: str) -> dict[str, Any]:
        """A PodMetricsList, measured now. `selector` is of the kind `key=value,...`."""
        wanted = dict(part.split("=", 1) for part in selector.split(",") if part)
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        usage = {"cpu": self.load(namespace)[0], "memory": "50Mi"}
        return {
            "kind": "PodMetricsList",
            "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {},
            "items": [
                {
                    "metadata": {"name": pod["metadata"]["name"], "namespace": namespace},
                    "timestamp": stamp,
                    "window": "1s",
                    "containers": [{"name": "main", "usage": usage}],
                }
                for pod in self._pods.get(namespace, [])
                if wanted.items() <= pod["metadata"]["labels"].items()
            ],
        }


@contextmanager
def serving(source: Source, folder: Path) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Serves both; `folder` is for certificates.

    Gives the port of the pods' endpoint, whose path is the namespace, and the objects that lead the API
    server to the metrics API.
    """
    authority = pki.Authority.create(folder, "ca")
    pair = authority.server("metrics", ["DNS:metrics-server.kube-system.svc"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    with _server(source, "127.0.0.1", context) as api, _server(source, POD_ADDRESS) as endpoint:
        local = {"type": "ExternalName", "externalName": "localhost"}
        yield endpoint.server_port, addons.metrics_objects(authority.pair.cert, local, api.server_port)


@contextmanager
def _server(
    source: Source, address: str, context: ssl.SSLContext | None = None
) -> Iterator[ThreadingHTTPServer]:
    started = time.monotonic()

    class Handler(_Handler):
        content_type = "application/json" if context else "text/plain; version=0.0.4"

        def answer(self, path: str, query: Mapping[str, list[str]]) -> str | None:
            if context is None:
                depth = source.load(path.removeprefix("/"))[1]
                return exposition(depth, time.monotonic() - started)
            if path == API:
                return json.dumps(_discovery())
            match path.removeprefix(API).split("/"):
                case ["", "namespaces", namespace, "pods"]:
                    selector = query.get("labelSelector", [""])[0]
                    return json.dumps(source.pod_metrics(namespace, selector))
            return None

    with ThreadingHTTPServer((address, 0), Handler) as server:
        if context is not None:
            # The handshake belongs to the thread of the connection.
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    content_type = ""

    def answer(self, path: str, query: Mapping[str, list[str]]) -> str | None:
        """The body; None: there is no such path."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Any request."""
        url = urlsplit(self.path)
        text = self.answer(url.path, parse_qs(url.query))
        body = (text or "").encode()
        self.send_response(404 if text is None else 200)
        self.send_header("Content-Type", self.content_type)
        self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # who asked has not waited
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal is for results."""


def exposition(depth: int, seconds: float) -> str:
    """What a pod that has served for some seconds exposes, by the names of the reference images."""
    count = int(REQUESTS_PER_SECOND * seconds)
    labels = 'service="generation",route="/v1/generate",method="POST"'
    name = "ragservices_request_seconds"
    counts = [(bound, count if bound >= SECONDS else 0) for bound in BUCKETS] + [("+Inf", count)]
    lines = [
        f"# TYPE {name} histogram",
        *(f'{name}_bucket{{{labels},le="{bound}"}} {number}' for bound, number in counts),
        f"{name}_count{{{labels}}} {count}",
        f"{name}_sum{{{labels}}} {SECONDS * count}",
        "# TYPE ragservices_requests_total counter",
        f'ragservices_requests_total{{{labels},status="200"}} {count}',
        "# TYPE ragservices_errors_total counter",
        "# TYPE ragservices_queue_depth gauge",
        f'ragservices_queue_depth{{service="generation"}} {depth}',
    ]
    return "\n".join(lines) + "\n"


def _discovery() -> dict[str, Any]:
    """The APIResourceList that clients ask for first."""
    resource = {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics"}
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "metrics.k8s.io/v1beta1",
        "resources": [{**resource, "verbs": ["get", "list"]}],
    }
