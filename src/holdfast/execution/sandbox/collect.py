"""Take results out of a cell: regular files with one name each, of limited number and size, nothing else."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MAX_FILES = 1000
MAX_DEPTH = 16
MAX_PATH = 1000
"""Bytes of a result's path, so that it also has a name below our own directories."""
OUR_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
CHUNK = 1 << 20


class ForbiddenResult(Exception):  # noqa: N818 - it is a finding about a candidate, not a fault of ours
    """A candidate left something that is not a plain result; says what and where."""


def collect(source: int, target: Path, max_bytes: int) -> None:
    """Copy the tree of the directory descriptor `source` into the new directory `target`.

    Raises `ForbiddenResult` for links, pipes, sockets, devices, files with a second name, what cannot be read, and for
    more than `max_bytes`, `MAX_FILES` entries, `MAX_DEPTH` levels or `MAX_PATH` bytes of a path; `OSError` only for
    faults of this machine. Nothing is followed or opened before it is known.
    """
    target.mkdir(mode=0o755)
    try:
        _copy(source, target, "", _Budget(max_bytes))
    except OSError as error:
        if error.errno in OUR_FAULTS:
            raise
        raise ForbiddenResult(f"the results cannot be read: {error.strerror}") from error


class _Budget:
    def __init__(self, size: int) -> None:
        self.bytes, self.entries = size, MAX_FILES

    def take(self, size: int, name: str) -> None:
        self.bytes -= size
        if self.bytes < 0:
            raise ForbiddenResult(f"the results are larger than the disk limit (at {name})")

    def count(self) -> None:
        self.entries -= 1
        if self.entries < 0:
            raise ForbiddenResult(f"more than {MAX_FILES} files as results")


def _copy(source: int, target: Path, prefix: str, budget: _Budget) -> None:
    if prefix.count("/") > MAX_DEPTH:
        raise ForbiddenResult(f"results more than {MAX_DEPTH} directories deep")
    with os.scandir(source) as entries:
        for entry in entries:
            budget.count()
            name = prefix + entry.name
            _check_name(name)
            if entry.is_dir(follow_symlinks=False):
                below = _open(source, entry.name, name, os.O_DIRECTORY)
                try:
                    (target / entry.name).mkdir(mode=0o755)
                    _copy(below, target / entry.name, name + "/", budget)
                finally:
                    os.close(below)
            else:
                _copy_file(source, entry.name, target, name, budget)


def _copy_file(source: int, entry: str, target: Path, name: str, budget: _Budget) -> None:
    if not stat.S_ISREG(os.lstat(entry, dir_fd=source).st_mode):
        raise ForbiddenResult(f"{name} is not a regular file")
    file = _open(source, entry, name, os.O_NONBLOCK)
    try:
        found = os.fstat(file)
        if found.st_nlink != 1:
            raise ForbiddenResult(f"{name} has {found.st_nlink} names (hard links)")
        with open(target / entry, "xb") as copy:
            while chunk := os.read(file, CHUNK):
                budget.take(len(chunk), name)
                copy.write(chunk)
            os.fchmod(copy.fileno(), 0o644)
    finally:
        os.close(file)


def _open(source: int, entry: str, name: str, flags: int) -> int:
    try:
        return os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=source)
    except OSError as error:
        if error.errno in OUR_FAULTS:
            raise
        raise ForbiddenResult(f"{name} cannot be read as a plain file: {error.strerror}") from error


def _check_name(name: str) -> None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise ForbiddenResult("a result's name is not valid UTF-8") from error
    if size > MAX_PATH:
        raise ForbiddenResult(f"a result's path is longer than {MAX_PATH} bytes: {name[:80]}...")
