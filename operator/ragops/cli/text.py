"""Paragraphs for the terminal."""

import re
import textwrap
from typing import Final

MIN_WIDTH: Final = 20
_COMMAND: Final = re.compile(r"kubectl (?:rag|get) [^,;()]*")
"""A command in a sentence, to be copied: it stays on one line. Our texts go on after it with a comma only."""
_HARD_SPACE: Final = "\N{NO-BREAK SPACE}"


def wrapped(text: str, width: int, indent: str = "", max_lines: int | None = None) -> list[str]:
    """Lines of at most `width` characters, without anything that a terminal would act on. Words and commands
    that are longer are not broken."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    lines = textwrap.wrap(
        _COMMAND.sub(lambda command: command[0].replace(" ", _HARD_SPACE), clean.strip()),
        max(width - len(indent), MIN_WIDTH),
        break_long_words=False,
        break_on_hyphens=False,
        max_lines=max_lines,
        placeholder=" ...",
    )
    return [indent + line.replace(_HARD_SPACE, " ") for line in lines]


def told(reason: str | None, message: str | None) -> str:
    """Reason and message; the reason alone, or not at all where the message has it in it."""
    if not message:
        return reason or ""
    return f"{reason}: {message}" if reason and reason not in message else message
