from __future__ import annotations

from pathlib import Path

import pytest

TOML = """\
[problem]
name = "demo"
goal = "Less time."

[work]
editable = ["a.py", "lib/*.py"]
command = ["python", "a.py"]

[grader]
command = ["python", "grade.py"]

[checks]
loss = { max = "baseline * 1.01" }
"""


def make(root: Path, toml: str = TOML) -> Path:
    """A small problem with a judge and controls."""
    files = {
        "problem.toml": toml,
        "work/a.py": "from lib import b\n",
        "work/lib/b.py": "B = 1\n",
        "work/fixed.txt": "not editable\n",
        "grader/grade.py": "print('{}')\n",
        "controls/honest/a.py": "pass\n",
        "controls/cheat/lib/b.py": "B = 2\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make(tmp_path / "demo")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
