"""Runs an application under uvicorn, with a stop that loses no request."""

from __future__ import annotations

import asyncio
import logging
import signal
from types import FrameType

import uvicorn
from fastapi import FastAPI

from ragservices.common.settings import ServiceSettings

log = logging.getLogger(__name__)

# Longer than clients keep idle connections (see http.py), so that they are never closed under a request.
KEEP_ALIVE_SECONDS = 30


class DrainingServer(uvicorn.Server):
    """On the first SIGTERM or SIGINT, /readyz turns to 503 and the service answers on for `drain_seconds`, so
    that nothing is sent to it any more when it closes its port; then requests under way are finished. A
    second signal stops at once."""

    def __init__(self, app: FastAPI, settings: ServiceSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=settings.stop_seconds,
                server_header=False,
            )
        )
        self._lifecycle = app.state.lifecycle
        self._drain_seconds = settings.drain_seconds

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Signal handler."""
        # The inherited handler would raise the signal again at the end; a stop in good order exits with 0.
        if self._lifecycle.stopping:
            self.should_exit = self.force_exit = True
            return
        self._lifecycle.stopping = True
        log.info("stopping", extra={"signal": signal.Signals(sig).name, "drain_seconds": self._drain_seconds})
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, self._drain_seconds, self._stop)

    def _stop(self) -> None:
        self.should_exit = True


def serve(app: FastAPI, settings: ServiceSettings) -> None:
    """Serves until told to stop."""
    DrainingServer(app, settings).run()
