"""Markdown by markdown-it: CommonMark and tables."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ragservices.documents.parsing.html import html_blocks
from ragservices.documents.parsing.model import Block, Outline, ParsedDocument, clean, code_lines, table_text
from ragservices.documents.parsing.text import read_text

_FRONT_MATTER = re.compile(r"\A---\r?\n.*?\r?\n(?:---|\.\.\.)\r?\n", re.DOTALL)


def parse(path: Path, name: str) -> ParsedDocument:
    """Headings become sections; front matter is left out. Raises DocumentError."""
    source = _FRONT_MATTER.sub("", read_text(path, name), count=1)
    tokens = MarkdownIt("commonmark").enable("table").parse(source)
    outline = Outline()
    blocks: list[Block] = []

    def add(text: str) -> None:
        if text:
            blocks.append(Block(text, section=outline.path))

    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.type == "heading_open":
            outline.enter(int(token.tag[1]), clean(_inline_text(tokens[position + 1])))
            position += 2
        elif token.type == "table_open":
            end = next(i for i in range(position, len(tokens)) if tokens[i].type == "table_close")
            add(table_text(_rows(tokens[position:end])))
            position = end
        elif token.type == "inline":
            add(clean(_inline_text(token)))
        elif token.type in ("fence", "code_block"):
            add(code_lines(token.content))
        elif token.type == "html_block":
            for block in html_blocks(token.content):
                add(block.text)
        position += 1
    return ParsedDocument(tuple(blocks))


def _inline_text(token: Token) -> str:
    """The text of an inline token without its markup; images give their description."""
    parts = []
    for child in token.children or []:
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type == "image":
            parts.append(_inline_text(child))
    return "".join(parts)


def _rows(tokens: list[Token]) -> list[list[str]]:
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_inline_text(token))
    return rows
