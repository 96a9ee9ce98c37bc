"""File locks that end with the process holding them, so that nothing stale can be left behind."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.progress import step


@contextmanager
def locked(path: Path, waiting_for: str) -> Iterator[None]:
    """Hold an exclusive lock on a file; when another process holds it, say what is waited for and wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _lock(path, waiting_for)
    try:
        yield
    finally:
        os.close(handle)


def _lock(path: Path, waiting_for: str) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            step(f"waiting for {waiting_for}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        # The last holder may have removed the file: then this lock is on a file that nobody else will find.
        if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
            return handle
        os.close(handle)
