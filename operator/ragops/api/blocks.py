"""The typed blocks of spec.services[], one for each service type."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from ragops.api.base import HOST_NAME, HTTP_URL, MODEL_NAME, Model, ObjectName, SecretKeyRef
from ragops.api.problems import Reserved
from ragops.api.rules import Fault, Rule


class EmbeddingsCache(Model):
    """Cache of computed embeddings. Reserved for a later version."""

    max_entries: Annotated[int, Field(ge=0, le=10_000_000)] = 10_000
    """Entries kept, least recently used dropped first."""
    ttl_seconds: Annotated[int, Field(ge=1, le=31_536_000)] = 86_400
    """Seconds an entry is valid."""


class EmbeddingsSpec(Model):
    """Settings of a service of type Embeddings."""

    model: Annotated[str, Field(pattern=MODEL_NAME, max_length=200)] = "all-MiniLM-L6-v2"
    """The embedding model. The bundled image carries all-MiniLM-L6-v2 (384 dimensions)."""
    batch_size: Annotated[int, Field(ge=1, le=1024)] = 32
    """Texts computed in one run of the model."""
    cache: Annotated[EmbeddingsCache | None, Reserved("remove the block")] = None
    """Cache of computed embeddings. Reserved for a later version."""


class DocumentsSpec(Model):
    """Settings of a service of type DocumentProcessor."""

    cel: ClassVar = (
        Rule(
            "self.chunkOverlapTokens < self.chunkTokens",
            "must be less than chunkTokens, or the chunks would not advance; lower it",
            at="chunkOverlapTokens",
        ),
    )

    chunk_tokens: Annotated[int, Field(ge=32, le=8192)] = 200
    """Tokens of the embedding model in one chunk, at most. all-MiniLM-L6-v2 takes up to 254."""
    chunk_overlap_tokens: Annotated[int, Field(ge=0, le=4096)] = 40
    """Tokens that two neighbouring chunks share; less than chunkTokens."""
    max_upload_bytes: Annotated[int, Field(ge=1024, le=1_073_741_824)] = 52_428_800
    """Largest document accepted, in bytes."""
    workers: Annotated[
        int | None,
        Field(ge=1, le=64),
        Reserved("remove it, and raise replicas to process more documents at the same time"),
    ] = None
    """Documents processed at the same time in one replica. Reserved for a later version."""
    queue_size: Annotated[int | None, Field(ge=1, le=100_000), Reserved("remove it")] = None
    """Jobs that may wait before uploads are refused. Reserved for a later version."""


class RetrievalMode(StrEnum):
    """How passages are found."""

    VECTOR = "Vector"
    KEYWORD = "Keyword"
    HYBRID = "Hybrid"


class RetrievalSpec(Model):
    """Settings of a service of type Retrieval."""

    mode: Annotated[
        RetrievalMode, Reserved("use Vector", values=(RetrievalMode.KEYWORD, RetrievalMode.HYBRID))
    ] = RetrievalMode.VECTOR
    """How passages are found. Keyword and Hybrid are reserved for a later version."""
    top_k: Annotated[int, Field(ge=1, le=100)] = 5
    """Passages returned where a query names no number."""


class LLMEndpoint(Model):
    """An OpenAI-compatible endpoint. Called by the generation pods, never by the operator."""

    cel: ClassVar = (
        Rule(
            "!self.baseUrl.contains('@')",
            "must not carry a user name or password, which everybody could read; use apiKeySecretRef",
            at="baseUrl",
            fault=Fault.FORBIDDEN,
        ),
    )

    base_url: Annotated[str, Field(pattern=HTTP_URL, max_length=2048)]
    """Base URL up to and including the version, such as http://vllm.models:8000/v1."""
    model: Annotated[str, Field(min_length=1, max_length=200)]
    """Model name sent with each request."""
    api_key_secret_ref: SecretKeyRef | None = None
    """Secret with the API key."""


class GenerationSpec(Model):
    """Settings of a service of type Generation."""

    endpoint: LLMEndpoint | None = None
    """The language model. Without it answers are extractive: quoted from the passages, and they say so."""
    temperature_percent: Annotated[int, Field(ge=0, le=200)] = 0
    """Sampling temperature times 100: 70 means 0.7."""
    max_tokens: Annotated[int, Field(ge=1, le=131_072)] = 512
    """Longest answer, in tokens of the language model."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """Seconds to wait for the language model."""


class VectorEngine(StrEnum):
    """Which database keeps the vectors."""

    POSTGRESQL = "PostgreSQL"
    QDRANT = "Qdrant"


class ExternalDatabase(Model):
    """A PostgreSQL of your own. Reserved for a later version."""

    host: Annotated[str, Field(pattern=HOST_NAME, max_length=253)]
    """Host name of the server."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 5432
    """TCP port of the server."""
    credentials_secret: ObjectName
    """Secret with the keys username and password."""


class VectorStoreSpec(Model):
    """Settings of a service of type VectorStore."""

    engine: Annotated[VectorEngine, Reserved("use PostgreSQL", values=(VectorEngine.QDRANT,))] = (
        VectorEngine.POSTGRESQL
    )
    """The database. Qdrant is reserved for a later version."""
    external: Annotated[
        ExternalDatabase | None, Reserved("remove the block; this service runs its own PostgreSQL")
    ] = None
    """A server outside this RAGDeployment. Reserved for a later version."""


class APISpec(Model):
    """Settings of a service of type OrchestrationAPI."""

    api_keys_secret: Annotated[
        ObjectName | None, Reserved("remove it, and keep strangers out with a NetworkPolicy or an Ingress")
    ] = None
    """Secret whose values are the accepted API keys. Reserved for a later version."""
