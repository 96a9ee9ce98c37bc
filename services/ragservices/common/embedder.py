"""Client of the embeddings service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError

from ragservices.common.http import Upstream, UpstreamUnavailable

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class Embedded:
    """Vectors, and the model they are from."""

    model: str
    vectors: list[list[float]]

    @property
    def dimension(self) -> int:
        """Length of each vector."""
        return len(self.vectors[0])


class _Item(BaseModel):
    index: int
    embedding: list[float]


class _Response(BaseModel):
    model: str
    data: list[_Item]


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: Annotated[list[_Model], Field(min_length=1)]


class Embedder:
    """Embeds through any service that speaks OpenAI's /v1/embeddings."""

    def __init__(self, url: str, *, batch_size: int = 32, timeout: float = 60.0) -> None:
        """`timeout` in seconds for one batch."""
        self._upstream = Upstream("embeddings", url, timeout=timeout)
        self._batch_size = batch_size

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._upstream.aclose()

    async def model(self) -> str:
        """Name of the model that the service uses now. Raises UpstreamUnavailable or UpstreamRejected."""
        return _validated(_Models, await self._upstream.get_json("/v1/models")).data[0].id

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Vectors of at least one text, in its order: all of them or none. Raises UpstreamUnavailable or
        UpstreamRejected."""
        vectors: list[list[float]] = []
        models: set[str] = set()
        for start in range(0, len(texts), self._batch_size):
            batch = list(texts[start : start + self._batch_size])
            answer = _validated(_Response, await self._upstream.post_json("/v1/embeddings", {"input": batch}))
            items = sorted(answer.data, key=lambda item: item.index)
            if [item.index for item in items] != list(range(len(batch))):
                raise UpstreamUnavailable(
                    "embeddings", f"it returned {len(items)} vectors for {len(batch)} texts"
                )
            vectors.extend(item.embedding for item in items)
            models.add(answer.model)
        if len(models) != 1 or len(set(map(len, vectors))) != 1:
            raise UpstreamUnavailable(
                "embeddings", f"its model changed on the way ({', '.join(sorted(models))})"
            )
        if not all(any(vector) for vector in vectors):
            raise UpstreamUnavailable("embeddings", "it returned a vector of zeros")
        return Embedded(models.pop(), vectors)


def _validated(model: type[ModelT], answer: object) -> ModelT:
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        raise UpstreamUnavailable("embeddings", "its answer has not the form of OpenAI's API") from error
