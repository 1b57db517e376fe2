"""The data splits of a problem: prepared, or copied from its `data/` directory, once per problem digest."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from holdfast.core.codec import digest
from holdfast.core.errors import ProblemError
from holdfast.problems.load import Problem
from holdfast.problems.paths import files_below
from holdfast.problems.rules import PYTHON, SEARCH_PATH

SPLITS = ("train", "hidden", "sealed")
SECONDS = 600.0
"""How long `data.prepare` may take, in seconds of wall time."""

_PR_SET_PDEATHSIG = 1


class Splits(msgspec.Struct, frozen=True):
    """The splits of a problem, each a directory below `root`: the digest of its names and contents, and file names.

    The file names are those that `files.json` gives, or those in the directory.
    """

    root: Path
    digests: dict[str, str]
    files: dict[str, tuple[str, ...]]

    @property
    def directories(self) -> dict[str, Path]:
        """Where each split's files are."""
        return {split: self.root / split for split in SPLITS}


def prepare(problem: Problem, home: Path, seconds: float = SECONDS) -> Splits:
    """The data of `problem`, preparing it in `home` when that was not done before; a split without data is empty.

    Raises `ProblemError` when the command fails, with the last lines it said.
    """
    place = home.resolve() / "data" / problem.digest
    if not place.is_dir():
        _make(problem, place, seconds)
    directories = {split: place / split for split in SPLITS}
    listed = _listed(place / "files.json")
    names = {split: [name for name, _ in files_below(directory)] for split, directory in directories.items()}
    return Splits(
        root=place,
        digests={split: _digest(directory) for split, directory in directories.items()},
        files={split: tuple(listed.get(split, names[split])) for split in SPLITS},
    )


def _make(problem: Problem, place: Path, seconds: float) -> None:
    """Fill a directory of another name and rename it: a prepared directory is complete or not there."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".preparing-", dir=place.parent) as scratch:
            fresh = Path(scratch) / "data"
            for split in SPLITS:
                (fresh / split).mkdir(parents=True)
            if problem.spec.data.prepare:
                _run(problem, fresh, seconds)
            else:
                _copy(problem.root / "data", fresh)
            fresh.rename(place)
    except ProblemError:
        _leave_nothing(place.parent)
        raise
    except OSError as error:
        if not place.is_dir():  # else another process was quicker
            raise ProblemError(
                f"the data cannot be prepared in {place.parent}: {error.strerror}", "make room or name another --home"
            ) from error


def _leave_nothing(parent: Path) -> None:
    """Remove the home's empty directories again: a problem that is at fault does not start a lab."""
    with contextlib.suppress(OSError):
        parent.rmdir()
        parent.parent.rmdir()


def _run(problem: Problem, directory: Path, seconds: float) -> None:
    program, *rest = problem.spec.data.prepare
    command = [sys.executable if program in PYTHON else program, *rest, str(directory)]
    environment = {"PATH": ":".join(SEARCH_PATH), "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=problem.judge,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            preexec_fn=_die_with_parent,
        )
    except subprocess.TimeoutExpired:
        raise ProblemError(f"data.prepare took longer than {seconds:g} seconds", "run it by hand to see why") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-5:]
        reason = "\n".join(f"  {line}" for line in said) or "  it said nothing"
        raise ProblemError(
            f"data.prepare failed with exit code {done.returncode}:\n{reason}",
            f"run `{' '.join(problem.spec.data.prepare)} /tmp/out` in {problem.judge} to see it fail",
        )
    if not any(True for _ in files_below(directory / "train")):
        raise ProblemError("data.prepare left no file in train/", "it is given the output directory as last argument")
    _listed(directory / "files.json")


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when the lab dies (Linux; elsewhere it ends by itself)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _copy(source: Path, directory: Path) -> None:
    for split in SPLITS:
        for name, path in files_below(source / split) if (source / split).is_dir() else ():
            (directory / split / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, directory / split / name)


def _listed(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        return {}
    try:
        return msgspec.convert(json.loads(path.read_bytes()), dict[str, list[str]])
    except ValueError as error:
        raise ProblemError(f"{path.name} of data.prepare must map each split to a list of names: {error}") from error


def _digest(directory: Path) -> str:
    lines = []
    for name, path in files_below(directory):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return digest("".join(lines).encode())
