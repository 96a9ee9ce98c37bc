"""Cuts a document into chunks: by its structure first, by the embedding model's tokens where that is too
long.

A chunk never crosses a page or a section, so that it can be cited by either. Within one, whole sentences are
packed until the budget is full; the next chunk repeats the last sentences, so that what refers back is not
lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ragservices.common.sentences import CODE_INDENT, split_sentences
from ragservices.documents.parsing.model import Block

CountTokens = Callable[[str], int]

SECTION_SEPARATOR = " > "
# A chunk is embedded with the heading above it, when that has no more tokens than this: the text must
# prevail.
MAX_HEADING_TOKENS = 48
# Longer "words" (encoded data, mostly) are cut: the tokenizer takes such a word for one unknown token,
# whatever its length, so tokens alone would not bound a chunk.
MAX_WORD_CHARACTERS = 400


@dataclass(frozen=True)
class ChunkLimits:
    """Sizes in tokens of the embedding model, special tokens not counted."""

    tokens: int  # of a chunk's text
    overlap: int  # repeated from the chunk before, at most
    model: int  # what the model takes, the heading included


@dataclass(frozen=True)
class Chunk:
    """A passage that can be found and cited."""

    text: str
    embedded_text: str  # the text with its heading: what the vector is made from
    page: int | None
    section: str | None
    position: int  # from 0, within the document
    tokens: int  # of the embedded text


@dataclass(frozen=True)
class _Piece:
    text: str
    separator: str  # to the piece before
    tokens: int


def chunk_document(blocks: Iterable[Block], limits: ChunkLimits, count: CountTokens) -> list[Chunk]:
    """The chunks of a document in reading order. `count` gives the tokens of a text, special tokens not
    counted."""
    chunks: list[Chunk] = []
    for (page, section), group in groupby(blocks, key=lambda block: (block.page, block.section)):
        heading = _heading(section, count)
        heading_tokens = count(heading)
        budget = min(limits.tokens, limits.model - heading_tokens)
        pieces = [piece for block in group for piece in _pieces(block.text, budget, count)]
        for text, tokens in _pack(pieces, budget, limits.overlap):
            chunks.append(
                Chunk(
                    text=text,
                    embedded_text=f"{heading}\n{text}" if heading else text,
                    page=page,
                    section=SECTION_SEPARATOR.join(section) or None,
                    position=len(chunks),
                    tokens=heading_tokens + tokens,
                )
            )
    return chunks


def _heading(section: Sequence[str], count: CountTokens) -> str:
    """The nearest heading above a chunk, unless it is too long. Those further out, the title above all, say
    the same of many chunks, and make their vectors alike."""
    return section[-1] if section and count(section[-1]) <= MAX_HEADING_TOKENS else ""


def _pieces(text: str, budget: int, count: CountTokens) -> Iterator[_Piece]:
    """The sentences of a block, each within the budget."""
    separator = "\n"
    for line in text.split("\n"):
        if line.startswith(CODE_INDENT):  # each piece is a line of its own, and stays recognisable
            for part in _fit(line.strip(), budget, count):
                yield _Piece(CODE_INDENT + part.text, "\n", part.tokens)
            continue
        for sentence in split_sentences(line):
            for part in _fit(sentence, budget, count):
                yield part if separator == " " else _Piece(part.text, separator, part.tokens)
                separator = " "
        separator = "\n"


def _fit(sentence: str, budget: int, count: CountTokens) -> Iterator[_Piece]:
    """The sentence, or parts of it when it is too long."""
    tokens = count(sentence)
    if tokens <= budget and max(map(len, sentence.split())) <= MAX_WORD_CHARACTERS:
        yield _Piece(sentence, " ", tokens)
        return
    words: list[str] = []
    used = 0
    for word in sentence.split():
        for part in _word_parts(word, budget, count):
            tokens = count(part)
            if words and used + tokens > budget:
                yield _Piece(" ".join(words), " ", used)
                words, used = [], 0
            words.append(part)
            used += tokens
    yield _Piece(" ".join(words), " ", used)


def _word_parts(word: str, budget: int, count: CountTokens) -> Iterator[str]:
    """The word, halved until every part fits: text without spaces may be a single one."""
    if len(word) <= MAX_WORD_CHARACTERS and count(word) <= budget:
        yield word
        return
    middle = len(word) // 2
    yield from _word_parts(word[:middle], budget, count)
    yield from _word_parts(word[middle:], budget, count)


def _pack(pieces: Sequence[_Piece], budget: int, overlap: int) -> Iterator[tuple[str, int]]:
    """Packs pieces into texts of at most `budget` tokens, each beginning with the end of the one before."""
    current: list[_Piece] = []
    used = 0
    for piece in pieces:
        if current and used + piece.tokens > budget:
            yield _join(current), used
            current = _tail(current, min(overlap, budget - piece.tokens))
            used = sum(kept.tokens for kept in current)
        current.append(piece)
        used += piece.tokens
    if current:
        yield _join(current), used


def _tail(pieces: Sequence[_Piece], tokens: int) -> list[_Piece]:
    """The last pieces that fit into a number of tokens; never all of them, or a chunk would repeat whole."""
    kept: list[_Piece] = []
    for piece in reversed(pieces[1:]):
        tokens -= piece.tokens
        if tokens < 0:
            break
        kept.insert(0, piece)
    return kept


def _join(pieces: Sequence[_Piece]) -> str:
    first, *rest = pieces
    return first.text + "".join(piece.separator + piece.text for piece in rest)
