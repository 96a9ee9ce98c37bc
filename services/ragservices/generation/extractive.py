"""Answers by quoting: the sentences of the passages that speak of what the question asks.

No model is asked. A sentence is rated by how much of the question it and its surroundings cover, where a word that is
rare among the passages weighs more, and by how near its passage is to the question in meaning. When too little is
covered, the passages are taken not to hold an answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragservices.common.passages import Answer, Citation, Passage
from ragservices.common.sentences import split_sentences
from ragservices.generation.terms import (
    asks_for_quantity,
    has_quantity,
    matches,
    question_terms,
    terms,
)

NOTE = "No language model is configured; this answer is quoted from the documents."
NO_ANSWER = "The documents do not contain an answer to this question."

# What a word of the question counts, by where it is found.
IN_SENTENCE = 1.0
NEARBY = 0.7  # the sentences around it, and the section's headings
IN_PASSAGE = 0.4


@dataclass(frozen=True)
class Rated:
    """A sentence as a candidate for the answer."""

    sentence: str
    passage: Passage
    coverage: float  # part of the question that it and its surroundings cover, 0 to 1
    direct: float  # part that the sentence itself covers
    fits: bool  # it has a number when one is asked for

    @property
    def rating(self) -> float:
        """What candidates are ranked by."""
        return (
            0.45 * self.coverage + 0.3 * self.direct + 0.25 * max(self.passage.score, 0.0) + (0.1 if self.fits else 0.0)
        )


def answer(question: str, passages: Sequence[Passage]) -> Answer:
    """Quotes the best sentence, or says that there is no answer."""
    candidates = rate(question, passages)
    best = max(candidates, key=lambda rated: rated.rating, default=None)
    if best is None or not is_answer(best):
        return Answer(answer=NO_ANSWER, mode="extractive", answered=False, note=NOTE)
    return Answer(
        answer=best.sentence,
        mode="extractive",
        answered=True,
        citations=[Citation.of(best.passage, best.sentence)],
        note=NOTE,
    )


def is_answer(rated: Rated) -> bool:
    """Whether the best candidate is good enough to be given as the answer."""
    # The nearer the passage is in meaning, the fewer of the question's own words it needs.
    needed = 0.75 - 0.4 * max(rated.passage.score, 0.0)
    return rated.direct > 0 and rated.coverage >= (needed if rated.fits else needed + 0.15)


def rate(question: str, passages: Sequence[Passage]) -> list[Rated]:
    """All sentences of the passages as candidates."""
    wanted = question_terms(question)
    weights = _weights(wanted, passages)
    needs_quantity = asks_for_quantity(question)
    rated = []
    for passage in passages:
        sentences = sentences_of(passage)
        found = [terms(sentence) for sentence in sentences]
        everywhere = frozenset().union(*found, terms(passage.section or ""))
        for index, sentence in enumerate(sentences):
            nearby = frozenset().union(*found[max(index - 1, 0) : index + 2], terms(passage.section or ""))
            direct = _covered(weights, found[index])
            coverage = (
                (IN_SENTENCE - NEARBY) * direct
                + (NEARBY - IN_PASSAGE) * _covered(weights, nearby)
                + IN_PASSAGE * _covered(weights, everywhere)
            )
            fits = not needs_quantity or has_quantity(sentence)
            rated.append(Rated(sentence, passage, coverage, direct, fits))
    return rated


def sentences_of(passage: Passage) -> list[str]:
    """The sentences of a passage; each line begins a new one."""
    return [sentence for line in passage.text.split("\n") for sentence in split_sentences(line)]


def _covered(weights: Mapping[str, float], found: frozenset[str]) -> float:
    """Part of the question's weight that is found, 0 to 1."""
    total = sum(weights.values())
    return sum(weight for term, weight in weights.items() if matches(term, found)) / total if total else 0.0


def _weights(wanted: frozenset[str], passages: Sequence[Passage]) -> dict[str, float]:
    """Weight of each term of the question: the fewer sentences have it, the more it says."""
    sentences = [terms(sentence) for passage in passages for sentence in sentences_of(passage)]
    counts = {term: sum(matches(term, sentence) for sentence in sentences) for term in wanted}
    return {term: math.log(1 + (len(sentences) + 1) / (count + 0.5)) for term, count in counts.items()}
