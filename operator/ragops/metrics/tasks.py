"""Tasks that nobody waits for: their failures are told and counted."""

import asyncio
import logging

from ragops.telemetry.metrics import UNEXPECTED

logger = logging.getLogger(__name__)


def tell_failure(task: asyncio.Task[None], what: str, where: str) -> None:
    """Logs and counts the error that a task ended with, if any. `where`: as the metric names its place."""
    if not task.cancelled() and (error := task.exception()):
        logger.error("unexpected error in a %s", what, exc_info=error)
        UNEXPECTED.labels(where).inc()
