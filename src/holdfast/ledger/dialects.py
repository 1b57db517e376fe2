"""What differs between SQLite and PostgreSQL: how a writer gets its turn, and how the schema is guarded and dated."""

from __future__ import annotations

import sqlite3
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, create_engine, event, text

from holdfast.core.errors import LedgerError

BUSY_SECONDS = 30.0
"""How long a writer waits for its turn before it gives up."""


class Dialect(Protocol):
    """One kind of database."""

    guards: tuple[str, ...]

    def engine(self, url: URL) -> Engine:
        """Connections to the database at `url`, safe against power loss once a transaction is committed."""

    def lock(self, connection: Connection) -> None:
        """Make this transaction the only writer until it ends."""

    def version(self, connection: Connection) -> int:
        """The version of the schema; 0 when there is none. Raises `LedgerError` for another program's database."""

    def date(self, connection: Connection, version: int) -> None:
        """Write down the version of the schema."""

    def damage(self, connection: Connection) -> str:
        """What the database itself finds wrong with its tables and indices; empty when they agree."""


class Sqlite:
    """A file: write-ahead log, synced at every commit; writers take turns with `BEGIN IMMEDIATE`."""

    guards: tuple[str, ...] = tuple(
        f"CREATE TRIGGER IF NOT EXISTS records_{verb.lower()} BEFORE {verb} ON records "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    )

    def engine(self, url: URL) -> Engine:
        """See `Dialect`; the driver's own transactions are off, so that `begin` decides how one starts."""
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "isolation_level": None})
        event.listen(engine, "connect", self._connected)
        event.listen(engine, "begin", self._begin)
        return engine

    def lock(self, connection: Connection) -> None:
        """Nothing left to do: a writing transaction was begun as one."""

    def version(self, connection: Connection) -> int:
        """See `Dialect`."""
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        tables = int(connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one())
        if version == 0 and tables:
            raise LedgerError("this database belongs to another program", "name another home with --home")
        return version

    def date(self, connection: Connection, version: int) -> None:
        """See `Dialect`."""
        connection.exec_driver_sql(f"PRAGMA user_version = {version:d}")

    def damage(self, connection: Connection) -> str:
        """See `Dialect`; a table and an index that disagree would show a run without some of its records."""
        found = str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one())
        return "" if found == "ok" else " ".join(found.split())

    @staticmethod
    def _connected(connection: sqlite3.Connection, _: Any) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            connection.execute("PRAGMA journal_mode = WAL")

    @staticmethod
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


class Postgresql:
    """A server for many machines: writers take turns with an advisory lock that ends with the transaction."""

    guards: tuple[str, ...] = (
        "CREATE OR REPLACE FUNCTION holdfast_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$",
        "CREATE OR REPLACE TRIGGER records_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON records "
        "FOR EACH STATEMENT EXECUTE FUNCTION holdfast_refuse()",
    )
    _KEY = 0x686F6C64666173  # "holdfas", the lab's own advisory lock

    def engine(self, url: URL) -> Engine:
        """See `Dialect`."""
        return create_engine(url, pool_pre_ping=True)

    def lock(self, connection: Connection) -> None:
        """See `Dialect`."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": self._KEY})

    def version(self, connection: Connection) -> int:
        """See `Dialect`; the version is the comment on the table."""
        table = connection.execute(text("SELECT to_regclass('records')")).scalar()
        comment = connection.execute(text("SELECT obj_description(to_regclass('records'), 'pg_class')")).scalar()
        if table is not None and not str(comment).startswith("holdfast "):
            raise LedgerError("this database belongs to another program", "name a database of the lab's own")
        return int(str(comment).split()[1]) if table is not None else 0

    def date(self, connection: Connection, version: int) -> None:
        """See `Dialect`."""
        connection.execute(text(f"COMMENT ON TABLE records IS 'holdfast {version:d}'"))

    def damage(self, connection: Connection) -> str:
        """See `Dialect`; a server checks its own pages."""
        del connection
        return ""


DIALECTS: dict[str, type[Dialect]] = {"sqlite": Sqlite, "postgresql": Postgresql}
