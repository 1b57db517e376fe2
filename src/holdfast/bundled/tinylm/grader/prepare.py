"""Collect Python source that no trial can see and split it by file into train, hidden and sealed text."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

LIBRARIES = (
    "cryptography",
    "libcst",
    "matplotlib",
    "msgspec",
    "scipy",
    "sqlalchemy",
    "typer",
)  # none that pip carries a copy of: it lies in every standard library
VISIBLE = ("torch", "numpy")  # with all they depend on, and the standard library
SKIPPED_DIRECTORIES = re.compile(
    r"(^|/)(tests?|testing|_vendor|vendor|_vendored|externals?|extern|__pycache__"
    r"|array_api_compat|array_api_extra|_precompute|codemod/commands)(/|$)"
)
SKIPPED_FILES = re.compile(
    r"(^|/)(test_|conftest|__config__|_pep440|_cm|_color_data|_mathtext_data|_emoji_codes|_codata|_lebedev|_add_newdocs|_typed_visitor"
    r"|_unicode_data|_mapping|_.*_builtins$|unistring|_version|version|pyplot|mathmpl"
    r"|matchers/__init__|matchers/_return_types|[a-z_]*_builtins)"
)
MIN_BYTES, MAX_BYTES = 512, 200_000
SHARES = {"hidden": 5, "sealed": 5}  # per cent of the files; the rest is for training


def collect(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name and place of every ordinary source file of one library."""
    for path in root.rglob("*.py"):
        name = f"{root.name}/{path.relative_to(root).as_posix()}"
        ordinary = MIN_BYTES <= path.stat().st_size <= MAX_BYTES and not path.is_symlink()
        if ordinary and not SKIPPED_DIRECTORIES.search(name) and not SKIPPED_FILES.search(name.removesuffix(".py")):
            yield name, path


def library_root(library: str) -> Path:
    """Find the directory of an installed library without importing it."""
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:
        sys.exit(f"prepare: {library} is not installed; it is one of Holdfast's own dependencies")
    return Path(spec.origin).parent


def dependencies(names: tuple[str, ...]) -> set[str]:
    """List the installed distributions that the named ones need, themselves included."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        waiting += [match[0] for line in requires if (match := re.match(r"[\w.-]+", line)) and "extra ==" not in line]
    return found


def visible_files() -> Iterator[Path]:
    """Yield every source file that a trial may be able to read."""
    standard = Path(sysconfig.get_path("stdlib"))
    for path in standard.rglob("*.py"):
        if not {"site-packages", "dist-packages"} & set(path.relative_to(standard).parts):
            yield path
    for name in sorted(dependencies(VISIBLE)):
        for file in importlib.metadata.files(name) or []:
            if file.suffix == ".py":
                yield Path(str(file.locate()))


def without_visible(sources: dict[str, Path]) -> dict[str, bytes]:
    """Read the sources, leaving out what equals a file that a trial may read."""
    texts = {name: path.read_bytes() for name, path in sources.items()}
    sizes = {len(text) for text in texts.values()}
    known = set()
    for path in visible_files():
        if path.is_file() and path.stat().st_size in sizes:
            known.add(path.read_bytes())
    return {name: text for name, text in texts.items() if text not in known}


def split_of(name: str) -> str:
    """Choose a split by a hash of library and file name, so that sibling files of one name stay together."""
    library, *_, directory, base = ["", *name.split("/")] if name.count("/") == 1 else name.split("/")
    key = f"{library}/{directory}/{base}" if base == "__init__.py" else f"{library}/{base}"
    place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % 100
    for split, share in SHARES.items():
        if place < share:
            return split
        place -= share
    return "train"


def order_of(name: str) -> bytes:
    """Sort files by a hash, so that every stretch of a split is a fair sample of it."""
    return hashlib.sha256(f"order {name}".encode()).digest()


def main(out: Path) -> None:
    """Write the three splits and the list of the files in each."""
    sources = {name: path for library in LIBRARIES for name, path in collect(library_root(library))}
    texts = without_visible(sources)
    files: dict[str, list[str]] = {"train": [], "hidden": [], "sealed": []}
    for name in sorted(texts, key=order_of):
        files[split_of(name)].append(name)
    for split, names in files.items():
        (out / split).mkdir(parents=True, exist_ok=True)
        (out / split / "text.txt").write_bytes(b"\n".join(texts[name] for name in names))
    (out / "files.json").write_text(json.dumps(files, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
