"""A directory that belongs to one living executor, and the clearing up after those that were killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from holdfast.execution.sandbox import cgroup

GROUPS = "groups"


class Session:
    """A fresh directory under `scratch`, locked while this process lives; what dead sessions left is removed."""

    def __init__(self, scratch: Path) -> None:
        root = scratch / "sessions"
        root.mkdir(parents=True, exist_ok=True)
        with open(root / "lock", "ab") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            for left in sorted(root.iterdir()):
                if left.is_dir():
                    _clear(left)
            self.directory = Path(tempfile.mkdtemp(dir=root))
            self._lock: BinaryIO | None = _lock(self.directory)

    def note(self, groups: Iterable[Path]) -> None:
        """Write down control groups, which outlive their makers, for this or a later session to remove."""
        with open(self.directory / GROUPS, "a") as file:
            file.writelines(f"{directory}\n" for directory in groups)

    def close(self) -> None:
        """Remove the directory and the noted groups; idempotent."""
        if self._lock:
            _remove(self.directory)
            self._lock.close()
            self._lock = None


def erase(directory: Path) -> None:
    """Remove a tree, however deep or unreadable its owner made it."""
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        subprocess.run(["chmod", "-R", "u+rwX", str(directory)], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", "--one-file-system", str(directory)], check=False, capture_output=True)


def _clear(directory: Path) -> None:
    lock = _lock(directory)
    if lock:
        _remove(directory)
        lock.close()


def _remove(directory: Path) -> None:
    noted = directory / GROUPS
    for line in noted.read_text().splitlines() if noted.exists() else ():
        cgroup.clear(Path(line))
    erase(directory)


def _lock(directory: Path) -> BinaryIO | None:
    """The directory's lock, or None while a living process has it; the kernel frees it at that process's death."""
    file = open(os.path.join(directory, "lock"), "ab")  # noqa: SIM115 - held for as long as the session lives
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
