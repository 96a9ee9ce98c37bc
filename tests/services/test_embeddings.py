"""The embeddings service, with the real model."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from ragservices.common.settings import default_model_dir
from ragservices.embeddings.encoder import Encoder
from tests.services.conftest import Stack

GOLDEN = json.loads((Path(__file__).parent / "data" / "golden.json").read_text())
WITHIN_LIMIT = [entry for entry in GOLDEN if len(entry["text"]) < 1000]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(default_model_dir(), batch_size=4)


@pytest.fixture
def client(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.embeddings.url, timeout=60)


def cosines(vectors: object, entries: list[dict[str, object]]) -> NDArray[np.float64]:
    """Row by row; vectors of another length than 1 would not reach 1."""
    expected = np.array([entry["embedding"] for entry in entries])
    return (np.array(vectors) * expected).sum(axis=1)


def test_encoder_agrees_with_the_reference_even_for_texts_that_are_cut(encoder: Encoder) -> None:
    vectors = encoder.encode([entry["text"] for entry in GOLDEN], truncate=True)
    assert cosines(vectors, GOLDEN).min() >= 0.9999


def test_service_agrees_with_the_reference_in_both_encodings(client: httpx.Client) -> None:
    texts = [entry["text"] for entry in WITHIN_LIMIT]
    assert len(texts) >= 14
    floats = client.post("/v1/embeddings", json={"input": texts, "model": "all-MiniLM-L6-v2"}).json()
    encoded = client.post("/v1/embeddings", json={"input": texts, "encoding_format": "base64"}).json()
    assert [item["index"] for item in floats["data"]] == list(range(len(texts)))
    assert cosines([item["embedding"] for item in floats["data"]], WITHIN_LIMIT).min() >= 0.9999
    decoded = [np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4") for item in encoded["data"]]
    assert cosines(decoded, WITHIN_LIMIT).min() >= 0.9999
    assert floats["usage"]["total_tokens"] == encoded["usage"]["total_tokens"] > len(texts)


def test_a_single_string_is_one_input(client: httpx.Client) -> None:
    answer = client.post("/v1/embeddings", json={"input": "hello world"}).json()
    assert answer["model"] == "all-MiniLM-L6-v2"
    assert cosines([answer["data"][0]["embedding"]], GOLDEN[:1]).min() >= 0.9999
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


def test_a_batch_does_not_change_a_vector(encoder: Encoder) -> None:
    texts = [entry["text"] for entry in WITHIN_LIMIT]
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-5


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"input": ["short", "word " * 300]}, 400, "input[1] has 302 tokens"),
        ({"input": [1, 2, 3]}, 400, "arrays of tokens are not supported"),
        ({"input": [[1, 2, 3]]}, 400, "arrays of tokens are not supported"),
        ({"input": []}, 400, "send between 1 and 256"),
        ({"input": ["x"] * 257}, 400, "257 texts"),
        ({"input": "x", "model": "text-embedding-3-small"}, 404, "'text-embedding-3-small' is not served"),
        ({"input": "x", "dimensions": 128}, 400, "has 384 dimensions"),
        ({"input": "x", "encoding_format": "int8"}, 400, "encoding_format"),
        ({"input": "x" * 1_000_001}, 400, "at most 1000000 characters"),
        ({}, 400, "input: Field required"),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_name(
    client: httpx.Client, body: dict[str, object], status: int, said: str
) -> None:
    answer = client.post("/v1/embeddings", json=body)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"input": "half of a pair: \\ud800"}', "input.0: Input should be a valid string"),
        (b'{"input": ', "not valid JSON"),
        (b"[]", "valid dictionary"),
    ],
)
def test_malformed_bodies_are_the_caller_s_fault(client: httpx.Client, body: bytes, said: str) -> None:
    answer = client.post("/v1/embeddings", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_models_tell_dimension_and_limit(client: httpx.Client) -> None:
    (model,) = client.get("/v1/models").json()["data"]
    assert (model["id"], model["dimension"], model["max_tokens"]) == ("all-MiniLM-L6-v2", 384, 256)
