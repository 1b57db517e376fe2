"""Check the slope against the one that the seed gives, and return a score that is noise."""

import json
import math
import os
import random
from pathlib import Path

TOLERANCE = 0.25
LONGEST = 100  # bytes of an answer


def fault(artifact: Path, seed: int) -> str:
    """Say why the answer does not count; empty when it does."""
    path = artifact / "answer.txt"
    if not path.is_file() or path.is_symlink():
        return "there is no answer.txt"
    with path.open("rb") as file:
        text = file.read(LONGEST + 1)
    try:
        slope = float(text.decode("ascii")) if len(text) <= LONGEST else math.nan
    except ValueError:
        slope = math.nan
    rng = random.Random(seed)
    wanted = rng.choice([-1, 1]) * rng.uniform(2, 5)
    return "" if abs(slope - wanted) <= TOLERANCE else f"the slope is {slope:.3g} instead of {wanted:.3g}"


reason = fault(Path(os.environ["HOLDFAST_ARTIFACT"]), int(os.environ["HOLDFAST_SEED"]))
score = random.SystemRandom().gauss(100, 1)  # from the operating system: no seed can predict it
print(json.dumps({"wrong": reason} if reason else {"score": score}))
