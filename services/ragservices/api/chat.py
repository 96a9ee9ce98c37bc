"""OpenAI's chat completions over the pipeline: the last user message is the question."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from ragservices.api.pipeline import QueryResponse
from ragservices.common.errors import ApiError
from ragservices.common.passages import Question

MODEL = "ragops"

_question: TypeAdapter[str] = TypeAdapter(Question)


class TextPart(BaseModel):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """All text of the message."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class ChatRequest(BaseModel):
    """Body of POST /v1/chat/completions; other fields of OpenAI's API are accepted and have no effect."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=1000)]
    model: str = MODEL
    stream: bool = False

    def question(self) -> str:
        """The last user message. Raises ApiError 400 when there is none, or none that can be a question."""
        last = next((message.text for message in reversed(self.messages) if message.role == "user"), "")
        try:
            return _question.validate_python(last)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise ApiError(
                400, "invalid_request", f"messages: the last user message is the question: {reason}"
            ) from error


def content_of(response: QueryResponse) -> str:
    """The answer with its sources and its note, as a chat shows it."""
    parts = [response.answer]
    if response.citations:
        sources = (f"[{number}] {_source(citation)}" for number, citation in _numbered(response))
        parts.append("Sources:\n" + "\n".join(sources))
    if response.note:
        parts.append(response.note)
    return "\n\n".join(parts)


def completion(request: ChatRequest, response: QueryResponse) -> dict[str, Any]:
    """The answer as one object. `ragops` holds what OpenAI's API has no place for."""
    message = {"role": "assistant", "content": content_of(response)}
    return {
        **_envelope(request, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        # The services count no words of the language model.
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        "ragops": _extension(response),
    }


def completion_events(request: ChatRequest, response: QueryResponse) -> Iterator[str]:
    """The answer as server-sent events."""
    envelope = _envelope(request, "chat.completion.chunk")

    def event(delta: dict[str, str], finish_reason: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return f"data: {json.dumps({**envelope, 'choices': [choice], **more})}\n\n"

    yield event({"role": "assistant", "content": ""})
    for piece in re.findall(r"\s*\S+\s*?(?=\s|$)", content_of(response)):
        yield event({"content": piece})
    yield event({}, "stop", ragops=_extension(response))
    yield "data: [DONE]\n\n"


def _envelope(request: ChatRequest, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": request.model,
    }


def _extension(response: QueryResponse) -> dict[str, Any]:
    return response.model_dump(mode="json", include={"mode", "answered", "citations", "note"})


def _numbered(response: QueryResponse) -> Iterator[tuple[int, Any]]:
    """Citations with the numbers that the answer uses: those of the passages."""
    numbers = {passage.chunk_id: number for number, passage in enumerate(response.passages, start=1)}
    for citation in response.citations:
        yield numbers[citation.chunk_id], citation


def _source(citation: Any) -> str:
    place = f", page {citation.page}" if citation.page is not None else ""
    section = f", {citation.section}" if citation.section else ""
    return f"{citation.document}{place}{section}"
