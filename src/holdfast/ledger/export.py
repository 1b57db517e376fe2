"""The ledger as JSON lines that verify without a database: one record to a line, and a footer with the head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from holdfast.core.chain import GENESIS, Head, walk
from holdfast.core.codec import decode, encode
from holdfast.core.errors import LedgerError


class Footer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line: the hash of the last record, and how many there are."""

    head: str
    records: int


def export(bodies: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of an export, each with its newline."""
    head = Head()
    for body in bodies:
        _, head = next(walk((body,), head))
        yield body + b"\n"
    yield encode(Footer(head.hash, head.index)) + b"\n"


def verify_export(lines: Iterable[bytes]) -> Head:
    r"""Check an export, given as lines that keep their `\n` (a file opened in binary mode); returns its head.

    Raises `LedgerError` that names the first broken, missing or superfluous line.
    """
    head, footer = Head(0, GENESIS), None
    for number, line in enumerate(lines, 1):
        if footer is not None:
            raise LedgerError(f"line {number} stands after the end of the export")
        if not line.endswith(b"\n"):
            raise LedgerError(f"line {number} is cut off: it does not end with a newline", _AGAIN)
        body = line[:-1]
        footer = _footer(body)
        if footer is None:
            _, head = next(walk((body,), head))
    if footer is None:
        raise LedgerError("the export is cut off: its last line is not the footer", _AGAIN)
    if footer != Footer(head.hash, head.index):
        raise LedgerError(
            f"the footer tells of {footer.records} records up to {footer.head[:12]}, and the export holds "
            f"{head.index} up to {head.hash[:12]}",
            _AGAIN,
        )
    return head


_AGAIN = "export again with `holdfast log --export`"


def _footer(body: bytes) -> Footer | None:
    try:
        footer = decode(body, Footer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return footer if encode(footer) == body else None
