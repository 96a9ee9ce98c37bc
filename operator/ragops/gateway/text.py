"""The text of HAProxy's configuration, put together so that no value can leave its place."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# None of these means anything to HAProxy: no blank or newline ends the word, nothing quotes, escapes, expands
# a variable, or begins a comment, a condition or an expression.
_PLAIN: Final = re.compile(r"[-A-Za-z0-9._:/@*]+")


class UnsafeValue(ValueError):
    """A text that would not stay a single word of the configuration."""


def word(value: object) -> str:
    """A value as one word. Raises UnsafeValue for what could be read as anything else.

    The models' patterns refuse such values before, with a message for people; this holds where a field has no
    pattern, or gets a wider one some day.
    """
    text = str(value)
    if not _PLAIN.fullmatch(text):
        raise UnsafeValue(f"{text!r} cannot stand in HAProxy's configuration")
    return text


@dataclass(frozen=True)
class Section:
    """A section of the configuration: its first line, and those below."""

    head: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([self.head, *(f"    {line}" for line in self.lines)])


def render(sections: Iterable[Section]) -> str:
    """The whole text."""
    return "\n\n".join(map(str, sections)) + "\n"
