"""Text on the terminal or into a pipe."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.text import Text

from ragops.cli.text import wrapped

ASCII: Final = str.maketrans({"├": "|", "└": "`", "─": "-", "┄": ".", "│": "|", "↑": "+", "↓": "-"})
"""One character for one, so that styles stay where they are."""
INDENT: Final = "  "


def terminal() -> Console:
    """Standard output: with colours on a terminal alone, and never with NO_COLOR."""
    return Console(highlight=False, markup=False, emoji=False)


def show(console: Console, lines: Iterable[Text]) -> None:
    """Prints lines as they are; those that are too long are left to the terminal."""
    for line in readable(console, lines):
        console.print(line, soft_wrap=True)


def readable(console: Console, lines: Iterable[Text]) -> list[Text]:
    """Lines in characters that the output's encoding has."""
    if not console.options.ascii_only:
        return list(lines)
    return [Text(line.plain.translate(ASCII), line.style, spans=line.spans) for line in lines]


def paragraphs(texts: Iterable[str], width: int) -> list[Text]:
    """Indented paragraphs; one that is indented by itself keeps that."""
    return [
        Text(line)
        for text in texts
        for line in wrapped(text, width, INDENT + " " * (len(text) - len(text.lstrip())))
    ]


def utc_now() -> datetime:
    """The present time."""
    return datetime.now(UTC)
