"""Requests from inside the cluster: a pod that asks a Service without pause, and tells how that went."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.support import Site, eventually

SECONDS_AT_MOST = 900

# Each request has a connection of its own, as the requests of many clients have: kube-proxy spreads those.
_SCRIPT = """
import asyncio, json, os, time
import httpx

URL, BODY = os.environ["URL"], json.loads(os.environ["BODY"])
counts = {"answered": 0, "failed": 0}
faults = []


async def ask(client, end):
    while time.monotonic() < end:
        try:
            answer = await client.post(URL, json=BODY)
            ok, fault = answer.status_code == 200, str(answer.status_code)
        except httpx.HTTPError as error:
            ok, fault = False, repr(error)
        counts["answered" if ok else "failed"] += 1
        if not ok:
            faults.append(fault)
        await asyncio.sleep(0.04)


async def tell(end):
    while time.monotonic() < end:
        print(json.dumps({**counts, "faults": faults[-5:]}), flush=True)
        await asyncio.sleep(0.5)


async def main():
    end = time.monotonic() + float(os.environ["SECONDS"])
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, timeout=30) as client:
        await asyncio.gather(tell(end), *(ask(client, end) for _ in range(4)))


asyncio.run(main())
"""


class Traffic:
    """What the pod has told so far."""

    def __init__(self, site: Site, namespace: str, pod: str) -> None:
        self._site, self._namespace, self._pod = site, namespace, pod

    def counts(self) -> dict[str, Any]:
        """Requests that were answered with 200, those that were not, and the last faults."""
        lines = self._site.kubectl("-n", self._namespace, "logs", self._pod, "--tail=1", check=False)
        told: dict[str, Any] = json.loads(lines) if lines.startswith("{") else {"answered": 0}
        return told

    def flows(self, more: int = 20) -> None:
        """Waits for so many further answers."""
        before = self.counts()["answered"]
        eventually(lambda: self.counts()["answered"] >= before + more, 60, f"{more} further answers")


@contextmanager
def traffic(site: Site, namespace: str, service: str, path: str, body: dict[str, Any]) -> Iterator[Traffic]:
    """The pod asks, from the first answer on until the end of the block."""
    name = f"traffic-{service}"
    environment = {
        "URL": f"http://{service}:8080{path}",
        "BODY": json.dumps(body),
        "SECONDS": str(SECONDS_AT_MOST),
    }
    container = {
        "name": "main",
        "image": site.images[1],
        "command": ["python", "-c", _SCRIPT],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
    }
    spec = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
    site.apply(namespace, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    try:
        made = Traffic(site, namespace, name)
        made.flows()
        yield made
    finally:
        site.kubectl("-n", namespace, "delete", "pod", name, "--wait=false")
