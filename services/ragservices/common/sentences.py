"""Sentence boundaries, good enough to cut chunks and to quote answers. English and its punctuation; other
languages with the same punctuation fare well."""

from __future__ import annotations

import re

# A full stop, question or exclamation mark (and closing quotes or brackets), white space, then what can begin
# a sentence: anything but a lower-case letter. The full-width marks of Chinese and Japanese need no space.
_BOUNDARY = re.compile(
    r"(?<=[.!?\u2026])[\"'\u201d\u2019)\]]*\s+(?=[^\sa-z])"
    r"|(?<=[\u3002\uff01\uff1f])"
)
# What ends with a full stop without ending a sentence: the number of a heading or list item, initials,
# abbreviations.
_ABBREVIATION = re.compile(
    r"^\d+(?:\.\d+)*\.$|(?:^|[\s(\[])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Inc|Ltd|Co|vs|etc|cf|ca|approx|No|Nos|Fig|Figs|Eq|Sec|Vol|pp?|"
    r"e\.g|i\.e|a\.m|p\.m|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.$"
)
# What begins a line of a passage that is code.
CODE_INDENT = "    "


def split_sentences(text: str) -> list[str]:
    """The sentences of a paragraph, in order, without surrounding white space. Every other character is
    kept."""
    sentences: list[str] = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        if _ABBREVIATION.search(text[start : match.start()]):
            continue
        if sentence := text[start : match.end()].strip():
            sentences.append(sentence)
        start = match.end()
    if rest := text[start:].strip():
        sentences.append(rest)
    return sentences
