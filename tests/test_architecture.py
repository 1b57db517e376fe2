"""The house rules that imports alone do not show, read off the source."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "holdfast"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if "bundled" not in path.parts)
ROOMS = ("problems", "agents", "execution", "ledger")
CORE_MAY_IMPORT = {"msgspec", "numpy", "scipy", "holdfast"}
IMPURE = {
    "os",
    "io",
    "pathlib",
    "subprocess",
    "socket",
    "threading",
    "time",
    "datetime",
    "tempfile",
    "shutil",
    "random",
}


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or ".")
    return found


def functions(tree: ast.AST) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("path", sorted((SOURCE / "core").glob("*.py")), ids=name_of)
def test_core_is_pure(path):
    for name in imports(parsed(path)):
        top = name.split(".")[0]
        assert top not in IMPURE, f"core does no I/O and has no clock, but imports {name}"
        assert top in CORE_MAY_IMPORT or top in sys.stdlib_module_names
        if top in ("numpy", "scipy"):
            assert path.stem in ("measure", "verdicts"), f"only measuring needs {top}"
        if top == "holdfast":
            assert name.startswith("holdfast.core")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rooms_know_core_only_and_only_the_ui_prints(path):
    room = path.relative_to(SOURCE).parts[0]
    tree = parsed(path)
    for name in imports(tree):
        if name.startswith("holdfast."):
            other = name.split(".")[1]
            if room in ROOMS:
                assert other in ("core", room), f"a room imports core only, not {name}"
            if room == "loop.py":
                assert other == "core"
            if other == "assembly":
                assert room == "ui"
    if room != "ui" and path.name not in ("inventory.py",):
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
    if room != "assembly.py" and path.name != "runner.py":
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\bos\.(environ\b(?!\.setdefault)|getenv)", text), "only assembly reads the environment"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_sizes(path):
    tree = parsed(path)
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 400, f"{lines} lines: split it"
    assert ast.get_docstring(tree) or not tree.body, "a module says in a sentence what it is"
    for function in functions(tree):
        length = function.end_lineno - function.lineno + 1
        assert length <= 60, f"{function.name} has {length} lines"
        arguments = function.args
        count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
        options = path.parent.name == "cli"  # a command's parameters are its options
        assert count - (bool(arguments.args) and arguments.args[0].arg == "self") <= 7 or options, function.name
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            assert node.end_lineno - node.lineno + 1 <= 250, node.name


def test_the_house_as_a_whole():
    lengths = [path.read_text(encoding="utf-8").count("\n") for path in MODULES if path.stat().st_size]
    assert statistics.median(lengths) <= 150
    spans = sorted(f.end_lineno - f.lineno + 1 for path in MODULES for f in functions(parsed(path)))
    assert spans[int(len(spans) * 0.95)] <= 40
    absent = {"utils", "helpers", "manager", "common", "misc"}
    assert not [path for path in MODULES if path.stem in absent]
    assert (SOURCE / "core" / "ports.py").read_text(encoding="utf-8").count("\n") < 200


@pytest.mark.parametrize("port", ["Executor", "Grader", "Workspace", "Ledger", "Agent"])
def test_a_port_has_at_most_four_methods(port):
    tree = parsed(SOURCE / "core" / "ports.py")
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == port)
    assert len([node for node in found.body if isinstance(node, ast.FunctionDef)]) <= 4


def test_importing_holdfast_and_its_help_load_nothing_heavy():
    code = (
        "import sys; sys.argv = ['holdfast', '--help']\n"
        "from holdfast.ui.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'matplotlib', 'sqlalchemy', 'libcst', 'pygit2', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
