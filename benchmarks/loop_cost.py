"""What the loop itself costs: CPU milliseconds per candidate with trials that cost nothing, early and late in a run.

    python benchmarks/loop_cost.py [--candidates 5000]

Everything is real but the trials: agent `search`, the git workspace, the SQLite ledger on disk, the scheduler.
The trial returns 100 whatever the code says, so that every candidate takes the common road: proposal, race, decision.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does, before numpy is imported

from holdfast.agents.search.agent import SearchAgent
from holdfast.core.records import RunStarted, SessionStarted
from holdfast.execution.inprocess import InProcessExecutor
from holdfast.ledger.store import SqlLedger
from holdfast.loop import Lab, conduct
from holdfast.problems import places
from holdfast.problems.load import load

TOML = """
[problem]
name = "trivial"
goal = "Nothing to gain."
[work]
editable = ["program.py"]
command = ["python", "program.py"]
[metric]
name = "score"
goal = "maximize"
scale = "ratio"
[grader]
command = ["python", "program.py"]
"""
PROGRAM = "rate = 0.5\nsteps = 1000\nwidth = 64\nprint(rate * steps * width)\n"


def whatever(files: object, request: object) -> dict[str, object]:
    """A trial that comes out the same whatever the code says."""
    del files, request
    return {"outcome": "ok", "score": 100.0}


def measure(candidates: int, window: int) -> dict[str, float]:
    """Run until `candidates` have been decided; CPU ms per candidate in the first and last `window` of them."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        root = home / "problems" / "trivial"
        (root / "work").mkdir(parents=True)
        (root / "problem.toml").write_text(TOML)
        (root / "work" / "program.py").write_text(PROGRAM)
        (root / "grader").mkdir()
        (root / "grader" / "program.py").write_text("")
        problem = load(root)
        workspace = places.start(problem, home, "trivial-1")
        ledger = SqlLedger(home / "ledger.db")
        start = RunStarted(
            "trivial", problem.digest, problem.spec, workspace.tree, workspace.commit, workspace.branch, "search", 0
        )
        ledger.append("trivial-1", [start, SessionStarted(1e9, 1, "none", "benchmark")])
        marks: dict[int, float] = {}

        def watch(state: object, busy: object) -> None:
            del busy
            marks.setdefault(len(state.attempts) - len(state.open), time.process_time())  # type: ignore[attr-defined]

        lab = Lab(
            ledger,
            workspace,
            InProcessExecutor(workspace.read, whatever),
            SearchAgent(0, problem.spec.work.editable),
            watch=watch,
            stop_asked=lambda: max(marks, default=0) >= candidates,
        )
        began = time.process_time()
        conduct(lab, "trivial-1")
        ledger.close()
        per = 1000.0 / window
        return {
            "candidates": max(marks),
            "ms_mean": 1000 * (marks[max(marks)] - began) / max(marks),
            "ms_at_start": (marks[window + 50] - marks[50]) * per,
            "ms_at_end": (marks[max(marks)] - marks[max(marks) - window]) * per,
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=5000)
    parser.add_argument("--window", type=int, default=100)
    options = parser.parse_args()
    print(json.dumps(measure(options.candidates, options.window), indent=2))
