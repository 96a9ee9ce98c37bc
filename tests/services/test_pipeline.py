"""Documents in, questions answered: the whole data plane on the example documents."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import yaml

from ragservices.generation.extractive import NO_ANSWER, NO_ANSWER_NOTE, NOTE
from tests.services.conftest import EXAMPLES

QUESTIONS = yaml.safe_load((EXAMPLES / "questions.yaml").read_text())
FIRST: dict[str, Any] = QUESTIONS["answerable"][0]

pytestmark = pytest.mark.usefixtures("examples")


def asked(question: dict[str, Any]) -> str:
    return str(question["question"])


@pytest.mark.parametrize("question", QUESTIONS["answerable"], ids=asked)
def test_answer_quotes_and_cites_the_right_place(api: httpx.Client, question: dict[str, Any]) -> None:
    response = api.post("/v1/query", json={"question": question["question"]}).json()
    assert response["answered"] is True
    assert response["mode"] == "extractive"
    assert response["note"] == NOTE
    assert question["contains"] in response["answer"]
    (citation,) = response["citations"]
    assert citation["document"] == question["document"]
    assert citation["page"] == question.get("page")
    assert citation["section"] == question.get("section")
    cited = next(p for p in response["passages"] if p["chunk_id"] == citation["chunk_id"])
    # The quote is there word for word, line breaks apart.
    assert citation["quote"] in " ".join(cited["text"].split())
    assert cited["document_id"] == citation["document_id"]


@pytest.mark.parametrize("question", QUESTIONS["unanswerable"], ids=asked)
def test_what_the_documents_do_not_say_is_not_answered(api: httpx.Client, question: dict[str, Any]) -> None:
    response = api.post("/v1/query", json={"question": question["question"]}).json()
    assert response["answered"] is False
    assert response["answer"] == NO_ANSWER
    assert response["citations"] == []
    assert response["note"] == NO_ANSWER_NOTE


@pytest.mark.parametrize(
    ("question", "quoted", "section"),
    [
        ("What happens with a fault of code A?", "taken out of service at once and towed", "Faults"),
        ("What does it cost to travel without a valid ticket?", "increased fare of 800 crowns", "Inspection"),
    ],
)
def test_lists_and_amounts_are_found(api: httpx.Client, question: str, quoted: str, section: str) -> None:
    response = api.post("/v1/query", json={"question": question}).json()
    assert quoted in response["answer"]
    assert response["citations"][0]["section"].endswith(section)


def test_chat_without_an_answer_says_so_once(api: httpx.Client) -> None:
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    answer = api.post("/v1/chat/completions", json={"messages": messages}).json()
    assert answer["choices"][0]["message"]["content"] == f"{NO_ANSWER}\n\n{NO_ANSWER_NOTE}"


@pytest.mark.parametrize("media_type", [None, "application/x-www-form-urlencoded"])
def test_json_that_is_not_called_json_is_refused_with_the_remedy(
    api: httpx.Client, media_type: str | None
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = api.post("/v1/query", content=json.dumps({"question": "x"}), headers=headers)
    assert answer.status_code == 400
    assert "send Content-Type: application/json" in answer.json()["error"]["message"]


def test_passages_come_best_first_and_as_many_as_asked_for(api: httpx.Client) -> None:
    body = {"question": FIRST["question"], "top_k": 3}
    scores = [passage["score"] for passage in api.post("/v1/query", json=body).json()["passages"]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


def test_chat_answers_the_last_user_message(api: httpx.Client) -> None:
    messages = [
        {"role": "user", "content": "What is the capital of France?"},
        {"role": "assistant", "content": NO_ANSWER},
        {"role": "user", "content": [{"type": "text", "text": FIRST["question"]}]},
    ]
    answer = api.post("/v1/chat/completions", json={"model": "any", "messages": messages}).json()
    assert answer["object"] == "chat.completion"
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    assert FIRST["contains"] in choice["message"]["content"]
    assert "operations-handbook.pdf, page 4" in choice["message"]["content"]
    assert answer["ragops"]["citations"][0]["page"] == 4


def test_streamed_chat_is_the_same_answer_in_pieces(api: httpx.Client) -> None:
    body = {"messages": [{"role": "user", "content": FIRST["question"]}]}
    whole = api.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]
    with api.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0]["role"] == "assistant"
    assert len(deltas) > 10
    assert "".join(delta.get("content", "") for delta in deltas) == whole
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/query", {}, "question: Field required"),
        ("/v1/query", {"question": "   "}, "question"),
        ("/v1/query", {"question": "x", "top_k": 0}, "top_k"),
        ("/v1/query", {"question": "Norrvik " * 400}, "too long for the embedding model"),
        ("/v1/chat/completions", {"messages": []}, "messages"),
        ("/v1/chat/completions", {"messages": [{"role": "system", "content": "x"}]}, "last user message"),
    ],
)
def test_bad_questions_are_refused_by_name(
    api: httpx.Client, path: str, body: dict[str, object], said: str
) -> None:
    answer = api.post(path, json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_request_id_of_the_caller_is_kept(api: httpx.Client) -> None:
    answer = api.post("/v1/query", json={}, headers={"X-Request-ID": "from-the-caller"})
    assert answer.headers["x-request-id"] == "from-the-caller"
    assert answer.json()["error"]["request_id"] == "from-the-caller"
    unfit = api.get("/livez", headers={"X-Request-ID": "spaces are not taken over"})
    assert len(unfit.headers["x-request-id"]) == 32
