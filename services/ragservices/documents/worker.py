"""Parses and chunks a document in a process of its own.

Parsers are pure Python, meet files from strangers, and cannot be interrupted: a process keeps them out of the
event loop, can be killed when it takes too long, and can be held to an amount of memory. Processes are forked
from a server that has the libraries loaded, so that one costs milliseconds."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from ragservices.documents.chunking import Chunk, ChunkLimits, chunk_document
from ragservices.documents.parsing import DocumentError, Kind, parse
from ragservices.embeddings.tokens import ModelTokenizer

# The parsers are named for the server to have them loaded before it forks.
_PRELOAD = [
    __name__,
    *(f"ragservices.documents.parsing.{name}" for name in ("pdf", "docx", "html", "markdown", "text")),
]


@dataclass(frozen=True)
class WorkerLimits:
    """How a document is chunked, and what its processing may cost."""

    chunk_tokens: int
    chunk_overlap_tokens: int
    model_dir: Path
    timeout_seconds: float
    memory_bytes: int
    max_chunks: int


@dataclass(frozen=True)
class Processed:
    """A document ready to be embedded."""

    pages: int | None
    chunks: list[Chunk]


class DocumentWorker:
    """Starts one process per document."""

    def __init__(self, limits: WorkerLimits) -> None:
        self._limits = limits
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOAD)

    async def process(self, path: Path, name: str, kind: Kind) -> Processed:
        """Parses and chunks the file at `path`. Raises DocumentError for a bad document, also for one that
        takes too much time or memory."""
        return await asyncio.to_thread(self._run, path, name, kind)

    def _run(self, path: Path, name: str, kind: Kind) -> Processed:
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_main, args=(sender, self._limits, path, name, kind), daemon=True
        )
        with receiver:
            process.start()
            sender.close()
            try:
                return self._receive(receiver, name)
            finally:
                process.kill()
                process.join()

    def _receive(self, receiver: Connection, name: str) -> Processed:
        if not receiver.poll(self._limits.timeout_seconds):
            raise DocumentError(
                "processing_timeout",
                f"{name} could not be read within {self._limits.timeout_seconds:.0f} s: "
                "split it into smaller documents",
            )
        try:
            result = receiver.recv()
        except EOFError as error:  # it was killed, or crashed inside a library
            raise DocumentError(
                "processing_failed",
                f"{name} could not be read: its processing ended unexpectedly, most likely for want of "
                "memory. Split it into smaller documents, or save it again with the program it comes from",
            ) from error
        if isinstance(result, DocumentError):
            raise result
        assert isinstance(result, Processed)
        return result


def _main(sender: Connection, limits: WorkerLimits, path: Path, name: str, kind: Kind) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    try:
        sender.send(_process(limits, path, name, kind))
    except DocumentError as error:
        sender.send(error)
    except MemoryError:
        sender.send(
            DocumentError(
                "too_complex",
                f"{name} takes more than {limits.memory_bytes >> 20} MiB of memory to read: split it",
            )
        )


def _process(limits: WorkerLimits, path: Path, name: str, kind: Kind) -> Processed:
    parsed = parse(path, name, kind)
    tokenizer = ModelTokenizer(limits.model_dir)
    chunk_limits = ChunkLimits(
        tokens=min(limits.chunk_tokens, tokenizer.max_content_tokens),
        overlap=limits.chunk_overlap_tokens,
        model=tokenizer.max_content_tokens,
    )
    chunks = chunk_document(parsed.blocks, chunk_limits, tokenizer.count)
    if len(chunks) > limits.max_chunks:
        raise DocumentError(
            "too_large",
            f"{name} has {len(chunks)} passages, above the limit of {limits.max_chunks}: split it",
        )
    return Processed(parsed.pages, chunks)
