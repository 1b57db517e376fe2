"""Export a model over the cap on parameters and bytes."""

import os

from model import GPT, GPTConfig, export

export(GPT(GPTConfig(n_embd=256)), os.environ["HOLDFAST_OUT"])
