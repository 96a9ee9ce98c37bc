"""Vector search in PostgreSQL."""

from __future__ import annotations

from pgvector import Vector
from psycopg import sql

from ragservices.common.database import Database, chunk_table, find_collection
from ragservices.common.embedder import Embedded
from ragservices.common.passages import Passage

# Candidates the HNSW index keeps while it searches; more find more of the true neighbours.
SEARCH_BREADTH = 100

_SEARCH = """
SELECT c.id AS chunk_id, c.document_id, d.name AS document, c.text, c.page, c.section, c.position,
       1 - (c.embedding <=> %(query)s::vector) AS score
FROM {chunks} c JOIN documents d ON d.id = c.document_id
ORDER BY c.embedding <=> %(query)s::vector
LIMIT %(limit)s
"""


async def search(database: Database, query: Embedded, limit: int, min_score: float) -> list[Passage]:
    """The `limit` nearest passages among those of the query's own embedding model, best first; those below
    `min_score` are left out. Raises DatabaseUnavailable."""
    async with database.connection() as connection:
        collection_id = await find_collection(connection, query.model, query.dimension)
        if collection_id is None:
            return []
        async with connection.transaction():
            await connection.execute(
                sql.SQL("SET LOCAL hnsw.ef_search = {}").format(sql.Literal(max(SEARCH_BREADTH, 2 * limit)))
            )
            # Without it, deleted chunks that are still in the index would take the place of live ones.
            await connection.execute("SET LOCAL hnsw.iterative_scan = 'strict_order'")
            cursor = await connection.execute(
                sql.SQL(_SEARCH).format(chunks=chunk_table(collection_id)),
                {"query": Vector(query.vectors[0]).to_text(), "limit": limit},
            )
            passages = [Passage.model_validate(row) for row in await cursor.fetchall()]
    return [passage for passage in passages if passage.score >= min_score]
