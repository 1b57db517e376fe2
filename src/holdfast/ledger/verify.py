"""Whether the ledger is whole: pure functions over what a store or an export holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from holdfast.core.chain import Head, walk
from holdfast.core.errors import LedgerError
from holdfast.core.records import Entry
from holdfast.ledger.rows import Row, kind_of


def verify_rows(rows: Iterable[Row], witness: Head | None = None) -> Head:
    """Walk a store's table to the chain's head; raises as `walk_rows` does."""
    last = deque(walk_rows(rows, witness), maxlen=1)
    return last[0][1] if last else Head()


def walk_rows(rows: Iterable[Row], witness: Head | None = None) -> Iterator[tuple[Entry, Head]]:
    """Yield every entry of a store's table with the head after it, whose columns must say what the bodies say.

    Raises `LedgerError` that names the first broken or missing record. `witness` is where the chain is known to
    have been: an end before it means that records were cut off.
    """
    head = Head()
    for entry, head in _compared(rows):
        if witness is not None and head.index == witness.index and head.hash != witness.hash:
            raise LedgerError(f"record {head.index} is broken: it is not the one that was witnessed")
        yield entry, head
    if witness is not None and head.index < witness.index:
        raise LedgerError(
            f"record {head.index + 1} is missing: the ledger ends at {head.index}, and once reached {witness.index}",
            "records were cut off its end; restore a copy of the ledger",
        )


def _compared(rows: Iterable[Row]) -> Iterator[tuple[Entry, Head]]:
    head = Head()
    for row in rows:
        if not isinstance(row.body, bytes):
            raise LedgerError(f"record {head.index + 1} is broken: its body is {type(row.body).__name__}, not bytes")
        entry, head = next(walk((row.body,), head))
        told = Row(entry.index, entry.run, kind_of(entry.record), entry.at, head.hash, row.body)
        for column in Row.__struct_fields__:
            stored, true = getattr(row, column), getattr(told, column)
            if stored != true:
                raise LedgerError(f"record {entry.index} is broken: its column {column} is {stored!r}, not {true!r}")
        yield entry, head
