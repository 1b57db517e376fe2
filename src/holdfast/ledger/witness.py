"""Where the chain last ended, in a file beside the database: the way to notice that its tail was cut off."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from holdfast.core.chain import Head
from holdfast.core.errors import LedgerError


class Witness:
    """A file of one line, `index hash`, replaced after every append.

    It may lag behind the database (a crash between the two) and never runs ahead of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, head: Head) -> None:
        """Replace the line, so that a reader sees the old one or the new one."""
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.{threading.get_ident()}")
        # The records are committed: a witness that cannot be written now only lags behind, which is allowed.
        with contextlib.suppress(OSError):
            fresh.write_text(f"{head.index} {head.hash}\n")
            fresh.replace(self.path)

    def read(self) -> Head | None:
        """The head last written; None when nothing ever was. Raises `LedgerError` for an unreadable line."""
        try:
            index, digest = self.path.read_text().split()
            return Head(int(index), digest)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LedgerError(
                f"the witness {self.path} cannot be read ({error})",
                "the ledger itself may be whole: move the file away and verify again",
            ) from error
