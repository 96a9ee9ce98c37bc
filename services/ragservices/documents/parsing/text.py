"""Plain text, and the decoding that other text formats use too."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from ragservices.documents.parsing.model import Block, DocumentError, ParsedDocument, clean


def read_text(path: Path, name: str) -> str:
    """Decodes UTF-8, or UTF-16 with a byte order mark. Raises DocumentError: bad_encoding."""
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DocumentError(
            "bad_encoding",
            f"{name} is not valid {encoding.removesuffix('-sig').upper()} text (at byte {error.start}): "
            "save it as UTF-8",
        ) from error


def parse(path: Path, name: str) -> ParsedDocument:
    """Paragraphs are separated by blank lines. Raises DocumentError."""
    paragraphs = (clean(part) for part in re.split(r"\n\s*\n", read_text(path, name).replace("\r\n", "\n")))
    return ParsedDocument(tuple(Block(paragraph) for paragraph in paragraphs if paragraph))
