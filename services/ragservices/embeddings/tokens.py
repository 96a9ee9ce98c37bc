"""The tokenizer of the embedding model, for the encoder and for everyone who must stay within its limit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from ragservices.embeddings.manifest import TOKENIZER_FILE, ModelManifest

SPECIAL_TOKENS = 2  # [CLS] and [SEP]


class ModelTokenizer:
    """Counts and encodes tokens exactly as the model sees them. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        """Loads the tokenizer of a model directory. Raises ModelError when it is not one."""
        self.manifest = ModelManifest.load(directory)
        self._tokenizer = Tokenizer.from_file(str(directory / TOKENIZER_FILE))
        # The published file asks for 128 tokens, cut and padded; length is decided here.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    @property
    def max_content_tokens(self) -> int:
        """The most tokens a text may have, special tokens not counted."""
        return self.manifest.max_tokens - SPECIAL_TOKENS

    def count(self, text: str) -> int:
        """Number of tokens, special tokens not counted."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, special tokens included, nothing cut off."""
        encodings: list[Encoding] = self._tokenizer.encode_batch_fast(list(texts))
        return [encoding.ids for encoding in encodings]

    def truncate(self, ids: list[int]) -> list[int]:
        """Cuts ids of one text to the model's limit, keeping the closing special token."""
        limit = self.manifest.max_tokens
        return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]
