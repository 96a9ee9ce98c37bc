"""The entrypoint of the postgres image."""

from __future__ import annotations

import psycopg
import pytest

from tests.services.processes import PASSWORD, postgres


def test_a_new_password_works_with_old_data_and_the_old_one_no_longer() -> None:
    with postgres() as server:
        server.start()
        with server.connect() as connection:
            connection.execute("CREATE TABLE kept (value vector(3))")
            connection.execute("INSERT INTO kept VALUES ('[1,2,3]')")
        assert server.stop() == 0
        server.start(password="another one")
        with server.connect("another one") as connection:
            assert connection.execute("SELECT value::text FROM kept").fetchone() == ("[1,2,3]",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            server.connect(PASSWORD)


def test_told_to_stop_it_does_not_wait_for_sessions() -> None:
    with postgres() as server:
        server.start()
        with server.connect():
            assert server.stop() == 0


def test_it_starts_again_after_it_was_killed() -> None:
    with postgres() as server:
        server.start()
        with server.connect() as connection:
            connection.execute("CREATE TABLE kept (value integer)")
        server.kill()
        server.start()
        with server.connect() as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
            owner = connection.execute(
                "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'rag'"
            )
            assert owner.fetchone() == ("rag",)
            superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = 'rag'")
            assert superuser.fetchone() == (False,)
