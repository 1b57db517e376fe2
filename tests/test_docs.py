"""Docs that cannot lie: commands in them run, the reference is generated, links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.lab import RealLab

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def snippets(language: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for kind, text in FENCE.findall(page.read_text(encoding="utf-8")):
            if kind == language:
                found.append((name_of(page), text))
    return found


def commands() -> list[str]:
    """Every `holdfast` command in a `sh` block, comments off."""
    lines = [line.split("  #")[0].strip() for _, text in snippets("sh") for line in text.splitlines()]
    return sorted({line for line in lines if line.startswith("holdfast ")})


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> RealLab:
    """A home with one finished short run, for commands that show something."""
    lab = RealLab(tmp_path_factory.mktemp("docs"))
    lab.ok("run", "./pi", "--budget", "6s")
    (lab.root / "train.py").write_text("print('loss: 1.0')\n")
    (lab.root / "ledger.jsonl").write_text(lab.ok("log", "--export", "-"))
    return lab


@pytest.mark.parametrize("command", commands())
def test_every_command_in_the_docs_runs(lab: RealLab, command: str):
    """As written, but on a quick problem, for a few seconds, and in this test's home."""
    words = [word if word != "tinylm" else "./pi" for word in shlex.split(command)[1:]]
    if "--budget" in words:
        words[words.index("--budget") + 1] = "4s"
    elif words[0] == "run":
        words += ["--budget", "4s"]
    if words[:2] == ["problem", "new"]:
        (lab.root / "problem.toml").unlink(missing_ok=True)
        (lab.root / "README.md").unlink(missing_ok=True)
        done = subprocess.run([sys.executable, "-m", "holdfast", *words], cwd=lab.root, capture_output=True, text=True)
    else:
        done = subprocess.run(lab.command(*words), cwd=lab.root, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.parametrize(("page", "code"), snippets("python"))
def test_python_snippets_run(page: str, code: str, tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, f"{page}: {done.stderr}"


def test_the_command_line_reference_is_the_generated_one():
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.ui.cli.reference"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == done.stdout


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"


def test_the_readme_has_a_line_for_every_room():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rooms = [path for path in (ROOT / "src" / "holdfast").iterdir() if path.suffix == ".py" or path.is_dir()]
    for room in rooms:
        if not room.name.startswith("_"):
            assert f"`{room.name}{'/' if room.is_dir() else ''}`" in text, room.name


def test_architecture_stays_a_page_or_two():
    assert (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").count("\n") < 200
