"""The way of an upload: received, recognised or processed, embedded, stored."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.datastructures import UploadFile

from ragservices.common.embedder import Embedder
from ragservices.common.errors import ApiError
from ragservices.common.metrics import CHUNKS, DOCUMENTS, PAGES
from ragservices.documents.parsing import DocumentError, detect_kind
from ragservices.documents.store import DocumentStore, Stored, Upload
from ragservices.documents.worker import DocumentWorker

MAX_NAME_CHARACTERS = 255

_STATUS = {"unsupported_type": 415, "content_mismatch": 415, "too_large": 413}


@dataclass(frozen=True)
class Received:
    """An upload on disk."""

    path: Path
    name: str
    media_type: str | None
    size: int
    digest: bytes


class Intake:
    """Takes documents in."""

    def __init__(
        self,
        store: DocumentStore,
        embedder: Embedder,
        worker: DocumentWorker,
        *,
        max_bytes: int,
        receive_seconds: float,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._worker = worker
        self._max_bytes = max_bytes
        self._receive_seconds = receive_seconds

    async def take(self, request: Request) -> Stored:
        """Handles one upload. Raises ApiError: 4xx for a bad document, 5xx when the database or the
        embeddings service fails. Nothing is stored then."""
        try:
            async with self._received(request) as received:
                stored = await self._process(received)
        except DocumentError as error:
            DOCUMENTS.labels(error.code).inc()
            raise ApiError(_STATUS.get(error.code, 422), error.code, error.message) from error
        DOCUMENTS.labels(stored.outcome).inc()
        return stored

    async def _process(self, received: Received) -> Stored:
        kind = detect_kind(received.name, received.media_type)
        known = await self._store.find_same(received.name, received.digest, await self._embedder.model())
        if known is not None:
            return Stored(known, "known")
        processed = await self._worker.process(received.path, received.name, kind)
        embedded = await self._embedder.embed([chunk.embedded_text for chunk in processed.chunks])
        upload = Upload(
            received.name, kind.value, received.size, received.digest, processed.pages, processed.chunks
        )
        stored = await self._store.store(upload, embedded)
        PAGES.inc(processed.pages or 0)
        CHUNKS.inc(len(processed.chunks))
        return stored

    @asynccontextmanager
    async def _received(self, request: Request) -> AsyncIterator[Received]:
        """The file of a multipart request, on disk as long as the context is open."""
        content_type = request.headers.get("content-type", "")
        if not content_type.startswith("multipart/form-data"):
            raise ApiError(
                415, "unsupported_request", "send the document as multipart/form-data, as the field 'file'"
            )
        with tempfile.TemporaryDirectory(prefix="upload-") as directory:
            try:
                async with (
                    asyncio.timeout(self._receive_seconds),
                    request.form(max_files=1, max_fields=8) as form,
                ):
                    file = form.get("file")
                    if not isinstance(file, UploadFile):
                        raise ApiError(
                            400, "file_missing", "the request has no file: send one as the field 'file'"
                        )
                    path = Path(directory) / "document"
                    size, digest = await asyncio.to_thread(_save, file, path)
            except TimeoutError as error:
                raise ApiError(
                    408,
                    "upload_timeout",
                    f"the upload took more than {self._receive_seconds:.0f} s: try again",
                ) from error
            if size > self._max_bytes:
                raise DocumentError(
                    "too_large",
                    f"{file.filename} has {size} bytes, above the limit of {self._max_bytes}: "
                    "split the document, or have the limit raised",
                )
            yield Received(path, safe_name(file.filename or ""), file.content_type, size, digest)


def safe_name(filename: str) -> str:
    """The last part of a file name, without control characters. Raises ApiError when nothing is left of
    it."""
    name = os.path.basename(filename.replace("\\", "/"))
    name = "".join(c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c)[0] != "C").strip()
    if not name or name in (".", ".."):
        raise ApiError(400, "name_missing", "the file has no name: send one with the field 'file'")
    if len(name) > MAX_NAME_CHARACTERS:
        raise ApiError(
            400,
            "name_too_long",
            f"the file's name has {len(name)} characters; at most {MAX_NAME_CHARACTERS} are allowed",
        )
    return name


def _save(file: UploadFile, path: Path) -> tuple[int, bytes]:
    """Writes the upload to `path`; returns its size and SHA-256."""
    with path.open("w+b") as target:
        shutil.copyfileobj(file.file, target, 1 << 20)
        size = target.tell()
        target.seek(0)
        return size, hashlib.file_digest(target, "sha256").digest()
