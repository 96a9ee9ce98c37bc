"""PDF by pypdf: the text layer, page by page."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from pypdf import PasswordType, PdfReader
from pypdf.errors import PyPdfError

from ragservices.documents.parsing.model import Block, DocumentError, ParsedDocument, clean

# It warns of every oddity in a file; what matters comes as an exception.
logging.getLogger("pypdf").setLevel(logging.ERROR)

# A line that reaches this part of the longest line's length was broken because it was full.
_FULL_LINE = 0.7
_HYPHENATED = re.compile(r"\w-$")


def parse(path: Path, name: str) -> ParsedDocument:
    """Raises DocumentError for protected, damaged and text-less files."""
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
            raise DocumentError(
                "encrypted_document",
                f"{name} is protected by a password: remove the protection and upload it again",
            )
        texts = [page.extract_text() for page in reader.pages]
    except RecursionError as error:
        raise _corrupt(name, "its structure is nested too deeply") from error
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        # pypdf meets damaged files with any of these.
        raise _corrupt(name, str(error) or type(error).__name__) from error
    blocks = [
        Block(paragraph, page=number)
        for number, text in enumerate(texts, start=1)
        for paragraph in paragraphs(text)
    ]
    if texts and not blocks:
        raise DocumentError(
            "no_text",
            f"{name} has {len(texts)} page(s) but no text, as scanned documents have: add a text layer by "
            "OCR (for example with ocrmypdf) and upload it again",
        )
    return ParsedDocument(tuple(blocks), pages=len(texts))


def paragraphs(text: str) -> list[str]:
    """Puts the lines of a page together into paragraphs; words hyphenated at a line's end are made whole."""
    lines = [clean(line) for line in text.splitlines()]
    width = max(map(len, lines), default=0)
    joined: list[str] = []
    open_paragraph = False
    for line in lines:
        if not line:
            open_paragraph = False
            continue
        if open_paragraph and _HYPHENATED.search(joined[-1]) and line[0].islower():
            joined[-1] = joined[-1][:-1] + line
        elif open_paragraph:
            joined[-1] += " " + line
        else:
            joined.append(line)
        open_paragraph = len(line) >= _FULL_LINE * width
    return joined


def _corrupt(name: str, reason: str) -> DocumentError:
    return DocumentError(
        "corrupt_document",
        f"{name} is not a readable PDF ({reason}): export it again from the program it comes from",
    )
