"""Passages and citations: what retrieval, generation and the API exchange."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

# White space around it is no part of a question; nothing but white space is no question.
Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
MAX_PASSAGES = 100
TopK = Annotated[int, Field(ge=1, le=MAX_PASSAGES)]

Mode = Literal["extractive", "llm"]


class Passage(BaseModel):
    """A chunk that was found, and how near it is: a cosine, 1 at best."""

    chunk_id: UUID
    document_id: UUID
    document: str
    text: str
    score: float
    page: int | None = None
    section: str | None = None
    position: int


class Citation(BaseModel):
    """Where an answer is from: a chunk, and the words in it."""

    document: str
    document_id: UUID
    chunk_id: UUID
    page: int | None
    section: str | None
    quote: str

    @classmethod
    def of(cls, passage: Passage, quote: str) -> Citation:
        """A citation of words of a passage."""
        return cls(
            document=passage.document,
            document_id=passage.document_id,
            chunk_id=passage.chunk_id,
            page=passage.page,
            section=passage.section,
            quote=quote,
        )


class Answer(BaseModel):
    """An answer and what it rests on; `note` tells the reader what to know about it."""

    answer: str
    mode: Mode
    answered: bool
    citations: list[Citation] = []
    note: str | None = None
