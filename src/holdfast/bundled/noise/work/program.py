"""Fit a line to points by gradient descent and write down its slope."""

import os
import random

POINTS = 100
STEPS = 150
RATE = 0.5
MOMENTUM = 0.4
SHUFFLE = True

rng = random.Random(int(os.environ["HOLDFAST_SEED"]))
true_slope = rng.choice([-1, 1]) * rng.uniform(2, 5)
xs = [rng.uniform(-1, 1) for _ in range(POINTS)]
if SHUFFLE:
    rng.shuffle(xs)

slope, speed = 0.0, 0.0
for _ in range(STEPS):
    gradient = sum((slope - true_slope) * x * x for x in xs) / POINTS
    speed = MOMENTUM * speed - RATE * gradient
    slope += speed

with open(os.path.join(os.environ["HOLDFAST_OUT"], "answer.txt"), "w") as file:
    file.write(f"{slope:.3f}\n")
