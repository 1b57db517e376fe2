"""One coordinator per problem and home: a lock that the kernel takes back when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self, TextIO

from holdfast.core.errors import LedgerError


class Lease:
    """Held from construction to `close`, as a context manager or not; the file names the holder.

    `flock` on a file that is never deleted, so that there is no moment at which two can hold it. Programs started
    meanwhile do not inherit it. Raises `LedgerError` that names the process when somebody else holds it.
    """

    def __init__(self, home: Path, problem: str, clock: Callable[[], float] = time.time) -> None:
        path = _path(home, problem)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+")
        except OSError as error:
            raise LedgerError(f"the home {home} cannot be written: {error.strerror}", "name another --home") from error
        while not _locked(self._file, fcntl.LOCK_EX):
            if held(home, problem):
                self._refuse(home, problem)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(clock()))
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} since {since}\n")
        self._file.flush()

    def close(self) -> None:
        """Give the lease back; idempotent."""
        self._file.close()

    def _refuse(self, home: Path, problem: str) -> NoReturn:
        self._file.seek(0)
        holder = self._file.read().strip() or "another process"
        self._file.close()
        raise LedgerError(
            f"{problem} is already being run in {home} by {holder}",
            "wait for it or stop it with Ctrl-C; `holdfast show` tells how far it is; --home starts another lab",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def held(home: Path, problem: str) -> bool:
    """Whether a coordinator holds the lease of `problem` in `home` just now.

    A glance: it takes a shared lock for a moment and writes nothing, and `Lease` knows it from a holder.
    """
    try:
        file = _path(home, problem).open()
    except FileNotFoundError:
        return False
    with file:
        return not _locked(file, fcntl.LOCK_SH)


def _path(home: Path, problem: str) -> Path:
    return home / "leases" / f"{problem}.lock"


def _locked(file: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
