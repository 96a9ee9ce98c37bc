"""Scaling over the end of its operator: by a new process of the same replica, and by another replica.

Two services, one by mode Step and one by mode Proportional, go from 1 replica to 3 under load and down to 2
after it. The leader is killed right after the first scale-up, and in the middle of the stability window.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ragops.cli.main import app

from .audit import Audit, Request
from .conftest import StartOperator, user
from .eventually import eventually
from .process import OperatorProcess
from .space import Object, Space, services

STEP, PROPORTIONAL = SERVICES = ("generation", "embeddings")
BUSY = "90m"
"""Of a request of 100m, at a target of 70 %: one more replica for one or two of them."""
CALM = {STEP: ("5m",), PROPORTIONAL: ("40m", "5m")}
"""Proportional sees a demand for two replicas at first, which counts for the whole window: one for 5m alone
would bring it down to a single replica."""
FORGOTTEN = timedelta(seconds=1)
"""A scale-up whose leader ended before it wrote the status is known by the API server's own note of it, which
has whole seconds."""

Successor = Callable[[OperatorProcess], OperatorProcess]
"""From the process that was killed to the one that acts now."""


@dataclass(frozen=True)
class Site:
    """Where the story takes place."""

    space: Space
    audit: Audit
    folder: Path

    def settings(self, name: str) -> dict[str, str]:
        """Of one replica of the operator."""
        return {"RAGOPS_DECISION_LOG": str(self.folder / f"{name}.jsonl")}

    def scalings(self, service: str) -> list[Request]:
        """All changes of replicas by any operator."""
        writes = self.audit.writes("system:serviceaccount:" + self.space.namespace)
        found = [w for w in writes if (w.resource, w.name) == ("deployments/scale", f"demo-{service}")]
        return sorted(found, key=lambda write: write.received)

    def scaling(self, service: str) -> Object:
        """status.services[].scaling; empty before there is any."""
        found: Object = self.space.service(service).get("scaling", {})
        return found
