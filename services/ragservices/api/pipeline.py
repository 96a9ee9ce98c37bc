"""A question's way: retrieval, then generation."""

from __future__ import annotations

import logging

from pydantic import BaseModel

from ragservices.common.errors import ApiError
from ragservices.common.http import Upstream, UpstreamRejected, UpstreamUnavailable
from ragservices.common.passages import Answer, Citation, Mode, Passage

log = logging.getLogger(__name__)

NOT_GENERATED = "No answer could be generated; the passages found are listed."


class QueryResponse(BaseModel):
    """An answer, and the passages it was made from. `mode` is null when generation failed."""

    answer: str
    mode: Mode | None
    answered: bool
    citations: list[Citation]
    note: str | None
    passages: list[Passage]


class Pipeline:
    """Asks the services in turn."""

    def __init__(self, retrieval: Upstream | None, generation: Upstream | None) -> None:
        """None stands for a service that the deployment does not have."""
        self._retrieval = retrieval
        self._generation = generation

    async def query(self, question: str, top_k: int | None) -> QueryResponse:
        """Raises ApiError when retrieval fails. When generation fails, the passages are returned with a
        note."""
        passages = await self._retrieve(question, top_k)
        if self._generation is None:
            return _without_answer(passages, "This deployment has no generation service.")
        try:
            body = {
                "question": question,
                "passages": [passage.model_dump(mode="json") for passage in passages],
            }
            answer = Answer.model_validate(await self._generation.post_json("/v1/answer", body))
        except (UpstreamUnavailable, UpstreamRejected) as error:
            log.warning("generation failed", extra={"error": error.message})
            return _without_answer(passages, f"No answer was generated: {error.message}.")
        return QueryResponse(**dict(answer), passages=passages)

    async def _retrieve(self, question: str, top_k: int | None) -> list[Passage]:
        if self._retrieval is None:
            raise ApiError(
                503,
                "not_configured",
                "this deployment has no retrieval service: add one of type Retrieval to it",
            )
        try:
            found = await self._retrieval.post_json("/v1/retrieve", {"query": question, "top_k": top_k})
        except UpstreamRejected as error:
            if error.upstream_status == 400:  # what is wrong with the question is the caller's to mend
                raise ApiError(400, error.upstream_code, error.upstream_message) from error
            raise
        return [Passage.model_validate(passage) for passage in found["passages"]]


def _without_answer(passages: list[Passage], note: str) -> QueryResponse:
    return QueryResponse(
        answer=NOT_GENERATED, mode=None, answered=False, citations=[], note=note, passages=passages
    )
