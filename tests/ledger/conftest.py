from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.ledger.store import SqlLedger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqlLedger]:
    ticks = iter(range(10**9))
    store = SqlLedger(path, clock=lambda: 1_700_000_000 + next(ticks) / 4)
    yield store
    store.close()
