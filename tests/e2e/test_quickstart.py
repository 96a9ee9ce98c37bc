"""The example, as a user meets it: ordered start, documents in, cited answers out, then silence."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import yaml
from tests.e2e.support import ROOT, Site

NAMESPACE = "quickstart"
NAME = "quickstart"
DOCUMENTS = ROOT / "examples/documents"
QUESTIONS = yaml.safe_load((DOCUMENTS / "questions.yaml").read_text())
ANSWERABLE: list[dict[str, Any]] = QUESTIONS["answerable"]
UNANSWERABLE: list[dict[str, Any]] = QUESTIONS["unanswerable"]
NEEDS = {
    "embeddings": ["vector-store"],
    "documents": ["embeddings", "vector-store"],
    "retrieval": ["embeddings", "vector-store"],
    "api": ["vector-store", "embeddings", "documents", "retrieval", "generation"],
}
QUIET_SECONDS = 300


@pytest.fixture(scope="module")
def ready(site: Site) -> datetime:
    """The example is applied and ready, since when."""
    site.apply(NAMESPACE, yaml.safe_load((ROOT / "examples/quickstart.yaml").read_text()))
    condition = site.wait_ready(NAMESPACE, NAME, seconds=600)
    return datetime.fromisoformat(condition["lastTransitionTime"])


@pytest.fixture(scope="module")
def client(site: Site, ready: datetime) -> Iterator[httpx.Client]:
    """The API, with the example documents uploaded."""
    assert ready
    with site.api(NAMESPACE, f"{NAME}-api") as api:
        for path in sorted(DOCUMENTS.iterdir()):
            if path.suffix in (".pdf", ".docx", ".html", ".md") and path.stem != "README":
                answer = api.post("/v1/documents", files={"file": (path.name, path.read_bytes())})
                assert answer.status_code == 201, answer.text
                assert answer.json()["chunks"] > 0
        yield api


def test_pods_start_when_what_they_need_is_ready(site: Site, ready: datetime) -> None:
    assert ready
    pods = {pod["metadata"]["labels"]["ragops.dev/service"]: pod for pod in site.get(NAMESPACE, "pods")}
    assert len(pods) == 6
    for service, upstreams in NEEDS.items():
        created = datetime.fromisoformat(pods[service]["metadata"]["creationTimestamp"])
        for upstream in upstreams:
            assert became_ready(pods[upstream]) <= created, f"{service} did not wait for {upstream}"
    # Independent services do not wait for each other.
    generation = datetime.fromisoformat(pods["generation"]["metadata"]["creationTimestamp"])
    assert generation <= became_ready(pods["vector-store"])


def became_ready(pod: dict[str, Any]) -> datetime:
    """When a pod became ready."""
    condition = next(c for c in pod["status"]["conditions"] if c["type"] == "Ready")
    assert condition["status"] == "True"
    return datetime.fromisoformat(condition["lastTransitionTime"])


@pytest.mark.parametrize("entry", ANSWERABLE, ids=lambda entry: entry["question"])
def test_answers_cite_the_right_place(client: httpx.Client, entry: dict[str, Any]) -> None:
    body = client.post("/v1/query", json={"question": entry["question"]}).raise_for_status().json()
    assert body["answered"]
    assert body["mode"] == "extractive"
    assert "language model" in body["note"]
    cited = body["citations"][0]
    assert cited["document"] == entry["document"]
    if "page" in entry:
        assert cited["page"] == entry["page"]
    if "section" in entry:
        assert entry["section"] in cited["section"]
    assert entry["contains"].lower() in body["answer"].lower()


@pytest.mark.parametrize("entry", UNANSWERABLE, ids=lambda entry: entry["question"])
def test_a_question_without_an_answer_is_told_so(client: httpx.Client, entry: dict[str, Any]) -> None:
    body = client.post("/v1/query", json={"question": entry["question"]}).raise_for_status().json()
    assert not body["answered"]
    assert body["citations"] == []
    assert "do not contain an answer" in body["answer"]


def test_the_chat_endpoint_speaks_openai(client: httpx.Client) -> None:
    question = ANSWERABLE[0]
    messages = [{"role": "user", "content": question["question"]}]
    body = client.post("/v1/chat/completions", json={"model": "ragops", "messages": messages}).json()
    assert body["object"] == "chat.completion"
    assert question["contains"].lower() in body["choices"][0]["message"]["content"].lower()


def test_status_and_columns(site: Site, ready: datetime) -> None:
    assert ready
    line = site.kubectl("-n", NAMESPACE, "get", "rag", NAME, "--no-headers").split()
    assert line[:4] == [NAME, "True", "6/6", "Healthy"]
    reasons = {event["reason"] for event in site.get(NAMESPACE, "events.events.k8s.io")}
    assert {"ServiceStarting", "ServiceReady", "Ready"} <= reasons


@pytest.mark.timeout(2 * QUIET_SECONDS)
def test_no_write_by_the_operator_once_all_is_ready(site: Site, ready: datetime) -> None:
    """Runs last here: the answers above do not concern the operator."""
    begin, end = ready + timedelta(seconds=3), ready + timedelta(seconds=3 + QUIET_SECONDS)
    while (left := (end - datetime.now(UTC)).total_seconds()) > 0:
        time.sleep(min(left, 5))
    writes, renewals = [], 0
    for line in site.audit_log.read_text().splitlines():
        entry = json.loads(line)
        at = datetime.fromisoformat(entry["requestReceivedTimestamp"])
        if not begin <= at <= end or "ragops-system:ragops" not in entry["user"]["username"]:
            continue
        if entry["verb"] in ("create", "update", "patch", "delete", "deletecollection"):
            if entry["objectRef"]["resource"] == "leases":
                renewals += 1
            else:
                writes.append((entry["requestReceivedTimestamp"], entry["verb"], entry["requestURI"]))
    assert renewals > 10, "the audit log does not show the operator at all"
    assert writes == []
