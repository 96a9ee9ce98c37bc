"""The environment of the containers: upstreams, settings, secrets by reference only."""

from typing import Any

import pytest
from tests.unit.operator.world import IMAGES, rag_of, six

from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.orchestration.versions import at_rest
from ragops.resources.children import build_children
from ragops.resources.environment import environment, postgres_environment

Json = dict[str, Any]

SECRET = {"secretKeyRef": {"name": "demo-vector-store-credentials", "key": "password"}}


def service_of(rag: RAGDeployment, name: str) -> ServiceSpec:
    return next(service for service in rag.spec.services if service.name == name)


def variables(rag: RAGDeployment, name: str) -> Json:
    """The environment of a service: values, or where they come from."""
    entries = environment(rag, service_of(rag, name))
    names = [entry["name"] for entry in entries]
    assert len(names) == len(set(names)), "each once"
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in entries}


def urls(found: Json) -> Json:
    return {name: value for name, value in found.items() if name.endswith("_URL")}


def test_upstreams_by_their_stable_names() -> None:
    rag = rag_of(six())
    assert urls(variables(rag, "retrieval")) == {"RAGOPS_EMBEDDINGS_URL": "http://demo-embeddings:8080"}
    assert urls(variables(rag, "api")) == {
        "RAGOPS_EMBEDDINGS_URL": "http://demo-embeddings:8080",
        "RAGOPS_DOCUMENTS_URL": "http://demo-documents:8080",
        "RAGOPS_RETRIEVAL_URL": "http://demo-retrieval:8080",
        "RAGOPS_GENERATION_URL": "http://demo-generation:8080",
    }


def test_an_upstream_that_is_not_there_has_no_address() -> None:
    rag = rag_of([s for s in six() if s["name"] in ("retrieval", "api")])
    found = variables(rag, "api")
    assert urls(found) == {"RAGOPS_RETRIEVAL_URL": "http://demo-retrieval:8080"}
    assert not [name for name in found if "DATABASE" in name]
    alone = rag_of(six(api={"dependsOn": []}))
    assert urls(variables(alone, "api")) == {}


def test_the_database() -> None:
    found = variables(rag_of(six()), "retrieval")
    assert {name: value for name, value in found.items() if "DATABASE" in name} == {
        "RAGOPS_DATABASE_HOST": "demo-vector-store",
        "RAGOPS_DATABASE_PORT": "5432",
        "RAGOPS_DATABASE_NAME": "rag",
        "RAGOPS_DATABASE_USER": "rag",
        "RAGOPS_DATABASE_PASSWORD": SECRET,
    }
    rag = rag_of(six())
    store = postgres_environment(rag, service_of(rag, "vector-store"))
    assert {"name": "POSTGRES_PASSWORD", "valueFrom": SECRET} in store


def test_settings_of_each_type() -> None:
    rag = rag_of(
        six(
            embeddings={"embeddings": {"batchSize": 8}},
            documents={"documents": {"chunkTokens": 100, "chunkOverlapTokens": 10}},
            retrieval={"retrieval": {"topK": 9}},
        )
    )
    assert variables(rag, "embeddings")["RAGOPS_EMBEDDINGS_BATCH_SIZE"] == "8"
    assert variables(rag, "documents")["RAGOPS_CHUNK_TOKENS"] == "100"
    assert variables(rag, "documents")["RAGOPS_CHUNK_OVERLAP_TOKENS"] == "10"
    assert variables(rag, "retrieval")["RAGOPS_TOP_K"] == "9"


def test_without_an_endpoint_nothing_is_said_of_a_language_model() -> None:
    assert not [name for name in variables(rag_of(six()), "generation") if "LLM" in name]


@pytest.mark.parametrize("key", [None, {"name": "llm", "key": "token"}])
def test_a_language_model_and_its_key(key: Json | None) -> None:
    endpoint = {"baseUrl": "http://vllm:8000/v1", "model": "m", **({"apiKeySecretRef": key} if key else {})}
    block = {"endpoint": endpoint, "temperaturePercent": 70}
    found = variables(rag_of(six(generation={"generation": block})), "generation")
    assert found["RAGOPS_LLM_BASE_URL"] == "http://vllm:8000/v1"
    assert found["RAGOPS_LLM_MODEL"] == "m"
    assert found["RAGOPS_LLM_TEMPERATURE"] == "0.7"
    assert found.get("RAGOPS_LLM_API_KEY") == ({"secretKeyRef": key} if key else None)


def test_variables_of_the_user_come_last_and_may_be_empty() -> None:
    mine = [{"name": "EMPTY", "value": ""}, {"name": "KEY", "secretKeyRef": {"name": "s", "key": "k"}}]
    rag = rag_of(six(api={"env": mine}))
    assert environment(rag, service_of(rag, "api"))[-2:] == [
        {"name": "EMPTY", "value": ""},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]


def test_no_manifest_holds_a_secret() -> None:
    """What is secret comes from a Secret, by reference; all else is text."""
    key = {"name": "s", "key": "k"}
    block = {"endpoint": {"baseUrl": "http://x/v1", "model": "m", "apiKeySecretRef": key}}
    rag = rag_of(six(generation={"generation": block}))
    entries = [
        entry
        for service in rag.spec.services
        for child in build_children(rag, service, IMAGES, at_rest(service, IMAGES))
        if "template" in child["spec"]
        for container in child["spec"]["template"]["spec"]["containers"]
        for entry in container["env"]
    ]
    by_reference = sorted(entry["name"] for entry in entries if "valueFrom" in entry)
    assert by_reference == ["POSTGRES_PASSWORD", *4 * ["RAGOPS_DATABASE_PASSWORD"], "RAGOPS_LLM_API_KEY"]
    assert all(isinstance(entry["value"], str) for entry in entries if "valueFrom" not in entry)
    assert all(len(entry) == 2 for entry in entries)
