"""Runs the embedding model. Blocking code: the service calls it from worker threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from ragservices.embeddings.manifest import MODEL_FILE, ModelError
from ragservices.embeddings.tokens import ModelTokenizer

Vectors = NDArray[np.float32]


def usable_cpus() -> int:
    """CPUs this process may use, by its affinity."""
    return len(os.sched_getaffinity(0))


class Encoder:
    """Turns texts into normalised vectors. Thread-safe."""

    def __init__(self, directory: Path, *, batch_size: int = 32, threads: int | None = None) -> None:
        """Loads the model in `directory`. Raises ModelError when there is none."""
        self.tokenizer = ModelTokenizer(directory)
        self.manifest = self.tokenizer.manifest
        self._batch_size = batch_size
        model = directory / MODEL_FILE
        if not model.is_file():
            raise ModelError(f"{model} is missing: make the model directory anew")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or usable_cpus()
        # Idle threads that spin would look like load to an autoscaler.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def encode(self, texts: Sequence[str], *, truncate: bool = False) -> Vectors:
        """Vectors [len(texts), dimension], in the order of the texts.

        With `truncate`, longer texts are cut to the model's limit. Without it they must fit: ValueError.
        """
        ids = self.tokenizer.encode(texts)
        if truncate:
            ids = [self.tokenizer.truncate(one) for one in ids]
        return self.encode_ids(ids)

    def encode_ids(self, ids: Sequence[list[int]]) -> Vectors:
        """Vectors of texts that are token ids already. Raises ValueError when one exceeds the model's
        limit."""
        longest = max(map(len, ids), default=0)
        if longest > self.manifest.max_tokens:
            raise ValueError(f"{longest} tokens exceed the model's limit of {self.manifest.max_tokens}")
        vectors = np.empty((len(ids), self.manifest.dimension), dtype=np.float32)
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            vectors[batch] = self._run([ids[index] for index in batch])
        return vectors

    def _run(self, batch: list[list[int]]) -> Vectors:
        shape = (len(batch), max(map(len, batch)))
        input_ids = np.zeros(shape, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, ids in enumerate(batch):
            input_ids[row, : len(ids)] = ids
            mask[row, : len(ids)] = 1
        (vectors,) = self._session.run(["embeddings"], {"input_ids": input_ids, "attention_mask": mask})
        result: Vectors = vectors
        return result
