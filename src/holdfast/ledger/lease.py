"""One coordinator per problem and home: a lock that the kernel takes back when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from holdfast.core.errors import LedgerError


class Lease:
    """Held from construction to `close`, as a context manager or not; the file names the holder.

    `flock` on a file that is never deleted, so that there is no moment at which two can hold it. Programs started
    meanwhile do not inherit it. Raises `LedgerError` that names the process when somebody else holds it.
    """

    def __init__(self, home: Path, problem: str, clock: Callable[[], float] = time.time) -> None:
        path = home / "leases" / f"{problem}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+")
        except OSError as error:
            raise LedgerError(f"the home {home} cannot be written: {error.strerror}", "name another --home") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise LedgerError(
                f"{problem} is already being run in {home} by {holder}",
                "wait for it or stop it with Ctrl-C; `holdfast show` tells how far it is; --home starts another lab",
            ) from None
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(clock()))
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} since {since}\n")
        self._file.flush()

    def close(self) -> None:
        """Give the lease back; idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
