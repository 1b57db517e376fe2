"""The hash chain: each entry's bytes hold the hash of the entry before, so that any changed byte is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from holdfast.core.codec import decode, digest, encode
from holdfast.core.errors import LedgerError
from holdfast.core.records import AnyRecord, Entry

GENESIS = "0" * 64
"""The `previous` of the first entry."""


class Head(msgspec.Struct, frozen=True):
    """Where a chain ends: the index of its last entry (0 when empty) and that entry's hash."""

    index: int = 0
    hash: str = GENESIS


def link(head: Head, run: str, at: float, record: AnyRecord) -> tuple[Entry, bytes, Head]:
    """Place `record` after `head`; returns the entry, its canonical bytes and the new head.

    The record is read back first: a whole number in a float field (`score=1`) is legal, but its bytes would not be
    those that the value read back encodes to.
    """
    record = decode(encode(record), AnyRecord)  # type: ignore[arg-type]
    entry = Entry(index=head.index + 1, run=run, at=round(float(at), 3), previous=head.hash, record=record)
    body = encode(entry)
    return entry, body, Head(entry.index, digest(body))


def entry_hash(entry: Entry) -> str:
    """The hash of an entry's canonical bytes, which the entry after it names as `previous`."""
    return digest(encode(entry))


def walk(bodies: Iterable[bytes], head: Head | None = None) -> Iterator[tuple[Entry, Head]]:
    """Yield every entry with the head after it, raising `LedgerError` that names the first broken record."""
    head = head or Head()
    for body in bodies:
        number = head.index + 1
        try:
            entry = decode(body, Entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LedgerError(f"record {number} is broken: it cannot be read ({error})") from error
        if encode(entry) != body:
            raise LedgerError(f"record {number} is broken: its bytes are not in canonical form")
        if entry.index != number:
            raise LedgerError(f"record {number} is missing: record {entry.index} stands in its place")
        if entry.previous != head.hash:
            raise LedgerError(f"record {number} is broken: it does not follow the record before it")
        head = Head(number, digest(body))
        yield entry, head
