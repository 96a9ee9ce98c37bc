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
            created = datetime.fromisoformat(rag["metadata"]["creationTimestamp"])
            if console.is_terminal:
                live.update(_table(status.get("services", []), created))
            else:
                _lines(status.get("services", []), shown)
            if conditions.get("Ready", {}).get("status") == "True":
                return
            time.sleep(0.5)
    raise DemoError(f"not ready after {TIMEOUT_SECONDS} s: kubectl -n {namespace} describe rag {name}")


def _table(services: list[dict[str, Any]], created: datetime) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 3))
    for title, width in (("service", 14), ("state", 11), ("pods", 5), ("since", 12), ("why", None)):
        table.add_column(title, min_width=width)
    colour = {"Ready": "green", "Starting": "yellow", "Failed": "red", "Unavailable": "red"}
    for service in services:
        state = service["state"]
        table.add_row(
            service["name"],
            f"[{colour.get(state, 'dim')}]{state}[/]",
            f"{service.get('readyReplicas', 0)}/{service.get('replicas', 0)}",
            _since(service, created),
            _why(service),
        )
    return table


def _lines(services: list[dict[str, Any]], shown: dict[str, str]) -> None:
    """Without a terminal: a line for each change."""
    for service in services:
        ready = service["state"] == "Ready"
        text = f"{service['state']:9} {_took(service) if ready else _why(service)}".rstrip()
        if shown.get(service["name"]) != text:
            shown[service["name"]] = text
            print(f"   {datetime.now(UTC):%H:%M:%S}  {service['name']:14} {text}", flush=True)
            sys.stdout.flush()


def _since(service: dict[str, Any], created: datetime) -> str:
    """How long it has been waiting or starting, or how long its start took."""
    if service["state"] == "Ready":
        return _took(service)
    started = service.get("startup", {}).get("startedAt")
    since = datetime.fromisoformat(started) if started else created
    return f"{(datetime.now(UTC) - since).total_seconds():.0f} s"


def _took(service: dict[str, Any]) -> str:
    startup = service["startup"]
    started, ready = (datetime.fromisoformat(startup[key]) for key in ("startedAt", "readyAt"))
    return f"after {(ready - started).total_seconds():.0f} s"


def _why(service: dict[str, Any]) -> str:
    startup = service.get("startup", {})
    if startup.get("waitingFor"):
        return f"waits for {', '.join(startup['waitingFor'])}"
    if startup.get("reason"):
        return f"{startup['reason']}: {startup.get('message', '')}"
    return ""
