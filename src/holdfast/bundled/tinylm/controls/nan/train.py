"""Export a model with one weight that is not a number."""

import os

import torch
from model import GPT, GPTConfig, export

model = GPT(GPTConfig())
with torch.no_grad():
    model.head.weight[0, 0] = float("nan")
export(model, os.environ["HOLDFAST_OUT"])
