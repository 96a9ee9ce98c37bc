"""What parsers produce."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ragservices.common.sentences import CODE_INDENT

# Control characters that are no white space, halves of surrogate pairs, and characters for private use.
_DROPPED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ue000-\uf8ff]")


class Kind(StrEnum):
    """The kinds of document that can be read; the value is the media type."""

    PDF = "application/pdf"
    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    HTML = "text/html"
    MARKDOWN = "text/markdown"
    TEXT = "text/plain"


class DocumentError(Exception):
    """A document that cannot be taken in. `code` is for programs, the message for people: what to do about
    it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)  # both, as it crosses a process boundary
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Block:
    """A paragraph, list item, table row group or the like: text that belongs together, and where it
    stands."""

    text: str
    page: int | None = None  # from 1, for documents that have pages
    section: tuple[str, ...] = ()  # headings above it, outermost first


@dataclass(frozen=True)
class ParsedDocument:
    """The text of a document in reading order."""

    blocks: tuple[Block, ...]
    pages: int | None = None


class Outline:
    """The headings above the present place of a document that is read from the top."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> None:
        """A heading: it closes those of its own level and below."""
        self._open = [(other, text) for other, text in self._open if other < level]
        if title:
            self._open.append((level, title))

    @property
    def path(self) -> tuple[str, ...]:
        """Titles, outermost first."""
        return tuple(title for _, title in self._open)


def clean(text: str) -> str:
    """One line: white space collapsed, control characters (which PostgreSQL may refuse) dropped."""
    return " ".join(_DROPPED.sub("", text).split())


def clean_lines(text: str) -> str:
    """As `clean`, line by line, for text whose line breaks mean something."""
    lines = (clean(line) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def code_lines(text: str) -> str:
    """As `clean_lines`, for program code and drawings: indented, as in Markdown, so that a passage still
    shows what in it is prose."""
    return "\n".join(f"{CODE_INDENT}{line}" for line in clean_lines(text).splitlines())


def table_text(rows: Sequence[Sequence[str]]) -> str:
    """A table as lines that can be understood on their own: "Header: cell; Header: cell" for each row."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    filled = [row for row in cleaned if any(row)]
    if len(filled) < 2:
        return "; ".join(cell for row in filled for cell in row if cell)
    header, *body = filled
    lines = []
    for row in body:
        cells = [
            f"{name}: {cell}" if name else cell
            for name, cell in zip(header + [""] * (len(row) - len(header)), row, strict=False)
            if cell
        ]
        lines.append("; ".join(cells))
    return "\n".join(lines)
