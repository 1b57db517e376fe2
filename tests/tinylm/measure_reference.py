"""Compare the tutorial program with the reference in interleaved pairs: python measure_reference.py [PAIRS]."""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
from pathlib import Path

from runner import PROBLEM, REFERENCE, prepare, run_grader, run_trial


def measure(pairs: int, scratch: Path) -> None:
    """Print every pair, then losses on both held-out splits and the ratio of CPU seconds."""
    data = prepare(scratch / "data")
    sides = {"baseline": PROBLEM / "work", "reference": REFERENCE}
    cpu: dict[str, list[float]] = {side: [] for side in sides}
    loss: dict[str, list[float]] = {side: [] for side in sides}
    for pair in range(pairs):
        for side in sorted(sides, reverse=bool(pair % 2)):
            out = scratch / f"{side}{pair}"
            cpu[side].append(run_trial(sides[side], data, out, seed=1000 + pair))
            loss[side].append(run_grader(out, data)["val_loss"])
            sealed = run_grader(out, data, "sealed")["val_loss"]
            print(f"pair {pair} {side:9} cpu {cpu[side][-1]:7.3f} s  hidden {loss[side][-1]:.4f}  sealed {sealed:.4f}")
    limit = 1.01 * statistics.mean(loss["baseline"])
    ratios = [math.log(b / r) for b, r in zip(cpu["baseline"], cpu["reference"], strict=True)]
    print(f"hidden loss: baseline {statistics.mean(loss['baseline']):.4f}, limit {limit:.4f}")
    print(f"hidden loss: reference {statistics.mean(loss['reference']):.4f}, worst {max(loss['reference']):.4f}")
    print(f"ratio of CPU seconds: {math.exp(statistics.mean(ratios)):.1f} over {pairs} pairs")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        measure(int(sys.argv[1]) if len(sys.argv) > 1 else 4, Path(scratch))
