"""Unified diffs between two trees."""

from __future__ import annotations

import difflib
from collections.abc import Mapping


def unified(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """The unified diff of all files that differ, in the form that `git apply` and `patch -p1` take."""
    parts: list[str] = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old != new:
            parts += _file(path, old, new)
    return "".join(parts)


def _file(path: str, old: bytes | None, new: bytes | None) -> list[str]:
    if b"\0" in (old or b"") + (new or b""):
        return [f"Binary files a/{path} and b/{path} differ\n"]
    lines = difflib.unified_diff(
        _lines(old),
        _lines(new),
        "/dev/null" if old is None else f"a/{path}",
        "/dev/null" if new is None else f"b/{path}",
    )
    return [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]


def _lines(data: bytes | None) -> list[str]:
    return (data or b"").decode("utf-8", "replace").splitlines(keepends=True)
