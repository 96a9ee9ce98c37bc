"""What happens when parts fail, and when a service is told to stop."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from ragservices.api.pipeline import NOT_GENERATED
from tests.services.conftest import Stack, upload
from tests.services.processes import free_port, postgres, service, wait_until

NOBODY = "http://127.0.0.1:9"
QUESTION = {"question": "At what wind speed is service on the harbour bridge suspended?"}


def readiness(url: str) -> tuple[int, dict[str, object]]:
    answer = httpx.get(f"{url}/readyz", timeout=10)
    return answer.status_code, answer.json()


def test_services_wait_for_the_database_and_come_back_with_it(stack: Stack, tmp_path: Path) -> None:
    with postgres() as database:
        environment = {**database.environment(), "RAGOPS_EMBEDDINGS_URL": stack.embeddings.url}
        with service("documents", tmp_path, environment, wait=False) as running:
            wait_until(lambda: _alive(running.url), "the service is alive")
            status, body = readiness(running.url)
            assert status == 503
            assert f"127.0.0.1:{database.port}" in str(body["reasons"])

            database.start()
            wait_until(running.ready, "ready once the database is there")
            with httpx.Client(base_url=running.url, timeout=30) as client:
                assert upload(client, "a.md", b"# A\nSome text.").status_code == 201

                assert database.stop() == 0
                assert readiness(running.url)[0] == 503
                assert _alive(running.url)
                refused = upload(client, "b.md", b"# B\nOther text.")
                assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_unavailable")
                assert int(refused.headers["retry-after"]) > 0

                database.start()
                wait_until(running.ready, "ready again after the database came back")
                names = [document["name"] for document in client.get("/v1/documents").json()["documents"]]
                assert names == ["a.md"]


@pytest.mark.parametrize("name", ["documents", "retrieval"])
def test_a_service_whose_password_has_changed_asks_to_be_restarted(
    stack: Stack, tmp_path: Path, name: str
) -> None:
    with postgres() as database:
        database.start()
        environment = {**database.environment(), "RAGOPS_EMBEDDINGS_URL": stack.embeddings.url}
        with service(name, tmp_path, environment) as running:
            assert database.stop() == 0
            assert readiness(running.url)[0] == 503
            assert _alive(running.url), "a database that is away is no reason for a restart"

            database.start(password="another one")
            wait_until(
                lambda: readiness(running.url)[0] == 503 and not _alive(running.url), "it asks for a restart"
            )
            for probe in ("livez", "readyz"):
                reason = httpx.get(f"{running.url}/{probe}", timeout=10).json()["reasons"]["database"]
                assert "RAGOPS_DATABASE_USER and _PASSWORD" in reason
                assert 'password authentication failed for user "rag"' in reason
        with service(name, tmp_path, {**environment, "RAGOPS_DATABASE_PASSWORD": "another one"}) as restarted:
            assert _alive(restarted.url)


def _alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.usefixtures("examples")
def test_the_failing_service_is_named(stack: Stack, tmp_path: Path) -> None:
    environment = {
        "RAGOPS_RETRIEVAL_URL": NOBODY,
        "RAGOPS_GENERATION_URL": stack.generation.url,
        "RAGOPS_DOCUMENTS_URL": NOBODY,
    }
    with service("api", tmp_path, environment) as api, httpx.Client(base_url=api.url, timeout=30) as client:
        for answer, name in (
            (client.post("/v1/query", json=QUESTION), "retrieval"),
            (client.get("/v1/documents"), "documents"),
            (upload(client, "a.md", b"text"), "documents"),
        ):
            assert answer.status_code == 503
            assert answer.json()["error"]["message"].startswith(f"the {name} service is not available")
            assert int(answer.headers["retry-after"]) > 0
        chat = {"messages": [{"role": "user", "content": "Anything?"}], "stream": True}
        streamed = client.post("/v1/chat/completions", json=chat)
        assert (streamed.status_code, streamed.json()["error"]["code"]) == (503, "upstream_unavailable")


@pytest.mark.usefixtures("examples")
def test_without_generation_the_passages_are_still_given(stack: Stack, tmp_path: Path) -> None:
    environment = {"RAGOPS_RETRIEVAL_URL": stack.retrieval.url, "RAGOPS_GENERATION_URL": NOBODY}
    with service("api", tmp_path, environment) as api:
        answer = httpx.post(f"{api.url}/v1/query", json=QUESTION, timeout=30)
    body = answer.json()
    assert answer.status_code == 200
    assert (body["answered"], body["answer"], body["mode"]) == (False, NOT_GENERATED, None)
    assert "the generation service is not available" in body["note"]
    assert "harbour bridge is suspended" in body["passages"][0]["text"]


def test_what_a_deployment_does_not_have_is_said(tmp_path: Path) -> None:
    with service("api", tmp_path, {}) as api, httpx.Client(base_url=api.url) as client:
        for answer in (client.post("/v1/query", json=QUESTION), client.get("/v1/documents")):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_configured")


def test_told_to_stop_a_service_turns_unready_and_finishes_its_requests(tmp_path: Path) -> None:
    environment = {"RAGOPS_DRAIN_SECONDS": "2", "RAGOPS_EMBEDDINGS_THREADS": "1"}
    with service("embeddings", tmp_path, environment) as running:
        answers: list[httpx.Response] = []
        body = {"input": ["a text of some length " * 40] * 40}

        def ask() -> None:
            answers.append(httpx.post(f"{running.url}/v1/embeddings", json=body, timeout=60))

        request = threading.Thread(target=ask)
        request.start()
        wait_until(
            lambda: 'ragservices_requests_in_progress{service="embeddings"} 1' in _metrics(running.url),
            "at work",
        )
        running.process.send_signal(signal.SIGTERM)
        wait_until(lambda: readiness(running.url)[0] == 503, "unready", timeout=2)
        assert readiness(running.url)[1]["reasons"] == {"stopping": "the service is shutting down"}
        # New requests are still answered while endpoints and proxies take note.
        assert httpx.post(f"{running.url}/v1/embeddings", json={"input": "x"}, timeout=30).status_code == 200
        request.join(timeout=60)
        assert [answer.status_code for answer in answers] == [200]
        assert len(answers[0].json()["data"]) == 40
        assert running.process.wait(timeout=30) == 0


def _metrics(url: str) -> str:
    return httpx.get(f"{url}/metrics", timeout=10).text


def test_more_than_may_wait_are_refused_at_once(tmp_path: Path) -> None:
    environment = {"RAGOPS_MAX_CONCURRENCY": "1", "RAGOPS_MAX_QUEUE": "1", "RAGOPS_EMBEDDINGS_THREADS": "1"}
    with service("embeddings", tmp_path, environment) as running:
        body = {"input": ["a text of some length " * 40] * 40}
        threads = [
            threading.Thread(target=lambda: httpx.post(f"{running.url}/v1/embeddings", json=body, timeout=60))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        wait_until(
            lambda: 'ragservices_queue_depth{service="embeddings"} 1.0' in _metrics(running.url), "one waits"
        )
        started = time.monotonic()
        refused = httpx.post(f"{running.url}/v1/embeddings", json={"input": "x"}, timeout=60)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
        assert int(refused.headers["retry-after"]) > 0
        assert time.monotonic() - started < 2
        for thread in threads:
            thread.join()


def test_metrics_count_the_work_and_not_the_probes(stack: Stack) -> None:
    httpx.post(f"{stack.embeddings.url}/v1/embeddings", json={"input": ["one", "two"]}, timeout=30)
    httpx.get(f"{stack.embeddings.url}/v1/embeddings/{free_port()}", timeout=30)
    text = _metrics(stack.embeddings.url)
    assert (
        'ragservices_requests_total{method="POST",route="/v1/embeddings",service="embeddings",status="200"}'
        in text
    )
    assert 'route="unmatched"' in text
    assert 'ragservices_request_seconds_bucket{le="1.0",method="POST",route="/v1/embeddings"' in text
    assert 'ragservices_queue_depth{service="embeddings"} 0.0' in text
    assert "ragservices_tokens_total" in text
    for probe in ("/livez", "/readyz", "/metrics"):
        assert f'route="{probe}"' not in text


@pytest.mark.parametrize(
    ("name", "environment", "said"),
    [
        ("embeddings", {"RAGOPS_MODEL_DIR": "/nonexistent"}, "ragservices.embeddings.convert"),
        ("embeddings", {"RAGOPS_EMBEDDINGS_MODEL": "bge-small"}, "use an image that carries the model"),
        ("documents", {}, "RAGOPS_DATABASE_HOST: not set"),
    ],
)
def test_a_service_that_cannot_work_says_why_and_ends(
    tmp_path: Path, name: str, environment: dict[str, str], said: str
) -> None:
    with service(name, tmp_path, environment, wait=False) as running:
        assert running.process.wait(timeout=60) == 2
    assert said in running.log.read_text()
    assert "Traceback" not in running.log.read_text()
