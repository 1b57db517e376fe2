"""Run a program of the problem as a trial would be run: torch first, then the clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PROBLEM = HERE.parents[1] / "src" / "holdfast" / "bundled" / "tinylm"
REFERENCE = HERE / "reference"
BOOT = """
import atexit, os, runpy, sys, time
import torch
torch.set_num_threads(1)
sys.path.insert(0, os.getcwd())
start = time.process_time()
atexit.register(lambda: print("cpu_seconds", time.process_time() - start))
runpy.run_path("train.py", run_name="__main__")
"""


def prepare(out: Path) -> Path:
    """Write the splits into a directory and return it."""
    subprocess.run([sys.executable, "prepare.py", str(out)], cwd=PROBLEM / "grader", check=True)
    return out


def run_trial(work: Path, data: Path, out: Path, seed: int) -> float:
    """Run `train.py` of a tree and return its CPU seconds after `import torch`."""
    out.mkdir(parents=True)
    places = {"HOLDFAST_DATA": str(data / "train"), "HOLDFAST_OUT": str(out), "HOLDFAST_SEED": str(seed)}
    done = subprocess.run(
        [sys.executable, "-B", "-c", BOOT],
        cwd=work,
        env={**os.environ, **places, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def run_grader(artifact: Path, data: Path, split: str = "hidden") -> dict[str, Any]:
    """Grade an artifact in a process of its own."""
    places = {"HOLDFAST_ARTIFACT": str(artifact), "HOLDFAST_DATA": str(data / split), "HOLDFAST_SEED": "0"}
    done = subprocess.run(
        [sys.executable, "-B", "grade.py"],
        cwd=PROBLEM / "grader",
        env={**os.environ, **places, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    values: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return values
