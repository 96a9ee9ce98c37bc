"""Taking in documents: recognised, replaced, refused; all or nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from tests.services.conftest import EXAMPLES, Stack, upload
from tests.services.processes import Postgres, service, wait_until
from tests.unit.services.bad_documents import BAD_DOCUMENTS

pytestmark = pytest.mark.usefixtures("examples")

GUIDE = b"# Lighthouse\nThe lamp of the lighthouse turns once in twelve seconds.\n"
NEW_GUIDE = b"# Lighthouse\nSince the repair the lamp of the lighthouse turns once in nine seconds.\n"


def stored(database: Postgres) -> tuple[object, ...]:
    """What the database holds of documents and chunks."""
    with database.connect() as connection:
        cursor = connection.execute(
            "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM chunks_1),"
            " (SELECT string_agg(id::text, ',' ORDER BY id) FROM documents)"
        )
        row = cursor.fetchone()
    assert row is not None
    return row


def answer_of(api: httpx.Client, question: str) -> str:
    return str(api.post("/v1/query", json={"question": question}).json()["answer"])


@pytest.fixture
def guide(api: httpx.Client) -> Iterator[dict[str, object]]:
    document = upload(api, "lighthouse.md", GUIDE).json()
    yield document
    for other in api.get("/v1/documents").json()["documents"]:
        if other["name"].startswith("lighthouse"):
            api.delete(f"/v1/documents/{other['id']}")


def test_examples_are_described(examples: list[dict[str, object]]) -> None:
    described = {document["name"]: document for document in examples}
    handbook = described["operations-handbook.pdf"]
    assert (handbook["state"], handbook["pages"], handbook["media_type"]) == ("ready", 6, "application/pdf")
    assert handbook["bytes"] == (EXAMPLES / "operations-handbook.pdf").stat().st_size
    assert described["maintenance-manual.md"]["pages"] is None
    for document in examples:
        assert UUID(str(document["id"])).version == 7
        assert int(str(document["chunks"])) > 5
        assert document["embedding_model"] == "all-MiniLM-L6-v2"


def test_the_same_content_again_is_recognised(
    api: httpx.Client, guide: dict[str, object], database: Postgres
) -> None:
    before = stored(database)
    again = upload(api, "lighthouse.md", GUIDE)
    elsewhere = upload(api, "lighthouse-copy.md", GUIDE)
    assert (again.status_code, again.json()) == (200, guide)
    assert (elsewhere.status_code, elsewhere.json()) == (200, guide)
    assert stored(database) == before


def test_changed_content_replaces_the_document(
    api: httpx.Client, guide: dict[str, object], database: Postgres
) -> None:
    question = "How long does the lamp of the lighthouse turn?"
    before = stored(database)
    assert "twelve seconds" in answer_of(api, question)
    changed = upload(api, "lighthouse.md", NEW_GUIDE)
    assert changed.status_code == 201
    assert changed.json()["id"] != guide["id"]
    assert stored(database)[:2] == before[:2]
    assert "nine seconds" in answer_of(api, question)
    assert api.get(f"/v1/documents/{guide['id']}").status_code == 404


def test_a_name_gets_new_content_even_when_another_document_has_it(
    api: httpx.Client, guide: dict[str, object]
) -> None:
    other = upload(api, "lighthouse-2.md", NEW_GUIDE).json()
    moved = upload(api, "lighthouse-2.md", GUIDE)
    assert moved.status_code == 201
    assert moved.json()["name"] == "lighthouse-2.md"
    assert moved.json()["sha256"] == guide["sha256"] != other["sha256"]


def test_the_same_document_twice_at_once_is_stored_once(
    api: httpx.Client, guide: dict[str, object], database: Postgres
) -> None:
    api.delete(f"/v1/documents/{guide['id']}")
    before = stored(database)
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(2) as pool, database.connect() as connection:
        # Held back at the same point, the two can only go on one after the other.
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('name lighthouse.md', 0))")
            uploads = [pool.submit(upload, api, "lighthouse.md", GUIDE) for _ in range(2)]
            wait_until(lambda: connection.execute(waiting).fetchone() == (2,), "both are about to store")
        answers = [upload.result() for upload in uploads]
    assert sorted(answer.status_code for answer in answers) == [200, 201]
    assert answers[0].json() == answers[1].json()
    assert int(str(stored(database)[0])) == int(str(before[0])) + 1


def test_deleted_means_gone(api: httpx.Client, guide: dict[str, object], database: Postgres) -> None:
    before = stored(database)
    assert api.delete(f"/v1/documents/{guide['id']}").status_code == 204
    assert int(str(stored(database)[1])) == int(str(before[1])) - 1
    gone = api.delete(f"/v1/documents/{guide['id']}")
    assert gone.status_code == 404
    assert gone.json()["error"]["code"] == "document_not_found"


def test_the_list_can_be_read_page_by_page(api: httpx.Client) -> None:
    everything = api.get("/v1/documents").json()
    assert everything["next"] is None
    collected, after = [], {}
    while True:
        page = api.get("/v1/documents", params={"limit": 3, **after}).json()
        collected += page["documents"]
        if page["next"] is None:
            break
        assert len(page["documents"]) == 3
        after = {"after": page["next"]}
    assert collected == everything["documents"]
    assert len(collected) >= 4


@pytest.mark.parametrize(
    ("name", "content", "code", "said"), BAD_DOCUMENTS, ids=[bad[0] for bad in BAD_DOCUMENTS]
)
def test_bad_documents_are_refused_and_leave_nothing(
    api: httpx.Client, database: Postgres, name: str, content: bytes, code: str, said: str
) -> None:
    before = stored(database)
    answer = upload(api, name, content)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["code"] == code
    assert said in answer.json()["error"]["message"]
    assert stored(database) == before


def test_an_upload_without_a_file_is_told_so(api: httpx.Client) -> None:
    as_json = api.post("/v1/documents", json={"file": "x"})
    assert (as_json.status_code, as_json.json()["error"]["code"]) == (415, "unsupported_request")
    other_field = api.post("/v1/documents", files={"document": ("a.md", GUIDE)})
    assert (other_field.status_code, other_field.json()["error"]["code"]) == (400, "file_missing")


def test_a_path_in_the_name_is_dropped(api: httpx.Client, guide: dict[str, object]) -> None:
    answer = upload(api, "..\\..\\etc/lighthouse.md", NEW_GUIDE)
    assert answer.json()["name"] == guide["name"]


@pytest.fixture(scope="module")
def limited(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A documents service of its own, with limits that tests can reach."""
    environment = {
        **stack.database.environment(),
        "RAGOPS_EMBEDDINGS_URL": stack.embeddings.url,
        "RAGOPS_MAX_UPLOAD_BYTES": "100000",
        "RAGOPS_MAX_CONCURRENCY": "1",
        "RAGOPS_MAX_QUEUE": "1",
    }
    with (
        service("documents", tmp_path_factory.mktemp("limits"), environment) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        yield client


def test_too_large_is_told_with_the_limit(limited: httpx.Client) -> None:
    a_little = upload(limited, "large.txt", b"x" * 100_001)
    by_far = upload(limited, "large.txt", b"x" * 1_000_000)
    for answer in (a_little, by_far):
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"
    assert "100000" in a_little.json()["error"]["message"]


def test_too_large_is_noticed_when_the_length_is_not_announced(limited: httpx.Client) -> None:
    boundary = "x" * 20
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'

    def body() -> Iterator[bytes]:
        yield head.encode()
        for _ in range(20):
            yield b"y" * 50_000

    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    answer = limited.post("/v1/documents", content=body(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_more_than_may_wait_are_told_to_come_back(limited: httpx.Client) -> None:
    text = " ".join(f"Sentence {number} of a document that takes a while." for number in range(1500))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: upload(limited, f"busy-{n}.txt", f"{n} {text}".encode()), range(6)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(201) >= 2
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) + statuses.count(201) == 6
    assert refused
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    for document in limited.get("/v1/documents").json()["documents"]:
        if document["name"].startswith("busy-"):
            limited.delete(f"/v1/documents/{document['id']}")


def test_when_embedding_fails_nothing_is_stored(database: Postgres, tmp_path: Path) -> None:
    environment = {**database.environment(), "RAGOPS_EMBEDDINGS_URL": "http://127.0.0.1:9"}
    before = stored(database)
    with service("documents", tmp_path, environment) as running:
        answer = httpx.post(
            f"{running.url}/v1/documents", files={"file": ("new.md", io.BytesIO(GUIDE))}, timeout=30
        )
    assert answer.status_code == 503
    assert "the embeddings service is not available" in answer.json()["error"]["message"]
    assert int(answer.headers["retry-after"]) > 0
    assert stored(database) == before
