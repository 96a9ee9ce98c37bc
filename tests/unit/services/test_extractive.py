"""Answers by quoting, and citations of a language model's answer."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragservices.common.passages import Passage
from ragservices.generation.extractive import NO_ANSWER, NOTE, answer
from ragservices.generation.llm import best_quote, cited_passages, numbered
from ragservices.generation.terms import asks_for_quantity, matches, question_terms, terms


def passage(text: str, score: float = 0.5, section: str | None = None, page: int | None = None) -> Passage:
    return Passage(
        chunk_id=uuid4(),
        document_id=uuid4(),
        document="guide.md",
        text=text,
        score=score,
        section=section,
        page=page,
        position=0,
    )


BRAKES = passage(
    "Brakes are tested every morning. Worn pads are replaced when they are thinner than 6 millimetres.",
    section="Manual > Brakes",
)
FUEL = passage(
    "The tank holds 80 litres of fuel. It is filled on Mondays and Thursdays by the night crew.", 0.4
)
CREW = passage("The crew has a break after four hours. The captain may not leave the bridge.", 0.3)
ALL = [BRAKES, FUEL, CREW]


def test_the_sentence_that_speaks_of_the_question_is_quoted() -> None:
    result = answer("When are worn pads replaced?", ALL)
    assert result.answered
    assert result.answer == "Worn pads are replaced when they are thinner than 6 millimetres."
    (citation,) = result.citations
    assert (citation.chunk_id, citation.quote) == (BRAKES.chunk_id, result.answer)
    assert citation.section == "Manual > Brakes"
    assert (result.mode, result.note) == ("extractive", NOTE)


def test_a_sentence_that_goes_on_about_it_is_quoted_too() -> None:
    result = answer("How much fuel does the tank hold?", ALL)
    assert result.answer == FUEL.text


@pytest.mark.parametrize(
    "question",
    [
        "Who is the president of Finland?",
        "How much does fuel cost in winter?",
        "When was the captain born?",
        "What is the salary of the night crew?",
        "",
        "How?",
    ],
)
def test_what_the_passages_do_not_say_has_no_answer(question: str) -> None:
    result = answer(question, ALL)
    assert (result.answered, result.answer, result.citations) == (False, NO_ANSWER, [])


def test_no_passages_no_answer() -> None:
    assert answer("When are worn pads replaced?", []).answered is False


@given(st.text(max_size=200), st.lists(st.text(max_size=200), max_size=3), st.floats(-1, 1))
def test_whatever_is_answered_is_in_the_passage_cited(question: str, texts: list[str], score: float) -> None:
    passages = [passage(text, score) for text in texts]
    result = answer(question, passages)
    assert result.answered == bool(result.citations)
    for citation in result.citations:
        (cited,) = [p for p in passages if p.chunk_id == citation.chunk_id]
        assert "".join(citation.quote.split()) in "".join(cited.text.split())


def test_terms_are_the_content_words_in_one_form() -> None:
    assert terms("The inspectors were inspecting the driver's brakes") == terms(
        "inspector inspects driver brake"
    )
    assert question_terms("How long is the ticket valid?") == terms("ticket valid")
    assert matches(next(iter(terms("maintenance"))), terms("They maintain it"))
    assert not matches(next(iter(terms("2018"))), terms("20180"))


@pytest.mark.parametrize(
    ("question", "quantity"),
    [
        ("How many are there?", True),
        ("When does it open?", True),
        ("How steep is it?", True),
        ("How do I open it?", False),
    ],
)
def test_questions_for_a_quantity(question: str, quantity: bool) -> None:
    assert asks_for_quantity(question) is quantity


def test_citations_of_a_model_are_mapped_to_passages() -> None:
    text = "Pads are replaced [2], and so on [1, 2]. Out of range [9] and [0]."
    assert cited_passages(text, ALL) == [FUEL, BRAKES]
    assert cited_passages("No citation.", ALL) == []


def test_quote_of_a_model_s_answer_is_the_nearest_sentence() -> None:
    assert best_quote("Pads thinner than 6 millimetres are replaced [1].", BRAKES) == (
        "Worn pads are replaced when they are thinner than 6 millimetres."
    )


def test_passages_are_numbered_with_their_place() -> None:
    text = numbered([passage("A", page=3), passage("B", section="S > T"), passage("C")])
    assert text == "[1] guide.md, page 3\nA\n\n[2] guide.md, S > T\nB\n\n[3] guide.md\nC"
