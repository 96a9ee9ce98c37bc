"""PostgreSQL with pgvector: connections, and the schema that documents and retrieval share."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, ClassVar, Self

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from ragservices.common.errors import ApiError
from ragservices.common.settings import DatabaseSettings

log = logging.getLogger(__name__)

Connection = AsyncConnection[DictRow]

CHECK_SECONDS = 3.0
RETRY_AFTER_SECONDS = 5
# pgvector's HNSW index takes vectors up to this size; larger ones are searched exactly.
MAX_INDEXED_DIMENSION = 2000

_SCHEMA = files(__package__).joinpath("schema.sql").read_bytes()
_CHUNKS = """
CREATE TABLE {table} (
    id          uuid PRIMARY KEY,
    document_id uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    position    integer NOT NULL,
    page        integer,
    section     text,
    text        text NOT NULL,
    tokens      integer NOT NULL,
    embedding   vector({dimension}) NOT NULL,
    UNIQUE (document_id, position)
)
"""
_CHUNKS_INDEX = "CREATE INDEX ON {table} USING hnsw (embedding vector_cosine_ops)"


class DatabaseUnavailable(ApiError):
    """The database cannot be reached or failed: 503."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            503,
            "database_unavailable",
            f"the database is not available: {reason}; try again in {RETRY_AFTER_SECONDS} s",
            retry_after=RETRY_AFTER_SECONDS,
        )


# libpq hands out no SQLSTATE for a connection that is refused; these are the messages of 28P01 and 28000.
_REFUSED = re.compile(
    r"FATAL:\s+(?P<reason>password authentication failed .*|role .* does not exist"
    r"|role .* is not permitted to log in|no pg_hba\.conf entry .*)"
)


class _WatchedConnection(AsyncConnection[DictRow]):
    """A connection whose attempts, as the pool makes them in the background, are told to its database."""

    database: ClassVar[Database]

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        try:
            connection = await super().connect(conninfo, **kwargs)
        except psycopg.OperationalError as error:
            cls.database.note_attempt(error)
            raise
        cls.database.note_attempt(None)
        return connection


class Database:
    """A pool of connections, and the schema in place before the first one is handed out."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._address = f"{settings.database_host}:{settings.database_port}"
        self._schema_ready = False
        self._schema_lock = asyncio.Lock()
        self._refusal: str | None = None
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            connection_class=type("_Connection", (_WatchedConnection,), {"database": self}),
            kwargs={
                "host": settings.database_host,
                "port": settings.database_port,
                "dbname": settings.database_name,
                "user": settings.database_user,
                "password": settings.database_password.get_secret_value(),
                "connect_timeout": 5,
                "application_name": f"ragops/{settings.service or 'service'}",
                "options": f"-c statement_timeout={int(settings.database_timeout_seconds * 1000)}",
                "autocommit": True,
                "row_factory": dict_row,
            },
            min_size=1,
            max_size=settings.database_connections,
            timeout=min(settings.database_timeout_seconds, 5.0),
            max_waiting=settings.max_concurrency + settings.max_queue,
            # A restarted server leaves dead connections behind; they are noticed before use, not by it.
            check=AsyncConnectionPool.check_connection,
            # Low, as each round of attempts doubles its waiting; the next request starts a new round.
            reconnect_timeout=10.0,
            open=False,
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Opens the pool without waiting for the server; closes it at the end."""
        await self._pool.open(wait=False)
        try:
            yield
        finally:
            await self._pool.close()

    async def check(self) -> str | None:
        """None when the database answers and has the schema, else the reason. Creates a missing schema."""
        try:
            async with asyncio.timeout(CHECK_SECONDS), self.connection() as connection:
                await connection.execute("SELECT 1 FROM documents LIMIT 1")
        except TimeoutError:
            return self._refusal or f"{self._address} did not answer within {CHECK_SECONDS:.0f} s"
        except DatabaseUnavailable as error:
            return error.message
        return None

    async def refusal(self) -> str | None:
        """Why the server, when it was last there, did not let this process in; None when it did.

        The password is from the environment, so only a restarted process can have another one."""
        return self._refusal

    def note_attempt(self, error: psycopg.OperationalError | None) -> None:
        """Records how an attempt to connect ended. One that did not get as far as the password says nothing
        new."""
        if error is None:
            self._refusal = None
        elif refused := _REFUSED.search(str(error)):
            self._refusal = (
                f"{self._address} refuses the credentials in RAGOPS_DATABASE_USER and _PASSWORD: "
                f"{refused['reason']}; restart this service if its Secret has changed"
            )

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit mode, the schema being there. Raises DatabaseUnavailable."""
        try:
            async with self._pool.connection() as connection:
                await self._ensure_schema(connection)
                yield connection
        except psycopg.errors.UndefinedTable as error:
            self._schema_ready = False  # an emptied volume, most likely
            raise DatabaseUnavailable("its tables are gone and will be created anew") from error
        except PoolTimeout as error:
            reason = self._refusal or f"no connection to {self._address} in time"
            raise DatabaseUnavailable(reason) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            log.warning("database failed", extra={"address": self._address, "error": str(error)})
            raise DatabaseUnavailable(
                str(error).strip().splitlines()[0] if str(error) else "failed"
            ) from error

    async def _ensure_schema(self, connection: Connection) -> None:
        if self._schema_ready:
            return
        async with self._schema_lock:
            if self._schema_ready:
                return
            async with connection.transaction():
                await _lock(connection, "ragservices schema")
                await connection.execute(_SCHEMA)
            self._schema_ready = True
            log.info("schema in place", extra={"address": self._address})


async def _lock(connection: Connection, key: str) -> None:
    """Holds an advisory lock, known by its name, until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


async def lock_all(connection: Connection, *keys: str) -> None:
    """Holds several advisory locks until the transaction ends, taken in one order everywhere."""
    for key in sorted(keys):
        await _lock(connection, key)


def chunk_table(collection_id: int) -> sql.Identifier:
    """The table with the chunks of a collection."""
    return sql.Identifier(f"chunks_{collection_id}")


async def find_collection(connection: Connection, model: str, dimension: int) -> int | None:
    """Id of the collection of an embedding model, None when nothing was ever stored for it."""
    cursor = await connection.execute(
        "SELECT id FROM collections WHERE model = %s AND dimension = %s", [model, dimension]
    )
    row = await cursor.fetchone()
    return None if row is None else int(row["id"])


async def ensure_collection(connection: Connection, model: str, dimension: int) -> int:
    """Id of the collection of an embedding model; made, with its chunk table, when it is new."""
    found = await find_collection(connection, model, dimension)
    if found is not None:
        return found
    async with connection.transaction():
        await _lock(connection, "ragservices collections")
        found = await find_collection(connection, model, dimension)
        if found is not None:
            return found
        cursor = await connection.execute(
            "INSERT INTO collections (model, dimension) VALUES (%s, %s) RETURNING id", [model, dimension]
        )
        row: dict[str, Any] | None = await cursor.fetchone()
        assert row is not None
        names = {"table": chunk_table(row["id"]), "dimension": sql.Literal(dimension)}
        await connection.execute(sql.SQL(_CHUNKS).format(**names))
        if dimension <= MAX_INDEXED_DIMENSION:
            await connection.execute(sql.SQL(_CHUNKS_INDEX).format(**names))
        return int(row["id"])
