"""HTTP interface of the documents service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, model_validator

from ragservices.common.app import create_app
from ragservices.common.database import Database
from ragservices.common.embedder import Embedder
from ragservices.common.errors import ApiError
from ragservices.common.gate import Gate
from ragservices.common.settings import DatabaseSettings, Seconds, ServiceUrl, default_model_dir
from ragservices.documents.intake import Intake
from ragservices.documents.store import Document, DocumentStore
from ragservices.documents.worker import DocumentWorker, WorkerLimits
from ragservices.embeddings.manifest import ModelManifest

# Room for the multipart framing around the document.
FRAMING_BYTES = 64 << 10


class DocumentsSettings(DatabaseSettings):
    """Configuration of the documents service."""

    embeddings_url: ServiceUrl
    embeddings_batch_size: Annotated[int, Field(ge=1, le=512)] = 32
    embeddings_timeout_seconds: Seconds = 60.0  # for one batch
    chunk_tokens: Annotated[int, Field(ge=32, le=8192)] = 200
    chunk_overlap_tokens: Annotated[int, Field(ge=0, le=4096)] = 40
    max_upload_bytes: Annotated[int, Field(ge=1024, le=1 << 31)] = 50 << 20
    upload_timeout_seconds: Seconds = 120.0
    parse_timeout_seconds: Seconds = 60.0
    parse_memory_bytes: Annotated[int, Field(ge=128 << 20)] = 768 << 20  # of one document's process
    # Documents are processed while the client waits; more than this would take too long.
    max_chunks: Annotated[int, Field(ge=1, le=1_000_000)] = 5000
    model_dir: Path = Field(default_factory=default_model_dir)  # for its tokenizer
    max_concurrency: Annotated[int, Field(ge=1, le=64)] = 2
    max_queue: Annotated[int, Field(ge=0, le=10000)] = 16

    @model_validator(mode="after")
    def _overlap_fits(self) -> DocumentsSettings:
        if self.chunk_overlap_tokens >= self.chunk_tokens:
            raise ValueError(
                f"RAGOPS_CHUNK_OVERLAP_TOKENS ({self.chunk_overlap_tokens}) must be less than "
                f"RAGOPS_CHUNK_TOKENS ({self.chunk_tokens})"
            )
        return self

    @property
    def worker_limits(self) -> WorkerLimits:
        """What the worker is told."""
        return WorkerLimits(
            self.chunk_tokens,
            self.chunk_overlap_tokens,
            self.model_dir,
            self.parse_timeout_seconds,
            self.parse_memory_bytes,
            self.max_chunks,
        )


def create(settings: DocumentsSettings) -> FastAPI:
    """The application. Raises ModelError when the tokenizer is missing."""
    ModelManifest.load(settings.model_dir)  # better now than with the first document
    database = Database(settings)
    embedder = Embedder(
        str(settings.embeddings_url),
        batch_size=settings.embeddings_batch_size,
        timeout=settings.embeddings_timeout_seconds,
    )
    store = DocumentStore(database)
    intake = Intake(
        store,
        embedder,
        DocumentWorker(settings.worker_limits),
        max_bytes=settings.max_upload_bytes,
        receive_seconds=settings.upload_timeout_seconds,
    )
    gate = Gate("documents", concurrency=settings.max_concurrency, queue=settings.max_queue, retry_after=5)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with database.opened():
            yield
            await embedder.aclose()

    app = create_app(
        "documents",
        lifespan,
        {"database": database.check},
        vital={"database": database.refusal},
        max_body_bytes=settings.max_upload_bytes + FRAMING_BYTES,
    )

    @app.post("/v1/documents", response_model=Document, status_code=201)
    async def upload(request: Request) -> JSONResponse:
        """Takes in the file of a multipart request: 201 when it is new, 200 when its content was there
        already."""
        async with gate.enter():
            stored = await intake.take(request)
        return JSONResponse(
            stored.document.model_dump(mode="json"), status_code=200 if stored.outcome == "known" else 201
        )

    @app.get("/v1/documents")
    async def documents(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: UUID | None = None
    ) -> dict[str, Any]:
        """Stored documents, oldest first; `next` is the value of `after` for the following page."""
        found = await store.page(limit + 1, after)
        more = len(found) > limit
        found = found[:limit]
        return {"documents": found, "next": found[-1].id if more else None}

    @app.get("/v1/documents/{document_id}")
    async def document(document_id: UUID) -> Document:
        """One document."""
        found = await store.get(document_id)
        if found is None:
            raise _unknown(document_id)
        return found

    @app.delete("/v1/documents/{document_id}", status_code=204)
    async def delete(document_id: UUID) -> Response:
        """Deletes a document and its chunks."""
        if not await store.delete(document_id):
            raise _unknown(document_id)
        return Response(status_code=204)

    return app


def _unknown(document_id: UUID) -> ApiError:
    return ApiError(
        404,
        "document_not_found",
        f"there is no document {document_id}: GET /v1/documents lists those there are",
    )
