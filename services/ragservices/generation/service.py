"""HTTP interface of the generation service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI
from pydantic import BaseModel, Field, SecretStr, model_validator

from ragservices.common.app import create_app
from ragservices.common.gate import Gate
from ragservices.common.metrics import ANSWERS
from ragservices.common.passages import MAX_PASSAGES, Answer, Passage, Question
from ragservices.common.settings import Seconds, ServiceSettings, ServiceUrl
from ragservices.generation import extractive
from ragservices.generation.llm import LanguageModel


class GenerationSettings(ServiceSettings):
    """Configuration of the generation service."""

    llm_base_url: ServiceUrl | None = None  # None: answers are quoted
    llm_model: str | None = None
    llm_api_key: SecretStr | None = None
    llm_temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    llm_max_tokens: Annotated[int, Field(ge=1, le=131_072)] = 512
    llm_timeout_seconds: Seconds = 60.0

    @model_validator(mode="after")
    def _model_named(self) -> GenerationSettings:
        if self.llm_base_url is not None and not self.llm_model:
            raise ValueError("RAGOPS_LLM_BASE_URL is set, so RAGOPS_LLM_MODEL must name the model to ask for")
        return self

    def language_model(self) -> LanguageModel | None:
        """The client of the configured language model."""
        if self.llm_base_url is None or self.llm_model is None:
            return None
        return LanguageModel(
            str(self.llm_base_url),
            self.llm_model,
            api_key=self.llm_api_key,
            temperature=self.llm_temperature,
            max_tokens=self.llm_max_tokens,
            timeout=self.llm_timeout_seconds,
        )


class AnswerRequest(BaseModel):
    """Body of POST /v1/answer."""

    question: Question
    passages: Annotated[list[Passage], Field(max_length=MAX_PASSAGES)]


def create(settings: GenerationSettings) -> FastAPI:
    """The application."""
    model = settings.language_model()
    gate = Gate("generation", concurrency=settings.max_concurrency, queue=settings.max_queue)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        yield
        if model is not None:
            await model.aclose()

    app = create_app("generation", lifespan, {})

    async def _answer(request: AnswerRequest) -> Answer:
        if model is None:
            return await asyncio.to_thread(extractive.answer, request.question, request.passages)
        if not request.passages:  # nothing to answer from, so nothing to ask
            return Answer(answer=extractive.NO_ANSWER, mode="llm", answered=False)
        return await model.answer(request.question, request.passages)

    @app.post("/v1/answer")
    async def answer(request: AnswerRequest) -> Answer:
        """Answers a question from passages."""
        async with gate.enter():
            result = await _answer(request)
        ANSWERS.labels(result.mode, str(result.answered).lower()).inc()
        return result

    return app
