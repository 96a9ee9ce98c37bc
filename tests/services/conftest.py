"""One whole data plane for the session, and the examples uploaded to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.services.processes import REPOSITORY, Postgres, Service, postgres, service

EXAMPLES = REPOSITORY / "examples" / "documents"


@dataclass
class Stack:
    """All services of a deployment."""

    database: Postgres
    embeddings: Service
    documents: Service
    retrieval: Service
    generation: Service
    api: Service


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    with postgres() as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def stack(database: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("services")
    with ExitStack() as running:
        embeddings = running.enter_context(service("embeddings", directory, {}))
        data = {**database.environment(), "RAGOPS_EMBEDDINGS_URL": embeddings.url}
        documents = running.enter_context(service("documents", directory, data))
        retrieval = running.enter_context(service("retrieval", directory, data))
        generation = running.enter_context(service("generation", directory, {}))
        upstreams = {
            "RAGOPS_DOCUMENTS_URL": documents.url,
            "RAGOPS_RETRIEVAL_URL": retrieval.url,
            "RAGOPS_GENERATION_URL": generation.url,
        }
        api = running.enter_context(service("api", directory, upstreams))
        yield Stack(database, embeddings, documents, retrieval, generation, api)


@pytest.fixture(scope="session")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.api.url, timeout=60) as client:
        yield client


def upload(client: httpx.Client, name: str, content: bytes) -> httpx.Response:
    return client.post("/v1/documents", files={"file": (name, content)})


def example_files() -> list[Path]:
    names = (
        "operations-handbook.pdf",
        "driver-training.docx",
        "fares-and-tickets.html",
        "maintenance-manual.md",
    )
    return [EXAMPLES / name for name in names]


@pytest.fixture(scope="session")
def examples(api: httpx.Client) -> list[dict[str, object]]:
    """The example documents, uploaded."""
    answers = [upload(api, path.name, path.read_bytes()) for path in example_files()]
    assert [answer.status_code for answer in answers] == [201] * len(answers), [a.text for a in answers]
    return [answer.json() for answer in answers]
