"""Compare the list of words with the right one, byte by byte."""

import json
import os
from pathlib import Path


def fault(found: Path, wanted: bytes) -> str:
    """Say why the list does not count; empty when it does."""
    if not found.is_file() or found.is_symlink():
        return "there is no top.txt"
    with found.open("rb") as file:
        text = file.read(len(wanted) + 1)
    if text == wanted:
        return ""
    pairs = zip(text.split(b"\n"), wanted.split(b"\n"), strict=False)
    line = next((number for number, (ours, right) in enumerate(pairs, 1) if ours != right), 0)
    return f"line {line} of top.txt is not the right one" if line else "top.txt is too short or too long"


wanted = (Path(os.environ["HOLDFAST_DATA"]) / "top.txt").read_bytes()
reason = fault(Path(os.environ["HOLDFAST_ARTIFACT"]) / "top.txt", wanted)
print(json.dumps({"wrong": reason} if reason else {"exact": 1.0}))
