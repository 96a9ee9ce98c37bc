"""The API server's audit log: who wrote what."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from .eventually import throughout

_WRITES: Final = ("create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True)
class Request:
    """One request that was answered."""

    user: str
    verb: str
    resource: str
    """With subresource, such as deployments/scale."""
    name: str
    received: datetime
    completed: datetime
    status: int


@dataclass(frozen=True)
class Audit:
    """The audit log of one cluster."""

    path: Path

    def mark(self) -> int:
        """A place in the log: now."""
        return self.path.stat().st_size

    def requests(self, user: str, since: int = 0) -> list[Request]:
        """All requests of a user after a place in the log, in the order of their answers."""
        with self.path.open("rb") as log:
            log.seek(since)
            lines = log.read().splitlines()
        return [_request(entry) for line in lines if user.encode() in line and (entry := _entry(line, user))]

    def assert_no_writes(self, user: str, seconds: float) -> None:
        """Watches for a time that begins now; the Lease may be renewed."""
        mark = self.mark()
        try:
            throughout(lambda: not self.writes(user, mark), f"{user} writes nothing", seconds)
        finally:
            assert self.writes(user, mark) == []

    def writes(self, user: str, since: int = 0, leases: bool = False) -> list[Request]:
        """The writes of a user after a place in the log; those of Leases or all others."""
        return [
            request
            for request in self.requests(user, since)
            if request.verb in _WRITES and (request.resource == "leases") == leases
        ]


def _entry(line: bytes, user: str) -> dict[str, Any] | None:
    """The entry, None for one of another user, and for a last line that is not complete yet."""
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    wanted = entry["user"]["username"] == user and entry["stage"] == "ResponseComplete"
    return entry if wanted and "objectRef" in entry else None


def _request(entry: dict[str, Any]) -> Request:
    about = entry["objectRef"]
    return Request(
        user=entry["user"]["username"],
        verb=entry["verb"],
        resource="/".join(filter(None, (about["resource"], about.get("subresource")))),
        name=about.get("name", ""),
        received=datetime.fromisoformat(entry["requestReceivedTimestamp"]),
        completed=datetime.fromisoformat(entry["stageTimestamp"]),
        status=entry["responseStatus"]["code"],
    )
