"""What a model directory holds, and the description of the model in it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
MANIFEST_FILE = "manifest.json"


class ModelError(Exception):
    """The model directory cannot be used; the message says why and what to do."""


class ModelManifest(BaseModel):
    """The facts about a model that code and users need."""

    name: str
    dimension: int
    max_tokens: int  # special tokens included
    license: str
    source: str

    @classmethod
    def load(cls, directory: Path) -> ModelManifest:
        """Reads the manifest of a model directory. Raises ModelError when there is none or it is broken."""
        path = directory / MANIFEST_FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise ModelError(
                f"{directory} holds no embedding model ({MANIFEST_FILE} is missing): make it with "
                f"'python -m ragservices.embeddings.convert --output {directory}', "
                "or point RAGOPS_MODEL_DIR at one"
            ) from error
        except ValidationError as error:
            raise ModelError(f"{path} is not a model manifest: {error}") from error
