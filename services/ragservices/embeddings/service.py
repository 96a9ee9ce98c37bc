"""HTTP interface of the embeddings service, compatible with OpenAI's /v1/embeddings."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field, StringConstraints, field_validator

from ragservices.common.app import create_app
from ragservices.common.errors import ApiError
from ragservices.common.gate import Gate
from ragservices.common.metrics import EMBEDDINGS, TOKENS
from ragservices.common.settings import ServiceSettings, default_model_dir
from ragservices.embeddings.encoder import Encoder, Vectors
from ragservices.embeddings.manifest import ModelError


class EmbeddingsSettings(ServiceSettings):
    """Configuration of the embeddings service."""

    embeddings_model: str = "all-MiniLM-L6-v2"
    embeddings_batch_size: Annotated[int, Field(ge=1, le=1024)] = 32
    embeddings_max_inputs: Annotated[int, Field(ge=1, le=2048)] = 256
    embeddings_threads: Annotated[int, Field(ge=1, le=256)] | None = None  # None: all CPUs it may use
    model_dir: Path = Field(default_factory=default_model_dir)
    max_concurrency: Annotated[int, Field(ge=1, le=64)] = 2


# Far above what the model takes; such a text is refused before it is tokenized.
Text = Annotated[str, StringConstraints(max_length=1_000_000)]


class EmbeddingsRequest(BaseModel):
    """Body of POST /v1/embeddings."""

    input: list[Text]
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None

    @field_validator("input", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [value]
        if isinstance(value, list) and any(isinstance(item, (int, list)) for item in value):
            raise ValueError(
                "arrays of tokens are not supported: send the text itself, as a string or a list of strings"
            )
        return value


class EmbeddingsService:
    """Checks requests and runs the encoder on its own threads."""

    def __init__(self, settings: EmbeddingsSettings, encoder: Encoder) -> None:
        self._settings = settings
        self._encoder = encoder
        self._gate = Gate("embeddings", concurrency=settings.max_concurrency, queue=settings.max_queue)
        self._threads = ThreadPoolExecutor(settings.max_concurrency, thread_name_prefix="encoder")

    async def embed(self, request: EmbeddingsRequest) -> dict[str, Any]:
        """Answers POST /v1/embeddings. Raises ApiError for what the model cannot embed."""
        manifest = self._encoder.manifest
        if request.model not in (None, manifest.name):
            raise ApiError(
                404,
                "model_not_found",
                f"model: {request.model!r} is not served here; this service has {manifest.name!r}",
            )
        if request.dimensions not in (None, manifest.dimension):
            raise ApiError(
                400,
                "invalid_request",
                f"dimensions: {manifest.name} has {manifest.dimension} dimensions, "
                f"not {request.dimensions}; leave it out",
            )
        if not 0 < len(request.input) <= self._settings.embeddings_max_inputs:
            raise ApiError(
                400,
                "invalid_request",
                f"input: {len(request.input)} texts; "
                f"send between 1 and {self._settings.embeddings_max_inputs} at once",
            )
        async with self._gate.enter():
            vectors, tokens = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._encode, request.input
            )
        EMBEDDINGS.inc(len(vectors))
        TOKENS.inc(tokens)
        as_json = _to_base64 if request.encoding_format == "base64" else _to_list
        return {
            "object": "list",
            "model": manifest.name,
            "data": [
                {"object": "embedding", "index": index, "embedding": as_json(vector)}
                for index, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    def models(self) -> dict[str, Any]:
        """Answers GET /v1/models."""
        manifest = self._encoder.manifest
        model = {
            "id": manifest.name,
            "object": "model",
            "created": 0,
            "owned_by": manifest.source,
            "dimension": manifest.dimension,
            "max_tokens": manifest.max_tokens,
        }
        return {"object": "list", "data": [model]}

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown()

    def _encode(self, texts: list[str]) -> tuple[Vectors, int]:
        ids = self._encoder.tokenizer.encode(texts)
        limit = self._encoder.manifest.max_tokens
        for index, one in enumerate(ids):
            if len(one) > limit:
                # Cutting it off silently would give a vector for a text nobody sent.
                raise ApiError(
                    400,
                    "input_too_long",
                    f"input[{index}] has {len(one)} tokens, special tokens included; "
                    f"{self._encoder.manifest.name} takes at most {limit}: split the text",
                )
        return self._encoder.encode_ids(ids), sum(map(len, ids))


def _to_list(vector: Vectors) -> list[float]:
    numbers: list[float] = vector.tolist()
    return numbers


def _to_base64(vector: Vectors) -> str:
    """Little-endian float32, as OpenAI's clients expect."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def load_encoder(settings: EmbeddingsSettings) -> Encoder:
    """Loads the model. Raises ModelError when it is missing or another than the settings name."""
    encoder = Encoder(
        settings.model_dir, batch_size=settings.embeddings_batch_size, threads=settings.embeddings_threads
    )
    if encoder.manifest.name != settings.embeddings_model:
        raise ModelError(
            f"RAGOPS_EMBEDDINGS_MODEL asks for {settings.embeddings_model!r}, but {settings.model_dir} holds "
            f"{encoder.manifest.name!r}: use an image that carries the model"
        )
    return encoder


def create(settings: EmbeddingsSettings) -> FastAPI:
    """The application. Raises ModelError when the model cannot be loaded."""
    service = EmbeddingsService(settings, load_encoder(settings))

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        service.close()

    # The model is loaded before the port is opened, so there is nothing more to check.
    app = create_app("embeddings", lifespan, {})

    @app.post("/v1/embeddings")
    async def embeddings(request: EmbeddingsRequest) -> dict[str, Any]:
        """Embeds one or more texts."""
        return await service.embed(request)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        """The one model served, with its dimension and token limit."""
        return service.models()

    return app
