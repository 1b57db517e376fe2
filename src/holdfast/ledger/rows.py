"""A record as a store keeps it: its canonical body beside the columns it is looked up by."""

from __future__ import annotations

from typing import get_args

import msgspec

from holdfast.core.chain import Head, link
from holdfast.core.codec import decode
from holdfast.core.errors import LedgerError
from holdfast.core.records import AnyRecord, Entry


class Row(msgspec.Struct, frozen=True):
    """One line of the `records` table; every column but `body` repeats what `body` says or hashes to."""

    index: int
    run: str
    kind: str
    at: float
    hash: str
    body: bytes


def kind_of(record: AnyRecord) -> str:
    """The record's `name/version`, as it stands on the wire."""
    return str(record.__struct_config__.tag)


KINDS = frozenset(str(kind.__struct_config__.tag) for kind in get_args(AnyRecord))
"""Every kind of record that this version knows."""


def place(head: Head, run: str, at: float, record: AnyRecord) -> tuple[Row, Head]:
    """Link `record` after `head`; raises `LedgerError` for a value that no record may hold."""
    try:
        entry, body, head = link(head, run, at, record)
    except (ValueError, TypeError) as error:
        raise LedgerError(f"a {kind_of(record)} record cannot be written: {error}") from error
    return Row(entry.index, run, kind_of(record), entry.at, head.hash, body), head


def unpack(row: Row) -> Entry:
    """The entry in `row`; raises `LedgerError` when it is broken or of a kind that only a newer version knows."""
    try:
        return decode(row.body, Entry)
    except (ValueError, TypeError) as error:
        if row.kind not in KINDS:
            raise LedgerError(
                f"record {row.index} is of a kind this version does not know: {row.kind}", "upgrade Holdfast"
            ) from error
        raise LedgerError(
            f"record {row.index} is broken: it cannot be read ({error})",
            "`holdfast verify` says how far the ledger can be trusted",
        ) from error
