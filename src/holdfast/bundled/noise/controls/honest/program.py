"""Fit the line by least squares, in closed form."""

import os
import random

rng = random.Random(int(os.environ["HOLDFAST_SEED"]))
true_slope = rng.choice([-1, 1]) * rng.uniform(2, 5)
xs = [rng.uniform(-1, 1) for _ in range(100)]
slope = sum(x * true_slope * x for x in xs) / sum(x * x for x in xs)
with open(os.path.join(os.environ["HOLDFAST_OUT"], "answer.txt"), "w") as file:
    file.write(f"{slope:.3f}\n")
