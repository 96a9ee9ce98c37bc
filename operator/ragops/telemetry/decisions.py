"""Writes the decision log: in a thread of its own, so that no decision ever waits for a disk.

Records wait in a bounded queue; what does not fit, or cannot be written, is counted, in a metric and in the
log itself. A full file becomes the old one, of which one is kept, and a new one begins that can be read by
itself.
"""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, Full, Queue
from types import TracebackType
from typing import BinaryIO, Final

from ragops.scaling.record import DroppedEntry, Entry, Record, Recorder, ResetEntry, encode
from ragops.telemetry.metrics import DECISIONS_DROPPED

logger = logging.getLogger(__name__)

STDOUT: Final = "-"
CAPACITY: Final = 500
"""Records that wait: some seconds of a thousand services, and a few megabytes."""
STOP_SECONDS: Final = 5


class DecisionLog:
    """The decision log of one operator process. It is written between `with` and its end."""

    def __init__(self, path: str, max_bytes: int, capacity: int = CAPACITY) -> None:
        self._path = path
        self._output = _Output(path, max_bytes)
        self._recorder = Recorder()
        self._queue: Queue[Record | ResetEntry | None] = Queue(capacity)
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self._failing = False
        # Each is counted by one thread only, and never back.
        self._refused = self._lost = self._told = 0

    def __enter__(self) -> "DecisionLog":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Writes what waits, unless the disk hangs."""
        with suppress(Full):
            self._queue.put(None, timeout=STOP_SECONDS)
        self._thread.join(STOP_SECONDS)

    def add(self, record: Record) -> None:
        """A decision was made. Returns at once."""
        self._put(record)

    def reset(self, resumed_from: datetime | None) -> None:
        """This process has become the leader, and has no samples yet. Returns at once."""
        self._put(ResetEntry(datetime.now(UTC), resumed_from))

    def _put(self, item: Record | ResetEntry) -> None:
        try:
            self._queue.put_nowait(item)
        except Full:
            self._refused += 1
            DECISIONS_DROPPED.inc()

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            batch = list(self._waiting())
            goes_on = None not in batch
            items = [item for item in batch if item is not None]
            try:
                self._write(items)
            except OSError as error:
                self._fail(error, len(items))
            else:
                self._failing = False
        self._output.close()

    def _waiting(self) -> Iterator[Record | ResetEntry | None]:
        """The next item, as soon as there is one, and what came with it."""
        yield self._queue.get()
        try:
            while True:
                yield self._queue.get_nowait()
        except Empty:
            return

    def _write(self, items: list[Record | ResetEntry]) -> None:
        for item in items:
            self._prepare()
            self._output.write(self._lines(item))
        if dropped := self._refused + self._lost - self._told:
            self._prepare()
            self._output.write([encode(DroppedEntry(datetime.now(UTC), dropped))])
            self._told += dropped
        self._output.flush()

    def _prepare(self) -> None:
        if self._output.begins():
            self._recorder.forget()

    def _lines(self, item: Record | ResetEntry) -> list[str]:
        """Nothing for a record that cannot be put into JSON."""
        entries: list[Entry] = self._recorder.entries(item) if isinstance(item, Record) else [item]
        try:
            return [encode(entry) for entry in entries]
        except ValueError as error:
            self._fail(error, 1)
            return []

    def _fail(self, error: Exception, items: int) -> None:
        """Drops these. What the log has of them is not known: it is begun anew, and all is said again."""
        if not self._failing:
            logger.error("the decision log %s cannot be written: %s", self._path, error)
        self._failing = True
        self._lost += items
        DECISIONS_DROPPED.inc(items)
        self._output.close()


class _Output:
    """Standard output, or a file that is opened when it is needed and replaced when it is full."""

    def __init__(self, path: str, max_bytes: int) -> None:
        self._path = None if path == STDOUT else Path(path)
        self._max_bytes = max_bytes
        self._stream: BinaryIO | None = None

    def begins(self) -> bool:
        """Whether what is written next is the first of a file or of this process. Raises OSError."""
        if self._stream is not None and not self._is_full():
            return False
        if self._path is None:
            self._stream = sys.stdout.buffer
            return True
        if self._stream is not None:
            self.close()
            self._path.replace(f"{self._path}.1")
        self._stream = _appending(self._path)
        return True

    def write(self, lines: list[str]) -> None:
        """Whole lines. Raises OSError."""
        if self._stream is not None:
            self._stream.writelines(f"{line}\n".encode() for line in lines)

    def flush(self) -> None:
        """Everything written is with the system now. Raises OSError."""
        if self._stream is not None:
            self._stream.flush()

    def close(self) -> None:
        """The file is opened anew when it is needed."""
        stream, self._stream = self._stream, None
        if stream is not None and self._path is not None:
            with suppress(OSError):  # what cannot be written was told by flush
                stream.close()

    def _is_full(self) -> bool:
        return self._path is not None and self._stream is not None and self._stream.tell() >= self._max_bytes


def _appending(path: Path) -> BinaryIO:
    """The file at its end, where a line begins: a process that was killed may have left half of one."""
    stream = path.open("a+b")
    if stream.tell():
        stream.seek(-1, 2)
        if stream.read(1) != b"\n":
            stream.write(b"\n")
    return stream
