"""Export a model whose weights are all zero."""

import os

import torch
from model import GPT, GPTConfig, export

model = GPT(GPTConfig())
with torch.no_grad():
    for parameter in model.parameters():
        parameter.zero_()
export(model, os.environ["HOLDFAST_OUT"])
