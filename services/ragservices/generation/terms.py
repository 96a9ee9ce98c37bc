"""The words of a question or sentence that carry its content, in a form in which they can be compared."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

import snowballstemmer  # type: ignore[import-untyped]

_APOSTROPHE = "\u2019"  # the typographic one
_WORD = re.compile(rf"[^\W_]+(?:['{_APOSTROPHE}][^\W_]+)*")
# These only say what kind of answer is wanted: how long, how many, what time, which kind of.
_KIND_OF_ANSWER = re.compile(
    r"\bhow\s+\w+"
    r"|\b(?:what|which)(?:\s+(?:is|are)\s+the)?\s+(?:time|kind|type|sort|name|number|amount)s?\b(?:\s+of)?",
    re.IGNORECASE,
)
# How many, how quickly, how steep: after "how" anything but a verb asks for a measure.
_QUANTITY = re.compile(
    r"\bhow\s+(?!(?:do|does|did|can|could|is|are|was|were|to|should|must|may|might|will|would|shall|has|have|had)\b)\w+"
    r"|\bwhen\b|\b(?:what|which)\s+(?:is\s+the\s+)?(?:time|year|day|date|number|amount|percentage)\b",
    re.IGNORECASE,
)
_COST = re.compile(r"\b(?:what|how)\b.*\b(?:costs?|prices?|expensive|fares?|fees?|pay)\b", re.IGNORECASE)
_CURRENCY = (
    r"(?:crowns?|kron(?:a|or|er)|euros?|dollars?|pounds?|cents?|francs?|yen|EUR|USD|GBP|"
    r"[$\u20ac\u00a3\u00a5])"
)
_AMOUNT = re.compile(
    rf"\d[\d.,]*\s?{_CURRENCY}|[$\u20ac\u00a3\u00a5]\s?\d|\b(?:EUR|USD|GBP)\s?\d|\bfree of charge\b",
    re.IGNORECASE,
)
_DEFINITION = re.compile(r"\s*what\s+(?:is|are)\s+(?:an?\s+|the\s+)?(?P<subject>.+?)[\s?]*", re.IGNORECASE)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|seventy|"
    r"eighty|ninety|hundred|thousand|million|half|once|twice|daily|hourly|weekly|monthly|yearly|annually|every|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|may|june|july|august|"
    r"september|october|november|december|midnight|noon)\b",
    re.IGNORECASE,
)
# Words that a question or sentence needs for its grammar and that say nothing of its content.
_STOP_WORDS = frozenset(files(__package__).joinpath("stopwords.txt").read_text().split())
# The letter that is also an article: zone A, code A.
_NAMED_A = re.compile(r"(?<=\w )A\b")
# Stems that share so much of their beginning are taken for forms of one word: maintain, maintenance.
_MIN_SHARED = 5
_SHARED_PART = 0.7


def question_terms(question: str) -> frozenset[str]:
    """What a passage should speak of to answer the question."""
    return terms(_KIND_OF_ANSWER.sub(" ", question)) or terms(question)


def terms(text: str) -> frozenset[str]:
    """Stems of the content words of a text."""
    words = (word.lower().replace(_APOSTROPHE, "'").removesuffix("'s") for word in _WORD.findall(text))
    found = {_stem(word) for word in words if word not in _STOP_WORDS}
    return frozenset(found | {"a"} if _NAMED_A.search(text) else found)


def matches(term: str, others: frozenset[str]) -> bool:
    """Whether a term or another form of the same word is among others."""
    if term in others:
        return True
    return any(_akin(term, other) for other in others)


def asks_for_quantity(question: str) -> bool:
    """Whether the answer should have a number, a time or a date in it."""
    return _QUANTITY.search(question) is not None or asks_for_cost(question)


def asks_for_cost(question: str) -> bool:
    """Whether the answer should have an amount of money in it."""
    return _COST.search(question) is not None


def has_quantity(text: str) -> bool:
    """Whether a text has a number, a time or a date in it."""
    return _NUMBER.search(text) is not None


def has_amount(text: str) -> bool:
    """Whether a text has an amount of money in it."""
    return _AMOUNT.search(text) is not None


def defines(text: str, question: str) -> bool:
    """Whether the question is "What is X?" and the text begins with "X is"."""
    asked = _DEFINITION.fullmatch(question)
    if asked is None:
        return False
    subject = re.escape(asked["subject"])
    return re.match(rf"(?:(?:an?|the)\s+)?{subject}\s+(?:is|are)\b", text, re.IGNORECASE) is not None


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
    shared = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return shared >= _MIN_SHARED and shared >= _SHARED_PART * min(len(one), len(other))
