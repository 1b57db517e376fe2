"""Which paths of a tree a pattern names."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

_WILD = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", re.DOTALL)


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether one of `patterns` names `path`: `*` and `?` stay in a directory, `**` goes through any number."""
    return any(_compiled(pattern).fullmatch(path) for pattern in patterns)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    wild = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = (wild.get(token) or _literal(token) for token in _WILD.findall(pattern))
    return re.compile("".join(parts), re.DOTALL)


def _literal(token: str) -> str:
    if len(token) == 1:
        return re.escape(token)
    return "[^" + token[2:] if token.startswith("[!") else token
