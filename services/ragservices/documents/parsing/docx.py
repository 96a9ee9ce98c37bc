"""Word documents by python-docx: paragraphs and tables in order, headings as sections."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import docx
from docx.opc.exceptions import PackageNotFoundError
from docx.table import Table
from docx.text.paragraph import Paragraph
from lxml.etree import XMLSyntaxError  # type: ignore[import-untyped]

from ragservices.documents.parsing.model import (
    Block,
    DocumentError,
    Outline,
    ParsedDocument,
    clean,
    table_text,
)

# A small archive can hold an enormous document; nothing sensible comes near this.
MAX_UNPACKED_BYTES = 256 << 20

# Built-in styles keep their English names inside the file, whatever the language of Word.
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)


def parse(path: Path, name: str) -> ParsedDocument:
    """Raises DocumentError when the file is no Word document, is damaged or too large."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_UNPACKED_BYTES:
            raise DocumentError(
                "too_large",
                f"{name} unpacks to {size} bytes, above the limit of {MAX_UNPACKED_BYTES}: split it",
            )
        document = docx.Document(str(path))
        return ParsedDocument(tuple(_blocks(document)))
    except (zipfile.BadZipFile, PackageNotFoundError, KeyError, ValueError, XMLSyntaxError) as error:
        raise DocumentError(
            "corrupt_document",
            f"{name} is not a readable Word document ({error}): open it in Word and save it again",
        ) from error


def _blocks(document: Any) -> list[Block]:
    outline = Outline()
    blocks: list[Block] = []
    for item in document.iter_inner_content():
        if isinstance(item, Paragraph):
            text = clean(item.text)
            level = _heading_level(item)
            if level is not None:
                outline.enter(level, text)
                continue
        else:
            text = table_text(_rows(item))
        if text:
            blocks.append(Block(text, section=outline.path))
    return blocks


def _heading_level(paragraph: Paragraph) -> int | None:
    """Level of a heading, 0 for the title, None for other text. Styles derived from a heading count too."""
    style: Any = paragraph.style
    while style is not None:
        style_name = style.name or ""
        if style_name.lower() == "title":
            return 0
        if match := _HEADING.fullmatch(style_name):
            return int(match[1])
        style = style.base_style
    return None


def _rows(table: Table) -> list[list[str]]:
    rows = []
    for row in table.rows:
        # A merged cell is listed once for each column that it spans.
        cells = {id(cell._tc): cell.text for cell in row.cells}
        rows.append(list(cells.values()))
    return rows
