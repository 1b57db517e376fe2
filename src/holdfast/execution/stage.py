"""Everything one trial finds when it starts: its files, its places to write, its variables, and a cell ready to go."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from holdfast.execution.bench import Bench
from holdfast.execution.sandbox.bubblewrap import DATA, MB, OUT, SCRATCH, SHARED_MEMORY, WORK, Mounts
from holdfast.execution.sandbox.cell import Cell
from holdfast.execution.sandbox.cgroup import Group

TRAIN = "train"
"""The one split that a candidate sees."""


class Stage(msgspec.Struct, frozen=True):
    """A prepared cell, with descriptors of its results and of all its file systems of limited size."""

    cell: Cell
    results: int
    space: tuple[int, ...]


@contextmanager
def staged(
    bench: Bench, slot: int, group: Group | None, files: Mapping[str, bytes], place: Path, seed: int
) -> Iterator[Stage]:
    """Set up `files` below the fresh directory `place` and lead a runner to where the command starts.

    Raises `CellError`; whatever happens, the cell is dead in the end.
    """
    code, out, data = place / "work", place / "out", bench.places.data / TRAIN
    out.mkdir(parents=True)
    writable = bench.spec.work.writable
    materialise(files, code, writable)
    readable = {WORK: code} | ({DATA: data} if data.is_dir() else {})
    limited = (OUT, SCRATCH, SHARED_MEMORY, *(f"{WORK}/{name}" for name in writable))
    mounts = Mounts(readable, dict.fromkeys(limited, bench.spec.limits.disk_mb * MB))
    names = {name: name if bench.boxed else str(path) for name, path in {**readable, OUT: out}.items()}
    env = bench.environment(bench.trial_view) | {"HOLDFAST_OUT": names[OUT], "HOLDFAST_SEED": str(seed)}
    if DATA in names:
        env["HOLDFAST_DATA"] = names[DATA]
    with ExitStack() as stack:
        cell = bench.cell(bench.trial_view, mounts, env)
        stack.callback(cell.close)
        if group:
            group.add(cell.pid)
            group.forget_peak()
        # Opened before the candidate runs: they keep its file systems alive after the death of its processes.
        seen = [f"/proc/{cell.pid}/root{name}" for name in limited] if bench.boxed else [str(out)]
        space = tuple(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for path in seen)
        for descriptor in space:
            stack.callback(os.close, descriptor)
        cell.prepare(bench.plan(slot, names[WORK], group))
        yield Stage(cell, space[0], space if bench.boxed else ())


def materialise(files: Mapping[str, bytes], directory: Path, writable: tuple[str, ...]) -> None:
    """Write a tree out, readable by everyone, with the directories that are to be made writable."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name in ("", *writable):
        (directory / name).mkdir(parents=True, exist_ok=True)
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
