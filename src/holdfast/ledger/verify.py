"""Whether the ledger is whole: pure functions over what a store or an export holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from holdfast.core.chain import Head, walk
from holdfast.core.errors import LedgerError
from holdfast.core.records import Entry
from holdfast.ledger.rows import Row, kind_of


def verify_chain(bodies: Iterable[bytes], witness: Head | None = None) -> Head:
    """Walk the chain to its head; raises `LedgerError` that names the first broken or missing record.

    `witness` is where the chain is known to have been: an end before it means that records were cut off.
    """
    return _attest(walk(bodies), witness)


def verify_rows(rows: Iterable[Row], witness: Head | None = None) -> Head:
    """`verify_chain` for a store's table, whose other columns must say what the bodies say."""
    return _attest(_compared(rows), witness)


def _attest(steps: Iterator[tuple[Entry, Head]], witness: Head | None) -> Head:
    head = Head()
    for _, head in steps:
        if witness is not None and head.index == witness.index and head.hash != witness.hash:
            raise LedgerError(f"record {head.index} is broken: it is not the one that was witnessed")
    if witness is not None and head.index < witness.index:
        raise LedgerError(
            f"record {head.index + 1} is missing: the ledger ends at {head.index}, and once reached {witness.index}",
            "records were cut off its end; restore a copy of the ledger",
        )
    return head


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
