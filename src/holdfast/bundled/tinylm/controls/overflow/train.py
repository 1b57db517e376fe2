"""Export finite weights so large that the loss is not finite."""

import os

import torch
from model import GPT, GPTConfig, export

model = GPT(GPTConfig())
with torch.no_grad():
    for parameter in model.parameters():
        parameter.fill_(3e38)
export(model, os.environ["HOLDFAST_OUT"])
