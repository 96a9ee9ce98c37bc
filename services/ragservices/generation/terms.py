"""The words of a question or sentence that carry its content, in a form in which they can be compared."""

from __future__ import annotations

import re
from functools import lru_cache

import snowballstemmer

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# After these the next word only says what kind of answer is wanted: how long, how many, what time, which year.
_HOW = re.compile(r"\bhow\s+\w+|\b(?:what|which)(?:\s+is\s+the|\s+are\s+the)?\s+(?:time|kind|type|sort|name|number|amount)s?\b(?:\s+of)?", re.IGNORECASE)
_QUANTITY = re.compile(
    r"\bhow\s+(?:many|much|long|often|old|far|high|deep|wide|fast|large|big|heavy|late|early|soon)\b"
    r"|\bwhen\b|\b(?:what|which)\s+(?:is\s+the\s+)?(?:time|year|day|date|number|amount|percentage)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|seventy|"
    r"eighty|ninety|hundred|thousand|million|half|once|twice|daily|hourly|weekly|monthly|yearly|annually|every|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|may|june|july|august|"
    r"september|october|november|december|midnight|noon)\b",
    re.IGNORECASE,
)
_STOP_WORDS = frozenset(
    """a about after all also am an and any are as at be because been before being between both but by can could did
    do does doing done each either else for from get gets given give had has have having he her here hers him his how
    i if in into is it its itself just let many may me might more most much must my no nor not of off on once only or
    other our ours out over own per please same shall she should since so some such tell than that the their theirs
    them then there these they this those through to too under until up upon us very was we were what when where which
    while who whom whose why will with within without would you your yours""".split()
)
# Stems that share so much of their beginning are taken for forms of one word: maintain, maintenance.
_MIN_SHARED = 5
_SHARED_PART = 0.75


def question_terms(question: str) -> frozenset[str]:
    """What a passage should speak of to answer the question."""
    return terms(_HOW.sub(" ", question)) or terms(question)


def terms(text: str) -> frozenset[str]:
    """Stems of the content words of a text."""
    words = (word.lower().replace("’", "'").removesuffix("'s") for word in _WORD.findall(text))
    return frozenset(_stem(word) for word in words if word not in _STOP_WORDS)


def matches(term: str, others: frozenset[str]) -> bool:
    """Whether a term or another form of the same word is among others."""
    if term in others:
        return True
    return any(_akin(term, other) for other in others)


def asks_for_quantity(question: str) -> bool:
    """Whether the answer should have a number, a time or a date in it."""
    return _QUANTITY.search(question) is not None


def has_quantity(text: str) -> bool:
    """Whether a text has a number, a time or a date in it."""
    return _NUMBER.search(text) is not None


@lru_cache(maxsize=1)
def _stemmer() -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer("english")


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    stem: str = _stemmer().stemWord(word)
    return stem


@lru_cache(maxsize=50_000)
def _akin(one: str, other: str) -> bool:
    if one.isdigit() or other.isdigit():
        return False
    shared = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return shared >= _MIN_SHARED and shared >= _SHARED_PART * min(len(one), len(other))
