"""HTTP interface of the API service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from ragservices.api.chat import MODEL, ChatRequest, completion, completion_events
from ragservices.api.pipeline import Pipeline, QueryResponse
from ragservices.api.proxy import forward
from ragservices.common.app import create_app
from ragservices.common.errors import ApiError
from ragservices.common.gate import Gate
from ragservices.common.http import Upstream
from ragservices.common.passages import Question, TopK
from ragservices.common.settings import Seconds, ServiceSettings, ServiceUrl


class ApiSettings(ServiceSettings):
    """Configuration of the API service. A deployment need not have every service."""

    retrieval_url: ServiceUrl | None = None
    generation_url: ServiceUrl | None = None
    documents_url: ServiceUrl | None = None
    retrieval_timeout_seconds: Seconds = 15.0
    generation_timeout_seconds: Seconds = 90.0  # above the language model's own
    documents_timeout_seconds: Seconds = 300.0


class QueryRequest(BaseModel):
    """Body of POST /v1/query."""

    question: Question
    top_k: TopK | None = None


def _upstream(name: str, url: ServiceUrl | None, timeout: float) -> Upstream | None:
    return None if url is None else Upstream(name, str(url), timeout=timeout)


def create(settings: ApiSettings) -> FastAPI:
    """The application."""
    retrieval = _upstream("retrieval", settings.retrieval_url, settings.retrieval_timeout_seconds)
    generation = _upstream("generation", settings.generation_url, settings.generation_timeout_seconds)
    documents = _upstream("documents", settings.documents_url, settings.documents_timeout_seconds)
    pipeline = Pipeline(retrieval, generation)
    gate = Gate("api", concurrency=settings.max_concurrency, queue=settings.max_queue)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        for upstream in (retrieval, generation, documents):
            if upstream is not None:
                await upstream.aclose()

    # Ready without its upstreams: it then answers with an error that names the one that is down, which is
    # more use to a client than no answer at all.
    app = create_app("api", lifespan, {}, unlimited_paths=["/v1/documents"])

    @app.post("/v1/query")
    async def query(request: QueryRequest) -> QueryResponse:
        """Answers a question from the documents."""
        async with gate.enter():
            return await pipeline.query(request.question, request.top_k)

    @app.post("/v1/chat/completions", response_model=None)
    async def chat(request: ChatRequest) -> dict[str, Any] | StreamingResponse:
        """Answers the last user message from the documents."""
        async with gate.enter():
            response = await pipeline.query(request.question(), None)
        if request.stream:
            return StreamingResponse(completion_events(request, response), media_type="text/event-stream")
        return completion(request, response)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """What chat clients may choose from."""
        return {
            "object": "list",
            "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "ragops"}],
        }

    async def to_documents(request: Request) -> StreamingResponse:
        """Passed on to the documents service."""
        if documents is None:
            raise ApiError(
                503,
                "not_configured",
                "this deployment has no documents service: add one of type DocumentProcessor to it",
            )
        return await forward(request, documents)

    app.add_api_route("/v1/documents", to_documents, methods=["GET", "POST"])
    app.add_api_route("/v1/documents/{document_id}", to_documents, methods=["GET", "DELETE"])
    return app
