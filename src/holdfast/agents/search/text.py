"""What can be edited in a file of any other language: its numbers and its lines."""

from __future__ import annotations

import re
from collections import Counter

from holdfast.agents.search.places import Number, Source, Span, Splice
from holdfast.agents.search.priors import role_of

_NUMERAL = re.compile(r"(?<![\w.$&#%])(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=[uUlLfF]{0,3}(?![\w.]))")
_COMMENT = re.compile(r"\s*(//|/\*|\*|--|;|#(?!\s*(define|if|elif)))")
_LOOP = re.compile(r"\b(for|while|seq|repeat|loop)\b")


def read_text(path: str, text: str) -> Source:
    """The numbers and lines of `text` outside comment lines, named by their line with its numbers masked."""
    source = Source(path, text.encode())
    used: Counter[str] = Counter()
    at = 0
    for line in source.data.splitlines(keepends=True):
        body = line.decode(errors="replace")
        if body.strip() and not _COMMENT.match(body):
            _read_line(source, used, body, at, len(line))
        at += len(line)
    return source


def _read_line(source: Source, used: Counter[str], line: str, at: int, length: int) -> None:
    words = " ".join(_NUMERAL.sub("_", line).split()).replace(";", ",").strip(", ")[:70]
    for match in _NUMERAL.finditer(line):
        text = match[1]
        start = at + len(line[: match.start()].encode())
        index = line[: match.start()].rstrip().endswith("[")
        role = role_of(float(text), text.isdigit(), index, bool(_LOOP.search(line)))
        source.numbers.append(Number(_unique(used, f"{source.path}: `{words}`"), start, start + len(text), text, role))
    if words:
        splice = Splice(source.path, at, at + length, b"")
        source.statements.append(Span(_unique(used, f"{source.path}: line `{words}`"), (splice,)))


def _unique(used: Counter[str], name: str) -> str:
    used[name] += 1
    return name if used[name] == 1 else f"{name} #{used[name]}"
