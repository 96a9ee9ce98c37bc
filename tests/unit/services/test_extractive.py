"""Answers by quoting, and citations of a language model's answer."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragservices.common.passages import Passage
from ragservices.common.settings import default_model_dir
from ragservices.documents.chunking import ChunkLimits, chunk_document
from ragservices.documents.parsing import Kind, parse
from ragservices.embeddings.tokens import ModelTokenizer
from ragservices.generation.extractive import NO_ANSWER, NO_ANSWER_NOTE, NOTE, answer, is_prose
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
    assert result.note == NO_ANSWER_NOTE
    assert "No language model is configured" in result.note


def test_no_passages_no_answer() -> None:
    assert answer("When are worn pads replaced?", []).answered is False


@given(st.text(max_size=200), st.lists(st.text(max_size=200), max_size=3), st.floats(-1, 1))
def test_whatever_is_answered_is_in_the_passage_cited(question: str, texts: list[str], score: float) -> None:
    passages = [passage(text, score) for text in texts]
    result = answer(question, passages)
    assert result.answered == bool(result.citations)
    for citation in result.citations:
        (cited,) = [p for p in passages if p.chunk_id == citation.chunk_id]
        assert not citation.quote.endswith(":")
        assert "".join(citation.quote.split()) in "".join(cited.text.split())


def test_what_something_is_is_answered_by_its_definition_and_not_by_code() -> None:
    """The project's own README, shortened, by way of the parser and the chunks."""
    path = Path(__file__).parent / "data" / "readme.md"
    tokenizer = ModelTokenizer(default_model_dir())
    limits = ChunkLimits(200, 40, tokenizer.max_content_tokens)
    chunks = chunk_document(parse(path, path.name, Kind.MARKDOWN).blocks, limits, tokenizer.count)
    passages = [passage(chunk.text, section=chunk.section) for chunk in chunks]
    result = answer("What is ragops?", passages)
    assert result.answer.startswith("ragops is a Kubernetes operator that turns one RAGDeployment into")
    for question in ("Which kind has the quickstart?", "What is gated by ready?", "helm install --namespace"):
        quote = answer(question, passages).answer
        assert not any(mark in quote for mark in ("kind:", "\u2502", "helm install", "{name"))


@pytest.mark.parametrize(
    ("line", "prose"),
    [
        ("Note: the pads are worn.", True),
        ("price: 5 crowns; zone: A", True),
        ("\u8fd9\u662f\u4e00\u53e5\u8bdd\u3002", True),
        ("    make demo", False),
        ("apiVersion: ragops.dev/v1alpha1", False),
        ("- {name: api, type: OrchestrationAPI}", False),
        ("- name: api", False),
        ("+-----+ the api", False),
        ("\u2502 api \u2502", False),
        ("a -> {[(*)]}", False),
    ],
)
def test_code_configuration_and_drawings_are_no_prose(line: str, prose: bool) -> None:
    assert is_prose(line) is prose


FAULTS = passage(
    "Faults are recorded by the driver. The code decides what happens:\n"
    "Code A: the vehicle is towed.\nCode B: the vehicle is exchanged.\n"
    "The workshop answers by the next morning. It repairs the vehicle.",
    section="Manual > Faults",
)


@pytest.mark.parametrize(
    ("question", "quote"),
    [
        (
            "What happens with a fault of code A?",
            "The code decides what happens: Code A: the vehicle is towed.",
        ),
        ("What happens with a fault of code B?", "Code B: the vehicle is exchanged."),
        (
            "What happens with faults?",
            "Faults are recorded by the driver. The code decides what happens: "
            "Code A: the vehicle is towed. Code B: the vehicle is exchanged.",
        ),
    ],
)
def test_what_announces_a_list_is_quoted_with_the_list_or_the_item_asked_for(
    question: str, quote: str
) -> None:
    assert answer(question, [FAULTS]).answer == quote


def test_what_announces_nothing_is_no_answer() -> None:
    assert answer("What happens with a fault?", [passage("With a fault, what happens is:")]).answered is False


def test_a_question_for_the_cost_is_answered_by_an_amount() -> None:
    fares = [
        passage("Day tickets are valid until 03:00. Children under six travel free; the child fare holds."),
        passage("Whoever cannot show a valid ticket pays an increased fare of 800 crowns."),
    ]
    result = answer("What does it cost to travel without a valid ticket?", fares)
    assert result.answer == fares[1].text


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
