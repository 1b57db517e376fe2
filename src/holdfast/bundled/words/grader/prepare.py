"""Write the text to be counted, from installed libraries' sources, and the answer beside it for the judge alone."""

import importlib.util
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

LIBRARIES = ("scipy", "sqlalchemy", "matplotlib", "libcst", "numpy")
SIZE = 36_000_000  # bytes
TOP = 100


def sources() -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of the libraries' source files, in order, until there is enough."""
    left = SIZE
    for library in LIBRARIES:
        spec = importlib.util.find_spec(library)
        if spec is None or spec.origin is None:
            continue
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*.py")):
            content = path.read_bytes()[:left]
            left -= len(content)
            yield f"{library}/{path.relative_to(root).as_posix()}", content
            if left <= 0:
                return


def top(text: bytes) -> str:
    """Count the words: the most frequent first, equal counts in alphabetical order."""
    counts = Counter(re.findall(rb"[a-z]+", text.lower()))
    best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return "".join(f"{count} {word.decode()}\n" for word, count in best)


def main(out: Path) -> None:
    files = dict(sources())
    text = b"\n".join(files.values())
    (out / "train").mkdir(exist_ok=True)
    (out / "train" / "text.txt").write_bytes(text)
    for split in ("hidden", "sealed"):
        (out / split).mkdir(exist_ok=True)
        (out / split / "top.txt").write_text(top(text))
    (out / "files.json").write_text(json.dumps({"train": list(files)}))


main(Path(sys.argv[1]))
