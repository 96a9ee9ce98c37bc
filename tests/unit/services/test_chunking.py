"""Chunks: sizes by the real tokenizer, structure kept, nothing lost."""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragservices.common.settings import default_model_dir
from ragservices.documents.chunking import ChunkLimits, chunk_document
from ragservices.documents.parsing import Block
from ragservices.embeddings.tokens import ModelTokenizer

TOKENIZER = ModelTokenizer(default_model_dir())
MODEL = TOKENIZER.max_content_tokens

words = st.one_of(
    st.from_regex(r"[A-Za-z]{1,12}[.,!?]?", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=30),
    st.text("ab1\u4e00\uac00", min_size=300, max_size=900),
)
texts = st.lists(words, min_size=1, max_size=120).map(" ".join)
places = st.sampled_from(
    [(None, ()), (None, ("Title",)), (None, ("Title", "Part")), (1, ()), (2, ()), (None, ("long " * 80,))]
)
blocks = st.builds(lambda text, place: Block(text, place[0], place[1]), texts, places)
limits = st.builds(
    lambda tokens, overlap: ChunkLimits(tokens, min(overlap, tokens - 1), MODEL),
    st.integers(32, MODEL),
    st.integers(0, 100),
)


def without_space(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=60, deadline=None)
@given(st.lists(blocks, max_size=6), limits)
def test_every_chunk_fits_the_model_and_its_budget(document: list[Block], limits: ChunkLimits) -> None:
    for chunk in chunk_document(document, limits, TOKENIZER.count):
        assert len(TOKENIZER.encode([chunk.embedded_text])[0]) <= TOKENIZER.manifest.max_tokens
        assert TOKENIZER.count(chunk.text) <= limits.tokens
        assert chunk.tokens == TOKENIZER.count(chunk.embedded_text)
        assert chunk.text.strip()


@settings(max_examples=60, deadline=None)
@given(st.lists(blocks, max_size=6), limits)
def test_without_overlap_the_chunks_are_the_document(document: list[Block], limits: ChunkLimits) -> None:
    chunks = chunk_document(document, ChunkLimits(limits.tokens, 0, MODEL), TOKENIZER.count)
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
    assert without_space("".join(chunk.text for chunk in chunks)) == without_space(
        "".join(block.text for block in document)
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(blocks, max_size=6), limits)
def test_chunks_stay_within_pages_and_sections(document: list[Block], limits: ChunkLimits) -> None:
    expected = [key for key, _ in groupby(document, key=lambda block: (block.page, block.section))]
    chunks = chunk_document(document, limits, TOKENIZER.count)
    found = [key for key, _ in groupby(chunks, key=lambda chunk: (chunk.page, chunk.section))]
    assert found == [(page, " > ".join(section) or None) for page, section in expected]


def numbered_sentences(count: int) -> str:
    return " ".join(f"Sentence number {number} says a little something." for number in range(count))


def test_overlap_repeats_whole_sentences_from_the_chunk_before() -> None:
    chunks = chunk_document([Block(numbered_sentences(40))], ChunkLimits(60, 20, MODEL), TOKENIZER.count)
    assert len(chunks) > 4
    for before, after in pairwise(chunks):
        first = after.text.split(". ")[0]
        assert first.startswith("Sentence number")
        assert first in before.text
        assert not before.text.startswith(first)


def test_text_is_kept_as_it_is_within_a_chunk() -> None:
    text = "Short. Shorter."
    (chunk,) = chunk_document(
        [Block(text, section=("Guide", "Intro")), Block("Next paragraph.", section=("Guide", "Intro"))],
        ChunkLimits(200, 40, MODEL),
        TOKENIZER.count,
    )
    assert chunk.text == "Short. Shorter.\nNext paragraph."
    assert chunk.section == "Guide > Intro"
    assert chunk.embedded_text == "Intro\nShort. Shorter.\nNext paragraph."


def test_a_heading_too_long_to_embed_still_names_the_section() -> None:
    heading = "very long heading " * 40
    (chunk,) = chunk_document(
        [Block("Text.", section=(heading,))], ChunkLimits(200, 40, MODEL), TOKENIZER.count
    )
    assert chunk.embedded_text == "Text."
    assert chunk.section == heading


def test_code_keeps_its_mark_wherever_a_chunk_begins() -> None:
    lines = [f"    step number {number}: run it. Then the next." for number in range(30)]
    chunks = chunk_document([Block("\n".join(lines))], ChunkLimits(60, 20, MODEL), TOKENIZER.count)
    assert len(chunks) > 3
    assert {line for chunk in chunks for line in chunk.text.split("\n")} == set(lines)


@pytest.mark.parametrize("separator", [" ", "\n"])
def test_one_endless_sentence_is_cut_between_words(separator: str) -> None:
    words = [f"word{number}" for number in range(500)]
    chunks = chunk_document([Block(separator.join(words))], ChunkLimits(100, 0, MODEL), TOKENIZER.count)
    assert [word for chunk in chunks for word in chunk.text.split()] == words
