"""Documents are processed in processes of their own, which have limits."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.services.bad_documents import EXAMPLES

from ragservices.common.settings import default_model_dir
from ragservices.documents.parsing import DocumentError, Kind
from ragservices.documents.worker import DocumentWorker, WorkerLimits

LIMITS = WorkerLimits(
    chunk_tokens=200,
    chunk_overlap_tokens=40,
    model_dir=default_model_dir(),
    timeout_seconds=60,
    memory_bytes=1 << 30,
    max_chunks=1000,
)
HANDBOOK = EXAMPLES / "operations-handbook.pdf"


async def failure(limits: WorkerLimits, path: Path, kind: Kind) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        await DocumentWorker(limits).process(path, path.name, kind)
    assert path.name in caught.value.message
    return caught.value


async def test_a_document_comes_back_as_chunks() -> None:
    processed = await DocumentWorker(LIMITS).process(HANDBOOK, HANDBOOK.name, Kind.PDF)
    assert processed.pages == 6
    assert [chunk.position for chunk in processed.chunks] == list(range(len(processed.chunks)))
    assert {chunk.page for chunk in processed.chunks} == {1, 2, 3, 4, 5, 6}


async def test_one_that_takes_too_long_is_given_up_and_its_process_ended(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("Word. " * 2_000_000)  # far more than a minute's work
    started = time.monotonic()
    error = await failure(replace(LIMITS, timeout_seconds=0.5), path, Kind.TEXT)
    assert error.code == "processing_timeout"
    assert multiprocessing.active_children() == []
    assert time.monotonic() - started < 10


async def test_one_that_takes_too_much_memory_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    path.write_text("word " * 40_000_000)
    error = await failure(replace(LIMITS, memory_bytes=256 << 20), path, Kind.TEXT)
    assert error.code in ("too_complex", "processing_failed")
    assert "memory" in error.message


async def test_one_with_too_many_passages_is_refused() -> None:
    error = await failure(replace(LIMITS, max_chunks=5), HANDBOOK, Kind.PDF)
    assert (error.code, "above the limit of 5" in error.message) == ("too_large", True)
