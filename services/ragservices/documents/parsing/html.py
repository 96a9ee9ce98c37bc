"""HTML by BeautifulSoup and lxml: the text of the page without its navigation."""

from __future__ import annotations

import re
from pathlib import Path

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PageElement, PreformattedString, Tag

from ragservices.documents.parsing.model import Block, Outline, ParsedDocument, clean, code_lines, table_text

# Not part of what the page says.
_DROPPED = re.compile(
    r"script|style|noscript|template|nav|aside|footer|form|button|select|iframe|svg|canvas|object|head"
)
_HEADING = re.compile(r"h[1-6]")
# Elements whose text stands on its own; any other element is part of the running text around it.
_BLOCK = re.compile(
    r"address|article|blockquote|body|center|dd|details|div|dl|dt|fieldset|figcaption|figure|h[1-6]|header|hgroup|hr|html|"
    r"li|main|ol|p|pre|section|summary|table|ul"
)


def parse(path: Path, name: str) -> ParsedDocument:  # noqa: ARG001 - one signature for all parsers
    """Headings become sections. The encoding is the declared one, or guessed."""
    return ParsedDocument(tuple(html_blocks(path.read_bytes())))


def html_blocks(source: str | bytes) -> list[Block]:
    """The blocks of a page or a piece of HTML."""
    soup = BeautifulSoup(source, "lxml")
    for tag in soup.find_all(_is_dropped):
        tag.decompose()
    root = soup.find("main") or soup.body or soup
    walker = _Walker()
    walker.walk(root)
    walker.flush()
    return walker.blocks


def _is_dropped(tag: Tag) -> bool:
    hidden = tag.has_attr("hidden") or tag.get("aria-hidden") == "true"
    return hidden or _DROPPED.fullmatch(tag.name) is not None


class _Walker:
    """Collects running text until a block element begins or ends."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._outline = Outline()
        self._running: list[str] = []

    def flush(self) -> None:
        self._add(clean("".join(self._running)))
        self._running.clear()

    def walk(self, element: Tag) -> None:
        for child in element.children:
            self._visit(child)

    def _visit(self, node: PageElement) -> None:
        if isinstance(node, PreformattedString):
            return  # comments, doctypes and the like
        if isinstance(node, NavigableString):
            self._running.append(str(node))
        elif isinstance(node, Tag):
            if node.name == "br":
                self._running.append(" ")
            elif _BLOCK.fullmatch(node.name):
                self.flush()
                self._block(node)
                self.flush()
            else:
                self.walk(node)

    def _block(self, tag: Tag) -> None:
        if _HEADING.fullmatch(tag.name):
            self._outline.enter(int(tag.name[1]), clean(tag.get_text()))
        elif tag.name == "pre":
            self._add(code_lines(tag.get_text()))
        elif tag.name == "table" and not tag.find("table"):  # one with tables inside is layout
            self._table(tag)
        else:
            self.walk(tag)

    def _table(self, table: Tag) -> None:
        if caption := table.find("caption"):
            self._add(clean(caption.get_text()))
        rows = [[cell.get_text(" ") for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]
        self._add(table_text(rows))

    def _add(self, text: str) -> None:
        if text:
            self.blocks.append(Block(text, section=self._outline.path))
