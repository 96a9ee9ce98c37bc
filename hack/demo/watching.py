"""Shows the start of a RAGDeployment live: each service, what it waits for, since when, when it is ready."""

import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from shell import DemoError, capture

TIMEOUT_SECONDS = 600


def watch_start(kubectl: str, namespace: str, name: str) -> None:
    """Returns when the RAGDeployment is ready. Raises DemoError when it is not in time, or rejected."""
    console = Console()
    shown: dict[str, str] = {}
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        while time.monotonic() < deadline:
            rag = json.loads(capture(kubectl, "-n", namespace, "get", "rag", name, "-o", "json"))
            status = rag.get("status") or {}
            conditions = {c["type"]: c for c in status.get("conditions", [])}
            if conditions.get("Accepted", {}).get("status") == "False":
                raise DemoError(f"the RAGDeployment was rejected: {conditions['Accepted']['message']}")
            if console.is_terminal:
                live.update(_table(status.get("services", [])))
            else:
                _lines(status.get("services", []), shown)
            if conditions.get("Ready", {}).get("status") == "True":
                return
            time.sleep(0.5)
    raise DemoError(f"not ready after {TIMEOUT_SECONDS} s: kubectl -n {namespace} describe rag {name}")


def _table(services: list[dict[str, Any]]) -> Table:
    table = Table("service", "state", "pods", "since", "why", box=None, padding=(0, 2, 0, 3))
    colour = {"Ready": "green", "Starting": "yellow", "Failed": "red", "Unavailable": "red"}
    for service in services:
        state = service["state"]
        table.add_row(
            service["name"],
            f"[{colour.get(state, 'dim')}]{state}[/]",
            f"{service.get('readyReplicas', 0)}/{service.get('replicas', 0)}",
            _since(service),
            _why(service),
        )
    return table


def _lines(services: list[dict[str, Any]], shown: dict[str, str]) -> None:
    """Without a terminal: a line for each change."""
    for service in services:
        text = f"{service['state']:9} {_why(service)}".rstrip()
        if shown.get(service["name"]) != text:
            shown[service["name"]] = text
            print(f"   {datetime.now(UTC):%H:%M:%S}  {service['name']:14} {text}", flush=True)
            sys.stdout.flush()


def _since(service: dict[str, Any]) -> str:
    startup = service.get("startup", {})
    started, ready = startup.get("startedAt"), startup.get("readyAt")
    if not started:
        return ""
    end = datetime.fromisoformat(ready) if ready else datetime.now(UTC)
    seconds = (end - datetime.fromisoformat(started)).total_seconds()
    return f"after {seconds:.0f} s" if ready else f"{seconds:.0f} s"


def _why(service: dict[str, Any]) -> str:
    startup = service.get("startup", {})
    if startup.get("waitingFor"):
        return f"waits for {', '.join(startup['waitingFor'])}"
    if startup.get("reason"):
        return f"{startup['reason']}: {startup.get('message', '')}"
    return _since(service) if service["state"] == "Ready" else ""
