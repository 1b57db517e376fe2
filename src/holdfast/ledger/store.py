"""The ledger on SQL: SQLite in a file by default, or PostgreSQL for many machines."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from holdfast.core.chain import GENESIS, Head
from holdfast.core.errors import LedgerError
from holdfast.core.records import AnyRecord, Entry
from holdfast.ledger.dialects import DIALECTS
from holdfast.ledger.rows import Row, place, unpack
from holdfast.ledger.witness import Witness

VERSION = 1
"""The schema's version; a ledger with a greater one was written by a newer Holdfast."""

PAGE = 1000
"""Records read in one transaction: none stays open while somebody walks the ledger."""

_schema = sa.MetaData()
_records = sa.Table(
    "records",
    _schema,
    sa.Column("index", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("records_of_run", "run", "index"),
)
_last = sa.select(_records.c["index"], _records.c.hash).order_by(_records.c["index"].desc()).limit(1)
_insert = _records.insert()


class SqlLedger:
    """A `Ledger` in an SQL database, with a witness file beside it when the database is a file.

    `clock` gives Unix time in seconds. With `create` false a database that is not there is an error.
    Safe to use from several threads and processes at once. Raises `LedgerError` for everything that is wrong
    with the database.
    """

    def __init__(self, url: str | Path, clock: Callable[[], float] = time.time, create: bool = True) -> None:
        self.url = _url(url)
        self.clock = clock
        file = Path(self.url.database) if self.url.get_backend_name() == "sqlite" and self.url.database else None
        self.witness = Witness(file.with_name(file.name + ".head")) if file else None
        if file and not create and not file.exists():
            raise LedgerError(f"there is no ledger at {file}", "`holdfast run` starts one; --home says where to look")
        if file and not _is_sqlite(file):
            raise _explain("its first bytes are another format's: not a database", str(file))
        self._floor = (self.witness.read() if self.witness else None) or Head()
        self._dialect = DIALECTS[self.url.get_backend_name()]()
        self._engine = self._dialect.engine(self.url)
        with self._explained():
            self._open()

    def append(self, run: str, records: Sequence[AnyRecord]) -> Head:
        """See `core.ports.Ledger`."""
        with self._explained(), self._writing() as connection:
            head = _head(connection)
            if head.index < self._floor.index:
                raise LedgerError(
                    f"the ledger {self._name} ends at record {head.index}, and once reached {self._floor.index}",
                    "records were cut off its end; restore a copy of it, or name another --home",
                )
            rows = []
            for record in records:
                row, head = place(head, run, self.clock(), record)
                rows.append({name: getattr(row, name) for name in Row.__struct_fields__})
            if rows:
                connection.execute(_insert, rows)
        if rows and self.witness:
            self.witness.write(head)
        return head

    def entries(self, run: str | None = None, after: int = 0) -> Iterable[Entry]:
        """See `core.ports.Ledger`; read page by page, records appended meanwhile included."""
        return map(unpack, self.rows(run, after))

    def rows(self, run: str | None = None, after: int | None = None) -> Iterator[Row]:
        """The table as it stands, unchecked, impossible indices included: what `walk_rows` and the export read."""
        page = sa.select(_records).order_by(_records.c["index"]).limit(PAGE)
        if run is not None:
            page = page.where(_records.c.run == run)
        while True:
            with self._explained(), self._engine.connect() as connection:
                rest = page if after is None else page.where(_records.c["index"] > after)
                rows = [Row(*line) for line in connection.execute(rest)]
            yield from rows
            if len(rows) < PAGE:
                return
            after = rows[-1].index

    def head(self) -> Head:
        """See `core.ports.Ledger`."""
        with self._explained(), self._engine.connect() as connection:
            return _head(connection)

    def runs(self) -> list[str]:
        """The names of all runs, the one that began first at the front."""
        first = sa.func.min(_records.c["index"])
        with self._explained(), self._engine.connect() as connection:
            return list(connection.scalars(sa.select(_records.c.run).group_by(_records.c.run).order_by(first)))

    def check(self) -> None:
        """Raise `LedgerError` when the database's own pages disagree, so that a query may miss what `rows` shows."""
        with self._explained(), self._engine.connect() as connection:
            damage = self._dialect.damage(connection)
        if damage:
            raise LedgerError(f"the ledger {self._name} is damaged ({damage})", "restore a copy of it")

    def close(self) -> None:
        """Let go of the database; idempotent."""
        self._engine.dispose()

    def _open(self) -> None:
        with self._engine.connect() as connection:
            version = self._dialect.version(connection)
        if version > VERSION:
            raise LedgerError(
                f"the ledger {self._name} was written by a newer Holdfast (format {version}, known here: {VERSION})",
                "upgrade with `pip install --upgrade holdfast`",
            )
        if version == 0:
            with self._writing() as connection:
                _schema.create_all(connection)
                for guard in self._dialect.guards:
                    connection.exec_driver_sql(guard)
                self._dialect.date(connection, VERSION)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(writing=True) as connection, connection.begin():
            self._dialect.lock(connection)
            yield connection

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise _explain(str(error.orig), self._name) from error
        except UnicodeDecodeError as error:  # the driver's own, about names in a damaged schema
            raise _explain(f"malformed: {error}", self._name) from error

    @property
    def _name(self) -> str:
        return self.url.database or "" if self.witness else self.url.render_as_string(hide_password=True)


def _url(place: str | Path) -> URL:
    try:
        url = URL.create("sqlite", database=str(place)) if isinstance(place, Path) else make_url(place)
    except sa.exc.ArgumentError:
        raise LedgerError(f"{place!r} is not a database URL", "such as sqlite:///ledger.db") from None
    if url.get_backend_name() not in DIALECTS:
        raise LedgerError(f"a ledger cannot be kept in {url.get_backend_name()}", f"known: {', '.join(DIALECTS)}")
    return url


def _is_sqlite(file: Path) -> bool:
    """Whether `file` is SQLite's or can become so; SQLite itself would overwrite a very short file."""
    if not file.is_file():
        return True
    with file.open("rb") as stream:
        return stream.read(16) in (b"", b"SQLite format 3\0")


def _head(connection: sa.Connection) -> Head:
    last = connection.execute(_last).first()
    return Head(last[0], last[1]) if last else Head(0, GENESIS)


_RESUME = "nothing recorded was lost; free space and run `holdfast run --resume`"
_EXPLANATIONS = (
    (("is full", "disk i/o error", "no space"), "no space is left for the ledger {name}", _RESUME),
    (("readonly", "read-only"), "the ledger {name} cannot be written", "make it writable, or name another --home"),
    (("unable to open",), "the ledger {name} cannot be opened", "check that its directory exists and is yours"),
    (("locked",), "the ledger {name} is locked by another program", "wait for it, or end it, and try again"),
    (("not a database", "malformed"), "the ledger {name} is not a database, or a damaged one", "restore a copy of it"),
)


def _explain(cause: str, name: str) -> LedgerError:
    for signs, message, hint in _EXPLANATIONS:
        if any(sign in cause.lower() for sign in signs):
            return LedgerError(f"{message.format(name=name)} ({cause})", hint)
    return LedgerError(f"the ledger {name} failed ({cause})")
