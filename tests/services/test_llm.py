"""Generation by a language model, against a real HTTP server that stands for the user's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from ragservices.generation.extractive import NO_ANSWER
from ragservices.generation.llm import UNCITED_NOTE
from tests.services.conftest import Stack
from tests.services.processes import Service, service

PASSAGES = [
    {
        "chunk_id": f"00000000-0000-7000-8000-00000000000{number}",
        "document_id": "00000000-0000-7000-8000-0000000000ff",
        "document": "handbook.pdf",
        "text": text,
        "score": 0.5,
        "page": number,
        "section": None,
        "position": number,
    }
    for number, text in enumerate(
        ["The lamp is lit at dusk. It is red.", "Nobody lives on the island."], start=1
    )
]


@dataclass
class LanguageModel:
    """What the endpoint will say, and what it was asked."""

    url: str = ""
    status: int = 200
    content: object = ""
    silent: bool = False
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LanguageModel]:
    model = LanguageModel()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            model.requests.append((self.path, dict(self.headers), body))
            if model.silent:
                model.release.wait(30)
            answer = json.dumps(self._answer()).encode()
            self.send_response(model.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            with suppress(BrokenPipeError):  # the service may have given up
                self.wfile.write(answer)

        def _answer(self) -> object:
            if model.status != 200:
                return {"error": {"message": model.content, "type": "some_error", "code": None}}
            message = {"role": "assistant", "content": model.content}
            return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    model.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield model
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def model(endpoint: LanguageModel) -> Iterator[LanguageModel]:
    """The endpoint, with nothing said or asked yet."""
    endpoint.status, endpoint.content, endpoint.silent = 200, "", False
    endpoint.requests.clear()
    endpoint.release.clear()
    yield endpoint
    endpoint.release.set()


@pytest.fixture(scope="module")
def generation(endpoint: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {
        "RAGOPS_LLM_BASE_URL": endpoint.url,
        "RAGOPS_LLM_MODEL": "some-model",
        "RAGOPS_LLM_API_KEY": "key-of-the-user",
        "RAGOPS_LLM_TEMPERATURE": "0.3",
        "RAGOPS_LLM_MAX_TOKENS": "99",
        "RAGOPS_LLM_TIMEOUT_SECONDS": "2",
    }
    with service("generation", tmp_path_factory.mktemp("generation"), environment) as running:
        yield running


def ask(generation: Service, passages: list[dict[str, object]] | None = None) -> httpx.Response:
    body = {"question": "When is the lamp lit?", "passages": PASSAGES if passages is None else passages}
    return httpx.post(f"{generation.url}/v1/answer", json=body, timeout=30)


def test_the_model_gets_numbered_passages_and_its_citations_are_mapped(
    generation: Service, model: LanguageModel
) -> None:
    model.content = "The lamp is lit at dusk [1]."
    answer = ask(generation).json()
    assert (answer["mode"], answer["answered"], answer["answer"]) == ("llm", True, model.content)
    assert answer["note"] is None
    (citation,) = answer["citations"]
    assert (citation["chunk_id"], citation["page"]) == (PASSAGES[0]["chunk_id"], 1)
    assert citation["quote"] == "The lamp is lit at dusk."

    ((path, headers, body),) = model.requests
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer key-of-the-user"
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("some-model", 0.3, 99)
    system, user = body["messages"]
    assert NO_ANSWER in system["content"]
    assert "[2] handbook.pdf, page 2\nNobody lives on the island." in user["content"]
    assert user["content"].endswith("Question: When is the lamp lit?")


def test_no_answer_of_the_model_is_none_of_ours(generation: Service, model: LanguageModel) -> None:
    model.content = NO_ANSWER
    answer = ask(generation).json()
    assert (answer["answered"], answer["answer"], answer["citations"]) == (False, NO_ANSWER, [])


def test_an_answer_without_citations_is_marked(generation: Service, model: LanguageModel) -> None:
    model.content = "At dusk."
    answer = ask(generation).json()
    assert (answer["answered"], answer["citations"], answer["note"]) == (True, [], UNCITED_NOTE)


def test_without_passages_the_model_is_not_asked(generation: Service, model: LanguageModel) -> None:
    answer = ask(generation, []).json()
    assert (answer["mode"], answer["answered"]) == ("llm", False)
    assert model.requests == []


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (401, "bad key", "answered 401: bad key; check RAGOPS_LLM_API_KEY"),
        (404, "no such model", "check RAGOPS_LLM_BASE_URL and RAGOPS_LLM_MODEL"),
        (400, "context too long", "answered 400: context too long"),
        (500, "out of memory", "out of memory"),
        (429, "slow down", "slow down"),
        (200, None, "not the form of OpenAI's API"),
    ],
)
def test_failures_of_the_model_are_passed_on_clearly(
    generation: Service, model: LanguageModel, status: int, content: object, said: str
) -> None:
    model.status, model.content = status, content
    answer = ask(generation)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "llm_failed")
    assert said in answer.json()["error"]["message"]
    assert "key-of-the-user" not in generation.log.read_text()


def test_a_model_that_does_not_answer_in_time_is_given_up(generation: Service, model: LanguageModel) -> None:
    model.silent = True
    answer = ask(generation)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "llm_failed")
    assert "no answer in time" in answer.json()["error"]["message"]
    assert len(model.requests) == 1


@pytest.mark.usefixtures("examples")
def test_the_whole_way_with_a_model(
    stack: Stack, generation: Service, model: LanguageModel, tmp_path: Path
) -> None:
    model.content = "It is suspended above 90 kilometres per hour [1]."
    environment = {"RAGOPS_RETRIEVAL_URL": stack.retrieval.url, "RAGOPS_GENERATION_URL": generation.url}
    question = "At what wind speed is service on the harbour bridge suspended?"
    with service("api", tmp_path, environment) as api:
        answer = httpx.post(f"{api.url}/v1/query", json={"question": question}, timeout=30).json()
        chat = {"messages": [{"role": "user", "content": question}]}
        message = httpx.post(f"{api.url}/v1/chat/completions", json=chat, timeout=30).json()
    assert (answer["mode"], answer["answer"]) == ("llm", model.content)
    assert answer["citations"][0]["document"] == "operations-handbook.pdf"
    assert answer["citations"][0]["page"] == 4
    assert "[1] operations-handbook.pdf, page 4" in message["choices"][0]["message"]["content"]
