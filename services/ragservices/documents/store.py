"""Documents and their chunks in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pgvector import Vector
from psycopg import sql
from pydantic import BaseModel, computed_field

from ragservices.common.database import (
    Connection,
    Database,
    chunk_table,
    ensure_collection,
    lock_all,
)
from ragservices.common.embedder import Embedded
from ragservices.common.ids import uuid7
from ragservices.documents.chunking import Chunk


class Document(BaseModel):
    """A stored document, as clients see it."""

    id: UUID
    name: str
    media_type: str
    bytes: int
    sha256: str
    pages: int | None
    chunks: int
    embedding_model: str
    created_at: datetime

    @computed_field  # type: ignore[prop-decorator]
    @property
    def state(self) -> str:
        """Documents are only stored once they can be searched."""
        return "ready"


@dataclass(frozen=True)
class Upload:
    """A document about to be stored."""

    name: str
    media_type: str
    size: int
    digest: bytes  # SHA-256 of the content
    pages: int | None
    chunks: Sequence[Chunk]


@dataclass(frozen=True)
class Stored:
    """What storing came to."""

    document: Document
    outcome: str  # created, replaced or known


_SELECT = """
SELECT d.id, d.name, d.media_type, d.bytes, encode(d.sha256, 'hex') AS sha256, d.pages, d.chunks,
       c.model AS embedding_model, d.created_at
FROM documents d JOIN collections c ON c.id = d.collection_id
"""


class DocumentStore:
    """All methods raise DatabaseUnavailable when the database cannot be reached."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_same(self, name: str, digest: bytes, model: str) -> Document | None:
        """The document that already holds this content for this embedding model.

        A name that stands for other content is about to be replaced, so the content is then not known.
        """
        async with self._database.connection() as connection:
            return await _find_same(connection, name, digest, model)

    async def store(self, upload: Upload, embedded: Embedded) -> Stored:
        """Stores a document with all its chunks, or nothing. One of the same name is replaced in the same
        step."""
        async with self._database.connection() as connection:
            collection_id = await ensure_collection(connection, embedded.model, embedded.dimension)
            async with connection.transaction():
                await lock_all(connection, f"name {upload.name}", f"sha256 {upload.digest.hex()}")
                known = await _find_same(connection, upload.name, upload.digest, embedded.model)
                if known is not None:  # uploaded twice at the same time
                    return Stored(known, "known")
                removed = await connection.execute("DELETE FROM documents WHERE name = %s", [upload.name])
                document_id = await _insert(connection, collection_id, upload)
                await _insert_chunks(connection, collection_id, document_id, upload.chunks, embedded.vectors)
            document = await _get(connection, document_id)
            assert document is not None
            return Stored(document, "replaced" if removed.rowcount else "created")

    async def get(self, document_id: UUID) -> Document | None:
        """One document."""
        async with self._database.connection() as connection:
            return await _get(connection, document_id)

    async def page(self, limit: int, after: UUID | None) -> list[Document]:
        """At most `limit` documents in the order of their ids (their age), those after `after`."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(
                _SELECT + "WHERE %(after)s::uuid IS NULL OR d.id > %(after)s ORDER BY d.id LIMIT %(limit)s",
                {"after": after, "limit": limit},
            )
            return [Document.model_validate(row) for row in await cursor.fetchall()]

    async def delete(self, document_id: UUID) -> bool:
        """Deletes a document with its chunks; False when there is none."""
        async with self._database.connection() as connection:
            cursor = await connection.execute("DELETE FROM documents WHERE id = %s", [document_id])
            return cursor.rowcount == 1


async def _get(connection: Connection, document_id: UUID) -> Document | None:
    cursor = await connection.execute(_SELECT + "WHERE d.id = %s", [document_id])
    row = await cursor.fetchone()
    return None if row is None else Document.model_validate(row)


async def _find_same(connection: Connection, name: str, digest: bytes, model: str) -> Document | None:
    cursor = await connection.execute(
        _SELECT
        + """
        WHERE d.sha256 = %(digest)s AND c.model = %(model)s
          AND (d.name = %(name)s OR NOT EXISTS (SELECT 1 FROM documents WHERE name = %(name)s))
        ORDER BY d.name = %(name)s DESC, d.id LIMIT 1
        """,
        {"digest": digest, "name": name, "model": model},
    )
    row = await cursor.fetchone()
    return None if row is None else Document.model_validate(row)


async def _insert(connection: Connection, collection_id: int, upload: Upload) -> UUID:
    document_id = uuid7()
    await connection.execute(
        """
        INSERT INTO documents (id, collection_id, name, sha256, media_type, bytes, pages, chunks)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        """,
        [
            document_id,
            collection_id,
            upload.name,
            upload.digest,
            upload.media_type,
            upload.size,
            upload.pages,
            len(upload.chunks),
        ],
    )
    return document_id


async def _insert_chunks(
    connection: Connection,
    collection_id: int,
    document_id: UUID,
    chunks: Sequence[Chunk],
    vectors: Sequence[list[float]],
) -> None:
    columns = "(id, document_id, position, page, section, text, tokens, embedding)"
    statement = sql.SQL("COPY {table} " + columns + " FROM STDIN").format(table=chunk_table(collection_id))
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk, vector in zip(chunks, vectors, strict=True):
            row: list[Any] = [
                uuid7(),
                document_id,
                chunk.position,
                chunk.page,
                chunk.section,
                chunk.text,
                chunk.tokens,
                Vector(vector).to_text(),
            ]
            await copy.write_row(row)
