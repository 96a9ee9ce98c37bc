"""The environment of the data plane's containers: how each service learns of its settings and upstreams.

The variables are the contract between the operator and any image that takes the place of ours; see
services/README.md.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from ragops.api.base import SecretKeyRef, ServiceType
from ragops.api.blocks import DocumentsSpec, EmbeddingsSpec, GenerationSpec, RetrievalSpec
from ragops.api.names import child_name, credentials_name
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec

EnvList = list[dict[str, Any]]

HTTP_PORT: Final = 8080
POSTGRES_PORT: Final = 5432
DATABASE: Final = "rag"

_UPSTREAM_VARIABLE: Final = {
    ServiceType.EMBEDDINGS: "RAGOPS_EMBEDDINGS_URL",
    ServiceType.DOCUMENT_PROCESSOR: "RAGOPS_DOCUMENTS_URL",
    ServiceType.RETRIEVAL: "RAGOPS_RETRIEVAL_URL",
    ServiceType.GENERATION: "RAGOPS_GENERATION_URL",
}


def environment(rag: RAGDeployment, service: ServiceSpec) -> EnvList:
    """All variables of one service's container: ours first, then the user's."""
    own = [_value("RAGOPS_RAG", rag.metadata.name), _value("RAGOPS_SERVICE", service.name)]
    return [*own, *_upstreams(rag, service), *_settings(service), *_users(service)]


def postgres_environment(rag: RAGDeployment, service: ServiceSpec) -> EnvList:
    """The variables of our PostgreSQL image."""
    return [
        _value("POSTGRES_DB", DATABASE),
        _value("POSTGRES_USER", DATABASE),
        _secret("POSTGRES_PASSWORD", _password(rag, service)),
        *_users(service),
    ]


def _upstreams(rag: RAGDeployment, service: ServiceSpec) -> Iterable[dict[str, Any]]:
    """Addresses of what the service depends on; the first of a type serves where there are several."""
    wanted = {dependency.name for dependency in service.depends_on or ()}
    seen: set[str] = set()
    for upstream in rag.spec.services:
        if upstream.name not in wanted:
            continue
        if upstream.type is ServiceType.VECTOR_STORE:
            yield from _database(rag, upstream)
        elif (variable := _UPSTREAM_VARIABLE.get(upstream.type)) and variable not in seen:
            seen.add(variable)
            if upstream.generation and service.type is ServiceType.ORCHESTRATION_API:
                # The caller waits longer than the called, which then can say what went wrong.
                yield _value("RAGOPS_GENERATION_TIMEOUT_SECONDS", upstream.generation.timeout_seconds + 10)
            yield _value(variable, f"http://{child_name(rag.metadata.name, upstream.name)}:{HTTP_PORT}")


def _database(rag: RAGDeployment, store: ServiceSpec) -> EnvList:
    return [
        _value("RAGOPS_DATABASE_HOST", child_name(rag.metadata.name, store.name)),
        _value("RAGOPS_DATABASE_PORT", POSTGRES_PORT),
        _value("RAGOPS_DATABASE_NAME", DATABASE),
        _value("RAGOPS_DATABASE_USER", DATABASE),
        _secret("RAGOPS_DATABASE_PASSWORD", _password(rag, store)),
    ]


def _password(rag: RAGDeployment, store: ServiceSpec) -> SecretKeyRef:
    return SecretKeyRef(name=credentials_name(rag.metadata.name, store.name), key="password")


def _settings(service: ServiceSpec) -> EnvList:
    build = _SETTINGS.get(service.type)
    return build(service) if build else []


def _embeddings(service: ServiceSpec) -> EnvList:
    block = service.embeddings or EmbeddingsSpec()
    return [
        _value("RAGOPS_EMBEDDINGS_MODEL", block.model),
        _value("RAGOPS_EMBEDDINGS_BATCH_SIZE", block.batch_size),
    ]


def _documents(service: ServiceSpec) -> EnvList:
    block = service.documents or DocumentsSpec()
    return [
        _value("RAGOPS_CHUNK_TOKENS", block.chunk_tokens),
        _value("RAGOPS_CHUNK_OVERLAP_TOKENS", block.chunk_overlap_tokens),
        _value("RAGOPS_MAX_UPLOAD_BYTES", block.max_upload_bytes),
    ]


def _retrieval(service: ServiceSpec) -> EnvList:
    return [_value("RAGOPS_TOP_K", (service.retrieval or RetrievalSpec()).top_k)]


def _generation(service: ServiceSpec) -> EnvList:
    block = service.generation or GenerationSpec()
    if block.endpoint is None:
        return []
    key = block.endpoint.api_key_secret_ref
    return [
        _value("RAGOPS_LLM_BASE_URL", block.endpoint.base_url),
        _value("RAGOPS_LLM_MODEL", block.endpoint.model),
        *([_secret("RAGOPS_LLM_API_KEY", key)] if key else []),
        _value("RAGOPS_LLM_TEMPERATURE", block.temperature_percent / 100),
        _value("RAGOPS_LLM_MAX_TOKENS", block.max_tokens),
        _value("RAGOPS_LLM_TIMEOUT_SECONDS", block.timeout_seconds),
    ]


_SETTINGS: Final[dict[ServiceType, Callable[[ServiceSpec], EnvList]]] = {
    ServiceType.EMBEDDINGS: _embeddings,
    ServiceType.DOCUMENT_PROCESSOR: _documents,
    ServiceType.RETRIEVAL: _retrieval,
    ServiceType.GENERATION: _generation,
}


def _users(service: ServiceSpec) -> EnvList:
    return [
        _secret(entry.name, entry.secret_key_ref)
        if entry.secret_key_ref
        else _value(entry.name, entry.value or "")
        for entry in service.env
    ]


def _value(name: str, value: object) -> dict[str, Any]:
    return {"name": name, "value": str(value)}


def _secret(name: str, ref: SecretKeyRef) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": ref.name, "key": ref.key}}}
