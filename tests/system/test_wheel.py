"""What is installed from a wheel works: the bundled problems are inside, and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wheel_brings_the_bundled_problems(tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("holdfast-*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
        names = archive.namelist()
    assert not [name for name in names if name.startswith("tests/") or "reference" in name.split("/")[-2:-1]]
    environment = {**os.environ, "PYTHONPATH": str(installed)}

    def holdfast(*arguments: str) -> str:
        command = [sys.executable, "-m", "holdfast", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = json.loads(holdfast("problem", "list", "--json"))
    assert {row["name"] for row in listed} >= {"tinylm", "noise", "words"}
    assert all(row["path"].startswith(str(installed)) for row in listed)
    out = holdfast("run", "noise", "--budget", "5s", "--json")
    assert json.loads(out)["kept"] == 0
