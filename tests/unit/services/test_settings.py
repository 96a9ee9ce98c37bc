"""Configuration by environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragservices.common.settings import SettingsError, load_settings
from ragservices.documents.service import DocumentsSettings
from ragservices.embeddings.service import EmbeddingsSettings
from ragservices.generation.service import GenerationSettings
from ragservices.retrieval.service import RetrievalSettings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PASSWORD"):
        monkeypatch.delenv(f"RAGOPS_DATABASE_{name}", raising=False)


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(DocumentsSettings)
    message = str(caught.value)
    for name in ("RAGOPS_DATABASE_HOST", "RAGOPS_DATABASE_PASSWORD", "RAGOPS_EMBEDDINGS_URL"):
        assert f"{name}: not set" in message


def test_what_is_wrong_with_a_value_is_said_without_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGOPS_PORT", "tcp://10.0.0.1:8080")
    with pytest.raises(SettingsError, match="RAGOPS_PORT: Input should be a valid integer"):
        load_settings(GenerationSettings)


def test_overlap_must_be_less_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGOPS_DATABASE_HOST", "db")
    monkeypatch.setenv("RAGOPS_DATABASE_PASSWORD", "secret")
    monkeypatch.setenv("RAGOPS_EMBEDDINGS_URL", "http://embeddings:8080")
    monkeypatch.setenv("RAGOPS_CHUNK_TOKENS", "100")
    monkeypatch.setenv("RAGOPS_CHUNK_OVERLAP_TOKENS", "100")
    with pytest.raises(SettingsError, match=r"RAGOPS_CHUNK_OVERLAP_TOKENS \(100\) must be less than"):
        load_settings(DocumentsSettings)


def test_a_language_model_needs_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGOPS_LLM_BASE_URL", "http://llm/v1")
    with pytest.raises(SettingsError, match="RAGOPS_LLM_MODEL must name the model"):
        load_settings(GenerationSettings)


def test_empty_variables_count_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGOPS_LLM_BASE_URL", "")
    monkeypatch.setenv("RAGOPS_LLM_API_KEY", "")
    settings = load_settings(GenerationSettings)
    assert settings.llm_base_url is None
    assert settings.language_model() is None


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGOPS_DATABASE_HOST", "db")
    monkeypatch.setenv("RAGOPS_DATABASE_PASSWORD", "hunter2")
    monkeypatch.setenv("RAGOPS_EMBEDDINGS_URL", "http://embeddings:8080")
    settings = load_settings(RetrievalSettings)
    assert "hunter2" not in repr(settings)
    assert settings.database_password.get_secret_value() == "hunter2"


def test_model_directory_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGOPS_MODEL_DIR", "/opt/model")
    assert load_settings(EmbeddingsSettings).model_dir == Path("/opt/model")
    monkeypatch.delenv("RAGOPS_MODEL_DIR")
    monkeypatch.setenv("RAGOPS_CACHE", "/cache")
    assert load_settings(EmbeddingsSettings).model_dir == Path("/cache/model/all-MiniLM-L6-v2")
