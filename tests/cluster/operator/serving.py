"""Watches from beside a test that a service has enough ready pods behind its Service, all the time."""

from threading import Event, Thread
from types import TracebackType
from typing import Self

import httpx

from .space import Object, Space


class Serving:
    """A context: at its end it fails if there were ever fewer than `least` ready pods with the requests."""

    def __init__(self, space: Space, service: str, least: int) -> None:
        # httpx clients are safe across threads; one of its own keeps the test's connections free.
        self._space = space
        self._service = service
        self._least = least
        self._over = Event()
        self._found: list[str] = []
        self._looks = 0
        self._thread = Thread(target=self._watch, daemon=True)
        self.images: set[str] = set()
        """Of all pods that had requests."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if error is None:
            assert self._looks > 10, "it was watched"
            assert not self._found, self._found

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            try:
                before = self._selector()
                pods = [pod for pod in self._space.all_of("Pod", before) if _serves(pod)]
                if len(pods) < self._least and self._selector() == before:
                    self._found.append(f"{before}: {len(pods)} ready")
            except httpx.TransportError:
                continue
            self._looks += 1
            self.images |= {pod["spec"]["containers"][0]["image"] for pod in pods}

    def _selector(self) -> str:
        selector = self._space.get("Service", f"demo-{self._service}")["spec"]["selector"]
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))


def _serves(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]
