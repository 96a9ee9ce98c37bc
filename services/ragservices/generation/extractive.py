"""Answers by quoting: the sentences of the passages that speak of what the question asks.

No model is asked. A sentence is rated by how much of the question it and its surroundings cover, where a word
that is rare among the passages weighs more, and by how near its passage is to the question in meaning. When
too little is covered, the passages are taken not to hold an answer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ragservices.common.passages import Answer, Citation, Passage
from ragservices.common.sentences import CODE_INDENT, split_sentences
from ragservices.generation.terms import (
    asks_for_cost,
    asks_for_quantity,
    defines,
    has_amount,
    has_quantity,
    matches,
    question_terms,
    terms,
)

NOTE = "No language model is configured; this answer is quoted from the documents."
NO_ANSWER_NOTE = "No language model is configured; no passage was found that answers this."
NO_ANSWER = "The documents do not contain an answer to this question."

# What a word of the question counts, by where it is found.
IN_SENTENCE = 1.0
NEARBY = 0.7  # the sentences around it, and the section's headings
IN_PASSAGE = 0.4


# A second sentence must add this much to be worth quoting.
SECOND_SENTENCE = 0.06
# However near in meaning a passage is, this part of the question must be covered.
LEAST_COVERAGE = 0.55
# Characters of a list after which no further item is quoted.
MOST_OF_A_LIST = 400

_REFERS_BACK = re.compile(r"(?:It|This|That|They|These|Those|He|She|Its|Their|Here|There|Then|Otherwise)\b")
_DRAWING = re.compile(r"[\u2500-\u259f]|[-=+|]{4}")
# "kind: Service", "- name: x", "- {name: x}", as in YAML.
_KEY_AND_VALUE = re.compile(r"\s*(?:- )?(?:\{|[a-z][\w.-]*:(?:\s|$))")


@dataclass(frozen=True)
class Rated:
    """One sentence, or two in a row, as a candidate for the answer."""

    quote: str
    passage: Passage
    coverage: float  # part of the question that it and its surroundings cover, 0 to 1
    direct: float  # part that the quote itself covers
    fits: bool  # it has a number when one is asked for
    defines: bool  # it says what something is when that is asked
    quotable: bool  # it can be an answer: prose, and complete
    sentences: int = 1
    following: str | None = None  # the sentence after it in the same paragraph

    @property
    def rating(self) -> float:
        """What candidates are ranked by."""
        return (
            0.45 * self.coverage
            + 0.3 * self.direct
            + 0.25 * max(self.passage.score, 0.0)
            + (0.15 if self.fits else 0.0)
            + (0.15 if self.defines else 0.0)
            - SECOND_SENTENCE * (self.sentences - 1)
        )


def answer(question: str, passages: Sequence[Passage]) -> Answer:
    """Quotes the best candidate, or says that there is no answer."""
    quotable = (rated for rated in rate(question, passages) if rated.quotable)
    best = max(quotable, key=lambda rated: rated.rating, default=None)
    if best is None or not is_answer(best):
        return Answer(answer=NO_ANSWER, mode="extractive", answered=False, note=NO_ANSWER_NOTE)
    quote = _with_continuation(question, best)
    return Answer(
        answer=quote,
        mode="extractive",
        answered=True,
        citations=[Citation.of(best.passage, quote)],
        note=NOTE,
    )


def _with_continuation(question: str, best: Rated) -> str:
    """The quote, and the sentence after it when that goes on about what was asked."""
    following = best.following
    if best.sentences > 1 or following is None or _is_lead_in(following):
        return best.quote
    goes_on = _REFERS_BACK.match(following) or any(
        matches(term, terms(following)) for term in question_terms(question)
    )
    return f"{best.quote} {following}" if goes_on else best.quote


def is_answer(rated: Rated) -> bool:
    """Whether the best candidate is good enough to be given as the answer."""
    # The nearer the passage is in meaning, the fewer of the question's own words it needs.
    needed = max(LEAST_COVERAGE, 0.75 - 0.4 * max(rated.passage.score, 0.0))
    return rated.direct > 0 and rated.coverage >= (needed if rated.fits else needed + 0.15)


def rate(question: str, passages: Sequence[Passage]) -> list[Rated]:
    """All candidates from the passages."""
    weights = _weights(question_terms(question), passages)
    return [rated for passage in passages for rated in _candidates(passage, weights, question)]


def _candidates(passage: Passage, weights: Mapping[str, float], question: str) -> Iterator[Rated]:
    lines = [split_sentences(line) for line in passage.text.split("\n")]
    prose = [is_prose(line) for line in passage.text.split("\n")]
    heading = terms(passage.section or "")
    everywhere = terms(passage.text) | heading

    def rated(
        quote: str, about: str, around: Sequence[str], length: int, following: str | None = None
    ) -> Rated:
        own = _found(about, question)
        direct = _covered(weights, own)
        coverage = (
            (IN_SENTENCE - NEARBY) * direct
            + (NEARBY - IN_PASSAGE) * _covered(weights, heading.union(own, *map(terms, around)))
            + IN_PASSAGE * _covered(weights, everywhere | own)
        )
        fits = _fits(quote, question)
        quotable = prose[number] and not _is_lead_in(quote)
        return Rated(
            quote, passage, coverage, direct, fits, defines(quote, question), quotable, length, following
        )

    for number, sentences in enumerate(lines):
        items = _items(lines[number + 1 :], prose[number + 1 :])
        for start, length in _windows(len(sentences)):
            quote = " ".join(sentences[start : start + length])
            around = sentences[max(start - 1, 0) : start + length + 1]
            following = next(iter(sentences[start + length :]), None)
            yield rated(quote, quote, around, length, following)
            if not items or following is not None or not _is_lead_in(quote):
                continue
            whole = " ".join([quote, *items])
            yield rated(whole, whole, around, length + 1)
            if length > 1:
                continue
            known = _covered(weights, terms(quote))
            for index, item in enumerate(items):
                about = f"{quote} {item}"
                if _covered(weights, terms(about)) > known:  # this one is asked for
                    yield rated(item if index else about, about, around, length)


def _fits(quote: str, question: str) -> bool:
    """Whether a quote has the number or amount that the question asks for."""
    if asks_for_cost(question) and not has_amount(quote):
        # A price list may do without the currency.
        return has_quantity(quote) and "cost" in terms(quote)
    return not asks_for_quantity(question) or has_quantity(quote) or has_amount(quote)


def _found(text: str, question: str) -> frozenset[str]:
    """Terms of a text. An amount of money speaks of the cost, whatever its words."""
    found = terms(text)
    return found | {"cost"} if asks_for_cost(question) and has_amount(text) else found


def is_prose(line: str) -> bool:
    """Whether a line of a passage can be quoted: not code, configuration or a drawing."""
    if line.startswith(CODE_INDENT) or _DRAWING.search(line):
        return False
    if _KEY_AND_VALUE.match(line) and "; " not in line:  # rows of tables have semicolons
        return False
    marks = [character for character in line if not character.isspace()]
    return 2 * sum(map(str.isalnum, marks)) >= len(marks)


def _is_lead_in(text: str) -> bool:
    """Whether a text announces what comes after it."""
    return text.endswith((":", "\uff1a"))


def _items(lines: Sequence[Sequence[str]], prose: Sequence[bool]) -> list[str]:
    """The list, or else the sentence, that follows a lead-in; a list's items are lines of one sentence."""
    items: list[str] = []
    for sentences, quotable in zip(lines, prose, strict=True):
        if not quotable or not sentences or _is_lead_in(sentences[0]):
            break
        if items and (len(sentences) > 1 or sum(map(len, items)) > MOST_OF_A_LIST):
            break
        items.append(sentences[0])
        if len(sentences) > 1:
            break
    return items


def _windows(sentences: int) -> Iterator[tuple[int, int]]:
    """Start and length of every single sentence and every two in a row."""
    yield from ((start, 1) for start in range(sentences))
    yield from ((start, 2) for start in range(sentences - 1))


def _covered(weights: Mapping[str, float], found: frozenset[str]) -> float:
    """Part of the question's weight that is found, 0 to 1."""
    total = sum(weights.values())
    return sum(weight for term, weight in weights.items() if matches(term, found)) / total if total else 0.0


def _weights(wanted: frozenset[str], passages: Sequence[Passage]) -> dict[str, float]:
    """Weight of each term of the question: the fewer sentences have it, the more it says."""
    sentences = [
        terms(sentence)
        for passage in passages
        for line in passage.text.split("\n")
        for sentence in split_sentences(line)
    ]
    counts = {term: sum(matches(term, sentence) for sentence in sentences) for term in wanted}
    return {term: math.log(1 + (len(sentences) + 1) / (count + 0.5)) for term, count in counts.items()}
