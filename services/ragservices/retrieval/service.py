"""HTTP interface of the retrieval service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI
from pydantic import BaseModel, Field

from ragservices.common.app import create_app
from ragservices.common.database import Database
from ragservices.common.embedder import Embedder
from ragservices.common.errors import ApiError
from ragservices.common.gate import Gate
from ragservices.common.http import UpstreamRejected
from ragservices.common.metrics import PASSAGES
from ragservices.common.passages import Passage, Question, TopK
from ragservices.common.settings import DatabaseSettings, Seconds, ServiceUrl
from ragservices.retrieval.search import search


class RetrievalSettings(DatabaseSettings):
    """Configuration of the retrieval service."""

    embeddings_url: ServiceUrl
    embeddings_timeout_seconds: Seconds = 10.0
    top_k: TopK = 5
    min_score: Annotated[float, Field(ge=-1, le=1)] = 0.15


class RetrieveRequest(BaseModel):
    """Body of POST /v1/retrieve."""

    query: Question
    top_k: TopK | None = None


class RetrieveResponse(BaseModel):
    """Passages, best first."""

    passages: list[Passage]


def create(settings: RetrievalSettings) -> FastAPI:
    """The application."""
    database = Database(settings)
    embedder = Embedder(str(settings.embeddings_url), timeout=settings.embeddings_timeout_seconds)
    gate = Gate("retrieval", concurrency=settings.max_concurrency, queue=settings.max_queue)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with database.opened():
            yield
            await embedder.aclose()

    app = create_app(
        "retrieval", lifespan, {"database": database.check}, vital={"database": database.refusal}
    )

    @app.post("/v1/retrieve")
    async def retrieve(request: RetrieveRequest) -> RetrieveResponse:
        """The passages nearest in meaning to a query."""
        async with gate.enter():
            try:
                query = await embedder.embed([request.query])
            except UpstreamRejected as error:
                if error.upstream_code == "input_too_long":
                    raise ApiError(
                        400, "query_too_long", "query: too long for the embedding model; shorten it"
                    ) from error
                raise
            passages = await search(database, query, request.top_k or settings.top_k, settings.min_score)
        PASSAGES.inc(len(passages))
        return RetrieveResponse(passages=passages)

    return app
