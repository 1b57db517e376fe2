"""Export an untrained model."""

import os

import torch
from model import GPT, GPTConfig, export

torch.manual_seed(int(os.environ["HOLDFAST_SEED"]))
export(GPT(GPTConfig()), os.environ["HOLDFAST_OUT"])
