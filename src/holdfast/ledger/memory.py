"""The ledger in memory: for tests, simulations and rehearsals."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence

from holdfast.core.chain import Head
from holdfast.core.records import AnyRecord, Entry
from holdfast.ledger.rows import Row, place, unpack


class MemoryLedger:
    """A `Ledger` that is gone with the process; the same chain and the same bytes as on disk."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._rows: list[Row] = []
        self._head = Head()

    def append(self, run: str, records: Sequence[AnyRecord]) -> Head:
        """See `core.ports.Ledger`."""
        head, rows = self._head, []
        for record in records:
            row, head = place(head, run, self.clock(), record)
            rows.append(row)
        self._rows += rows
        self._head = head
        return head

    def entries(self, run: str | None = None, after: int = 0) -> Iterable[Entry]:
        """See `core.ports.Ledger`."""
        return map(unpack, self.rows(run, after))

    def rows(self, run: str | None = None, after: int = 0) -> Iterable[Row]:
        """The records as a store keeps them."""
        return (row for row in itertools.islice(self._rows, after, None) if run is None or row.run == run)

    def head(self) -> Head:
        """See `core.ports.Ledger`."""
        return self._head
